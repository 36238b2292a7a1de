//! A primary that waits for its standby: nobody is told of what the standby may not have,
//! and nobody waits without end; and the standby in its place.

use std::future::IntoFuture;

use tokio::task::JoinHandle;
use utsavam_tests::faults::{Environment, OwnPostgres};
use utsavam_tests::{Answer, Call, Client, ServerBuilder, Sql, TestServer, eventually};

/// A primary and its synchronous standby.
struct Pair {
    primary: OwnPostgres,
    standby: OwnPostgres,
    sql: Sql,
}

impl Pair {
    async fn start() -> Self {
        let primary = OwnPostgres::start(Environment::new()).await;
        let standby = primary.standby().await;
        let sql = primary.sql().await;
        Self {
            primary,
            standby,
            sql,
        }
    }

    /// A patient server on the primary.
    fn server(&self) -> ServerBuilder {
        Self::patient(&self.primary.url())
    }

    /// One that does not wait for the standby. What it did is on the primary alone, as after
    /// an administrator ended the session that waited.
    fn server_that_does_not_wait(&self) -> ServerBuilder {
        let url = self.primary.url();
        Self::patient(&format!("{url}?options=-c%20synchronous_commit=local"))
    }

    fn patient(url: &str) -> ServerBuilder {
        TestServer::builder(url)
            .setting("database.pool_size", "8")
            .setting("database.acquire_timeout", "1m")
            .setting("database.commit_timeout", "1m")
            .setting("gate.lease_ttl", "1h")
    }

    /// Sessions of servers that wait for the standby.
    async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event = 'SyncRep' AND application_name = 'utsavam'";
        self.sql.number(waiting).await
    }

    /// Asks, and returns when the answer waits for the standby; so many do then.
    async fn ask(&self, call: Call, waiting: i64) -> JoinHandle<Answer> {
        let answer = tokio::spawn(call.into_future());
        eventually("it waits for the standby", async || {
            assert!(!answer.is_finished(), "answered without the standby");
            self.waiting().await == waiting
        })
        .await;
        answer
    }
}

async fn answered(answer: JoinHandle<Answer>, status: u16) -> Answer {
    let answer = answer.await.expect("no panic");
    answer.expect(status);
    answer
}

fn book_again(client: &Client, event_id: i64) -> Call {
    let call = client.book(1, event_id, 1);
    call.header("Idempotency-Key", "once")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_a_second_time_of_what_the_standby_does_not_have() {
    let mut pair = Pair::start().await;
    let (hasty, server) = (pair.server_that_does_not_wait(), pair.server());
    let (hasty, server) = (hasty.start().await, server.start().await);
    let (hasty, client) = (hasty.client(), server.client());
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(client.publish(5).await);
    }
    let cancelled = client.booked(2, events[1], 1).await;
    let deleted = client.booked(3, events[2], 1).await;

    pair.standby.kill();
    let booked = book_again(&hasty, events[0]).await;
    let booked = booked.expect(201).id("booking_id");
    hasty.cancel(cancelled).await.expect(200);
    hasty.delete_event(events[2]).await.expect(204);

    let again = [
        pair.ask(book_again(&client, events[0]), 1).await,
        pair.ask(client.cancel(cancelled), 2).await,
        pair.ask(client.cancel(deleted), 3).await,
    ];
    pair.standby.start_again().await;
    let [book, cancel, cancel_deleted] = again;
    let replayed = answered(book, 201).await;
    assert_eq!(replayed.id("booking_id"), booked);
    answered(cancel, 200).await;
    answered(cancel_deleted, 200).await;
    let standby = pair.standby.sql().await;
    eventually("the standby has it", async || {
        let there = format!("SELECT count(*) FROM bookings WHERE id = {booked}");
        standby.number(&there).await == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_longer_than_it_may_is_told_when_the_standby_is_back() {
    let mut pair = Pair::start().await;
    let server = pair.server().setting("database.commit_timeout", "500ms");
    let server = server.start().await;
    let client = server.client();
    let event_id = client.publish(5).await;

    pair.standby.kill();
    let booked = pair.ask(client.book(1, event_id, 1), 1).await;
    eventually("somebody looks after it", async || {
        let looking = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND application_name = 'utsavam'";
        pair.sql.number(looking).await == 1
    })
    .await;
    assert!(!booked.is_finished());
    pair.standby.start_again().await;
    answered(booked, 201).await;
    assert_eq!(client.seats_available(event_id).await, 4);
    let bookings = "SELECT count(*) FROM bookings";
    assert_eq!(pair.sql.number(bookings).await, 1);
}

/// The standby is named first, so that whoever asks for nothing more is led to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_knows_both_sells_where_it_can_write() {
    let mut pair = Pair::start().await;
    let url = pair.standby.url_with(&pair.primary);
    let server = TestServer::builder(&url).start().await;
    let client = server.client();
    let event_id = client.publish(5).await;
    let booked = client.booked(1, event_id, 1).await;

    pair.primary.kill();
    eventually("it does not take the standby for a primary", async || {
        client.get("/ready").await.status == 503
    })
    .await;
    pair.standby.promote().await;
    eventually("it is ready", async || {
        client.get("/ready").await.status == 200
    })
    .await;
    client.booked(2, event_id, 1).await;
    client.cancel(booked).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 4);
}

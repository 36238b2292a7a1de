//! A replica that lists and figures are read from: never older than was stated, never in the
//! way, and never asked for anything else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use utsavam_tests::faults::{Environment, OwnPostgres, WallClock};
use utsavam_tests::{ADMIN_KEY, Client, Proxy, ServerBuilder, Sql, TestServer, eventually};

/// Longer than any test takes: what a replica has not got by then it need not have.
const NEVER: &str = "1h";

/// A primary, its replica, and a server that reads from both.
struct Pair {
    primary: OwnPostgres,
    replica: OwnPostgres,
}

impl Pair {
    async fn start() -> Self {
        Self::with_replica_in(Environment::new()).await
    }

    async fn with_replica_in(environment: Environment) -> Self {
        let primary = OwnPostgres::start(Environment::new()).await;
        let replica = primary.replica(environment).await;
        Self { primary, replica }
    }

    fn server(&self, replica_url: &str, lag_max: &str) -> ServerBuilder {
        TestServer::builder(&self.primary.url())
            .env("REPLICA_URL", replica_url)
            .setting("database.replica_lag_max", lag_max)
            .setting("metrics.port", "0")
    }

    /// A server that has begun to read from the replica.
    async fn started(&self, lag_max: &str) -> TestServer {
        let server = self.server(&self.replica.url(), lag_max).start().await;
        until_used(&server).await;
        server
    }

    /// Nothing that is committed from now on reaches whoever reads from the replica.
    async fn pause(&self) -> Sql {
        let sql = self.replica.sql().await;
        sql.run("SELECT pg_wal_replay_pause()").await;
        eventually("replay is paused", async || {
            sql.text("SELECT pg_get_wal_replay_pause_state()").await == "paused"
        })
        .await;
        sql
    }
}

async fn resume(replica: &Sql) {
    replica.run("SELECT pg_wal_replay_resume()").await;
}

async fn reads(server: &TestServer, by: &str) -> f64 {
    let shown = server.metrics().await;
    shown.sum("utsavam_stale_reads_total", &[("server", by)])
}

async fn is_used(server: &TestServer) -> bool {
    let shown = server.metrics().await;
    shown.sum("utsavam_replica_used", &[]) == 1.0
}

/// Waits until the replica answers somebody.
async fn until_used(server: &TestServer) {
    let before = reads(server, "replica").await;
    let client = server.client();
    eventually("the replica answers", async || {
        client.get("/events").await.expect(200);
        reads(server, "replica").await > before
    })
    .await;
    assert!(is_used(server).await);
}

async fn until_gone_around(server: &TestServer) {
    eventually("the replica is gone around", async || {
        !is_used(server).await
    })
    .await;
}

/// The ids of the events that are listed.
async fn listed(client: &Client) -> Vec<i64> {
    let events = client.entries("/events").await;
    let ids = events.iter().filter_map(|event| event["id"].as_i64());
    ids.collect()
}

async fn figures(client: &Client) -> Value {
    let answer = client.get("/admin/analytics").admin().await;
    answer.expect(200).json()["total_confirmed_bookings"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_is_older_than_it_may_be() {
    const LAG_MAX: Duration = Duration::from_secs(3);
    let pair = Pair::start().await;
    let server = pair.started("3s").await;
    let client = server.client();
    for _ in 0..2 {
        until_used(&server).await;
        let paused = pair.pause().await;
        let event_id = client.publish(5).await;
        let published = Instant::now();
        let mut answers_without = 0;
        eventually("it is listed", async || {
            let asked = Instant::now();
            let is_listed = listed(&client).await.contains(&event_id);
            if !is_listed {
                answers_without += 1;
                let late = asked.saturating_duration_since(published);
                assert!(
                    late <= LAG_MAX,
                    "asked {late:?} later, and it is not listed"
                );
            }
            is_listed
        })
        .await;
        assert!(answers_without > 0, "the replica was not asked");
        // The replica still lacks it.
        until_gone_around(&server).await;
        eventually("the lag is seen to grow", async || {
            let shown = server.metrics().await;
            shown.sum("utsavam_replica_lag_seconds", &[]) > LAG_MAX.as_secs_f64()
        })
        .await;
        resume(&paused).await;
    }
    until_used(&server).await;
    eventually("nothing is missing", async || {
        let shown = server.metrics().await;
        shown.sum("utsavam_replica_lag_seconds", &[]) < 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_has_nothing_to_do_makes_no_replica_look_old() {
    let pair = Pair::start().await;
    let server = pair.started("1s").await;
    let client = server.client();
    let by_primary = reads(&server, "primary").await;
    let began = Instant::now();
    let mut asked = 0;
    while began.elapsed() < Duration::from_secs(4) {
        client.get("/events").await.expect(200);
        asked += 1;
    }
    let by_primary = reads(&server, "primary").await - by_primary;
    assert!(
        by_primary * 10.0 < f64::from(asked),
        "{by_primary} of {asked}"
    );
    let written = "SELECT count(*) FROM replica_beats";
    let primary = pair.primary.sql().await;
    assert_eq!(primary.number(written).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_reads_there_are_few_beats_and_whoever_reads_again_gets_more() {
    let pair = Pair::start().await;
    let server = pair.started("1s").await;
    let primary = pair.primary.sql().await;
    // Eight times as old as one ever becomes while somebody reads.
    let is_old = "SELECT count(*) FROM replica_beats \
                  WHERE beat_at < clock_timestamp() - interval '2 s'";
    eventually("the beats are few", async || {
        primary.number(is_old).await == 1
    })
    .await;
    let began = Instant::now();
    until_used(&server).await;
    // By itself the next one comes ten seconds after the last.
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_did_is_never_read_from_a_replica() {
    let pair = Pair::start().await;
    let server = pair.started(NEVER).await;
    let client = server.client();
    let event_id = client.publish(5).await;
    eventually("the replica lists it", async || {
        listed(&client).await.contains(&event_id)
    })
    .await;
    // The users that are there came by their numbers without the sequence.
    let primary = pair.primary.sql().await;
    primary
        .run("ALTER SEQUENCE users_id_seq RESTART 1000000")
        .await;
    let (key_id, key) = client.api_key(&["users:read"]).await;
    let users = || client.get("/admin/users").api_key(&key);
    users().await.expect(200);

    let _paused = pair.pause().await;
    let booked = client.book(1, event_id, 2).await;
    let booking_id = booked.expect(201).id("booking_id");
    assert_eq!(client.seats_available(event_id).await, 3);
    let history = client.entries("/users/1/bookings").await;
    assert_eq!(history[0]["id"], json!(booking_id));
    let booking = client.get(&format!("/bookings/{booking_id}")).await;
    assert_eq!(booking.expect(200).json()["status"], "CONFIRMED");
    let of_event = format!("/admin/events/{event_id}/bookings");
    let of_event = client.get(&of_event).admin().await;
    assert_eq!(
        of_event.expect(200).json()[0]["booking_id"],
        json!(booking_id)
    );
    client.cancel(booking_id).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 5);

    let person = client.signed_up("asha@example.com").await;
    let me = client.get("/users/me").bearer(&person.access_token).await;
    me.expect(200);
    let revoked = client.delete(&format!("/admin/api-keys/{key_id}")).admin();
    revoked.await.expect(204);
    users().await.expect(401);

    // All the while lists and figures came from a replica that knows nothing of it.
    let next = client.publish(5).await;
    client.booked(2, next, 1).await;
    let by_replica = reads(&server, "replica").await;
    assert!(!listed(&client).await.contains(&next));
    assert_eq!(figures(&client).await, json!(0));
    assert_eq!(reads(&server, "replica").await, by_replica + 2.0);
    client.event(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_lost_is_gone_around_and_nobody_notices() {
    let mut pair = Pair::start().await;
    let line = Proxy::before(&pair.replica.url()).await;
    let server = pair
        .server(&line.url(), "1s")
        .setting("database.answer_timeout", "2s")
        .start()
        .await;
    let client = server.client();
    client.publish(5).await;
    until_used(&server).await;

    line.silence();
    until_served_without(&server, &client).await;
    line.mend();
    until_used(&server).await;

    line.cut();
    until_served_without(&server, &client).await;
    line.mend();
    until_used(&server).await;

    pair.replica.kill();
    until_served_without(&server, &client).await;
    pair.replica.start_again().await;
    until_used(&server).await;
}

/// Lists while the replica is lost: all of them are answered.
async fn until_served_without(server: &TestServer, client: &Client) {
    eventually("the replica is gone around", async || {
        let lists = (0..8).map(|_| async {
            client.get("/events").await.expect(200);
        });
        futures::future::join_all(lists).await;
        figures(client).await;
        !is_used(server).await
    })
    .await;
    let by_primary = reads(server, "primary").await;
    client.get("/events").await.expect(200);
    assert!(reads(server, "primary").await > by_primary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_its_replica() {
    let mut pair = Pair::start().await;
    pair.replica.kill();
    let server = pair.server(&pair.replica.url(), "1s").start().await;
    let client = server.client();
    let event_id = client.publish(5).await;
    assert_eq!(listed(&client).await, [event_id]);
    until_gone_around(&server).await;
    eventually("the log says so", async || {
        server
            .log()
            .contains("go to the primary, not to the replica")
    })
    .await;
    client.get("/ready").await.expect(200);
    pair.replica.start_again().await;
    until_used(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_writes_itself_is_no_replica() {
    let pair = Pair::start().await;
    let misled = pair.server(&pair.primary.url(), NEVER).start().await;
    let client = misled.client();
    eventually("the log says so", async || {
        client.get("/events").await.expect(200);
        misled.log().contains("it is no replica")
    })
    .await;
    assert_eq!(reads(&misled, "replica").await, 0.0);

    // A standby that became a primary goes its own way.
    let server = pair.started(NEVER).await;
    pair.replica.promote().await;
    until_gone_around(&server).await;
    let client = server.client();
    let event_id = client.publish(5).await;
    assert!(listed(&client).await.contains(&event_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_upcoming_is_so_by_the_clock_of_the_primary() {
    let Some(clock) = WallClock::new() else {
        println!("skipped: there is no C compiler to set clocks with");
        return;
    };
    clock.set(-3600);
    let pair = Pair::with_replica_in(clock.environment()).await;
    let server = pair.started("10s").await;
    let client = server.client();
    let primary = pair.primary.sql().await;
    let in_minutes = async |minutes: i64| {
        let begins = format!(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '{minutes} min', \
             'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        );
        let event = json!({
            "name": "Concert", "capacity": 5, "start_at": primary.text(&begins).await,
        });
        client.publish_event(&event).await
    };
    let (began, begins) = (in_minutes(-30).await, in_minutes(30).await);
    until_used(&server).await;
    let mut by_replica = 0.0;
    eventually("the replica lists what begins", async || {
        by_replica = reads(&server, "replica").await;
        listed(&client).await.contains(&begins)
    })
    .await;
    assert_eq!(listed(&client).await, [begins]);
    assert!(reads(&server, "replica").await > by_replica);
    let all = client.entries("/events?upcoming_only=false").await;
    assert_eq!(all[0]["id"], json!(began));
}

#[tokio::test]
async fn a_replica_of_the_embedded_store_is_refused() {
    let refused = utsavam_tests::Program::new(&["serve"])
        .env("ADMIN_KEY", ADMIN_KEY)
        .env("DATABASE_URL", "sqlite::memory:")
        .env("REPLICA_URL", "postgres://u:geheim@127.0.0.1:1/x")
        .run()
        .await;
    let sentence = refused.expect_failure();
    assert!(sentence.contains("REPLICA_URL"), "{sentence}");
    assert!(!refused.stderr.contains("geheim"), "{sentence}");
}

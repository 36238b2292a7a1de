//! PostgreSQL away, slow or back again: an honest 503, nothing half done, and
//! no restart needed afterwards.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use utsavam_tests::{Answer, Call, Service, Sql, eventually};

/// Far below every limit that a server which does not answer might run into, far above
/// what an answer takes that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A service is itself again this soon after its database.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_lost_database_is_unavailable_and_found_again() {
    let builder = Service::builder().await;
    let (builder, proxy) = builder.database_over_a_line().await;
    let service = builder
        .setting("database.acquire_timeout", "1s")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 1).await;
    client.get("/ready").await.expect(200);

    proxy.cut();
    eventually("the server is not ready", async || {
        client.get("/ready").await.status == 503
    })
    .await;
    let ready = client.get("/ready").await;
    assert_eq!(ready.expect(503).json()["dependencies"]["database"], "down");
    assert_eq!(ready.json()["status"], "unavailable");
    client.get("/health").await.expect(200);
    for call in [
        client.book(user_id, event_id, 1),
        client.get(&format!("/events/{event_id}")),
        client.get("/events"),
        client.post("/users", &json!({ "email": "bob@example.com" })),
        client.cancel(1),
        client.get("/admin/analytics").admin(),
    ] {
        let answer = call.await;
        let problem = answer.problem(503, "unavailable");
        for inward in ["postgres", "connection", "127.0.0.1", "sql", "bb8"] {
            assert!(
                !problem.detail().to_lowercase().contains(inward),
                "{inward} is our inside: {answer}"
            );
        }
    }

    proxy.mend();
    eventually("the server is ready", async || {
        client.get("/ready").await.status == 200
    })
    .await;
    client.booked(user_id, event_id, 4).await;
    assert_eq!(client.seats_available(event_id).await, 0);
    service.database.assert_seats_add_up(event_id).await;
    assert_eq!(service.figures().await[0], "1", "Bob was told no");
}

#[tokio::test]
async fn a_database_that_takes_too_long_is_not_waited_for_without_end() {
    let service = Service::builder()
        .await
        .setting("database.pool_size", "2")
        .setting("database.acquire_timeout", "1s")
        .setting("database.lock_timeout", "2s")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let holder = service.database.hold_event(event_id).await;

    // More than there are connections, so that some wait for one.
    let answers =
        futures::future::join_all((0..6).map(|_| client.book(user_id, event_id, 1).into_future()))
            .await;
    for answer in &answers {
        let code = answer.json()["code"].clone();
        let code = code.as_str().unwrap_or_default();
        assert!(["overloaded", "unavailable"].contains(&code), "{answer}");
        answer.problem(503, code);
    }
    holder.run("ROLLBACK").await;

    eventually("the next buyer is served", async || {
        client.book(user_id, event_id, 1).await.status == 201
    })
    .await;
    service.database.assert_seats_add_up(event_id).await;
    assert_eq!(client.seats_available(event_id).await, 49);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up_and_the_booking_is_not() {
    let service = Service::builder()
        .await
        .setting("http.body_timeout", "500ms")
        .setting("http.request_timeout", "1s")
        .setting("database.lock_timeout", "1m")
        .setting("database.statement_timeout", "1m")
        .setting("gate.lease_ttl", "1h")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let holder = service.database.hold_event(event_id).await;

    let answer = client.book(user_id, event_id, 3).await;
    answer.problem(503, "timed_out");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    assert!(
        answer.header("x-content-type-options").is_some(),
        "{answer}"
    );

    holder.run("ROLLBACK").await;
    eventually("the booking is made all the same", async || {
        client.seats_available(event_id).await == 47
    })
    .await;
    service.database.assert_seats_add_up(event_id).await;
}

fn every_kind_of_call(service: &Service, user_id: i64, event_id: i64) -> [Call; 6] {
    let client = &service.client;
    [
        client.book(user_id, event_id, 1),
        client.get(&format!("/events/{event_id}")),
        client.get("/events"),
        client.post("/users", &json!({ "email": "bob@example.com" })),
        client.cancel(1),
        client.get("/admin/analytics").admin(),
    ]
}

async fn assert_unavailable_at_once(call: Call) {
    let asked = Instant::now();
    let answer = call.await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    let took = asked.elapsed();
    assert!(took < AT_ONCE, "{took:?}: {answer}");
}

/// A proxy that goes on acknowledging what it is sent: nothing but the server's silence
/// shows that it is not there.
#[tokio::test]
async fn a_database_that_falls_silent_is_unavailable_at_once_and_soon_found_again() {
    let builder = Service::builder().await;
    let (builder, proxy) = builder.database_over_a_line().await;
    let service = builder
        .setting("database.answer_timeout", "1s")
        .setting("database.connect_timeout", "1m")
        .setting("database.acquire_timeout", "30s")
        .setting("gate.lease_ttl", "10m")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    client.booked(user_id, event_id, 1).await;

    for round in 0..2 {
        proxy.silence();
        // More than there are connections, and all of them before anybody has noticed.
        let silent = Instant::now();
        let asked = (0..30).map(|_| client.book(user_id, event_id, 1).into_future());
        for answer in join_all(asked).await {
            answer.problem(503, "unavailable");
        }
        let noticed = silent.elapsed();
        assert!(noticed < Duration::from_secs(10), "{round}: {noticed:?}");
        for call in every_kind_of_call(&service, user_id, event_id) {
            assert_unavailable_at_once(call).await;
        }
        client.get("/ready").await.expect(503);
        client.get("/health").await.expect(200);

        proxy.mend();
        let back = Instant::now();
        while client.book(user_id, event_id, 1).await.status != 201 {
            let took = back.elapsed();
            assert!(took < BACK, "{round}: no service {took:?} after its return");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.get("/ready").await.expect(200);
    }
    service.database.assert_seats_add_up(event_id).await;
    assert!(client.seats_available(event_id).await >= 37);
}

/// The first of two is a machine that is gone without a word.
#[tokio::test]
async fn of_several_databases_one_that_falls_silent_is_passed_over() {
    let builder = Service::builder().await;
    let (builder, [first, second]) = builder.database_over_two_lines().await;
    let service = builder
        .setting("database.answer_timeout", "1s")
        .setting("database.connect_timeout", "1s")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let sells = async || client.book(user_id, event_id, 1).await.status == 201;
    assert!(sells().await);

    first.silence();
    eventually("the second is used", sells).await;

    // One that comes back attracts nobody: it may be the primary of before.
    first.mend();
    let sql = service.database.sql().await;
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'utsavam'";
    assert!(sql.number(ended).await > 0);
    eventually("other sessions take their place", sells).await;
    first.silence();
    for _ in 0..5 {
        client.booked(user_id, event_id, 1).await;
    }

    first.mend();
    second.cut();
    eventually("the first is used again", sells).await;
    service.database.assert_seats_add_up(event_id).await;
}

/// Sessions of a server, which stand still as long as this exists. A process of its own lets
/// them go when this end of its input is closed, as it is however a test ends: nobody else
/// would, and no server of PostgreSQL ends before its sessions.
struct Stopped(Child);

impl Stopped {
    fn sessions(pids: &[String]) -> Self {
        assert!(!pids.is_empty());
        let mut keeper = Command::new("sh")
            .args([
                "-c",
                "kill -STOP \"$@\"; echo; cat; kill -CONT \"$@\"",
                "sh",
            ])
            .args(pids)
            // Whoever ends the test ends its group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let said = keeper.stdout.as_mut().expect("it is piped");
        said.read_exact(&mut [0]).expect("they stand still");
        Self(keeper)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

async fn sessions(sql: &Sql) -> Vec<String> {
    let rows = sql
        .rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'utsavam'",
        )
        .await;
    rows.into_iter().flatten().collect()
}

#[tokio::test]
async fn sessions_that_stand_still_are_given_up_and_others_take_their_place() {
    let service = Service::builder()
        .await
        .setting("database.answer_timeout", "1s")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let asked = (0..20).map(|_| client.get("/events").into_future());
    join_all(asked).await;
    let sql = service.database.sql().await;
    let stopped = Stopped::sessions(&sessions(&sql).await);

    let asked = (0..20).map(|_| client.book(user_id, event_id, 1).into_future());
    let noticed = Instant::now();
    let answers: Vec<Answer> = join_all(asked).await;
    assert!(noticed.elapsed() < Duration::from_secs(10));
    let sold = answers.iter().filter(|answer| answer.status == 201).count() as i64;
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(503, "unavailable");
    }
    let back = Instant::now();
    while client.get("/ready").await.status != 200 {
        assert!(back.elapsed() < BACK);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client.booked(user_id, event_id, 1).await;
    // What had reached them is not done behind our back: nothing had.
    drop(stopped);
    service.database.assert_seats_add_up(event_id).await;
    assert!(client.seats_available(event_id).await <= 49 - sold);
}

#[tokio::test]
async fn sessions_that_are_killed_again_and_again_cost_nobody_a_booking() {
    let service = Service::builder()
        .await
        .setting("http.workers", "2")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let events = [client.publish(1000).await, client.publish(1000).await];
    let sql = service.database.sql().await;
    let buyers = (0..8).map(|buyer| async move {
        let mut booked = Vec::new();
        for n in 0..60 {
            let event_id = events[(buyer + n) % 2];
            let answer = client.book(user_id, event_id, 1).await;
            match answer.status {
                201 => booked.push(answer.id("booking_id")),
                // All tries met a killer.
                _ => drop(answer.problem(503, "unavailable")),
            }
        }
        booked
    });
    let killing = async {
        let mut killed = 0;
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            killed += sql
                .number(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'utsavam'",
                )
                .await;
        }
        killed
    };
    let (booked, killed) = futures::future::join(join_all(buyers), killing).await;
    assert!(killed > 0);
    let mut booked: Vec<i64> = booked.into_iter().flatten().collect();
    booked.sort_unstable();
    let sold = booked.len();
    booked.dedup();
    assert_eq!(booked.len(), sold, "an id was given twice");
    // No answer of an unknown outcome, so nothing exists that was not told.
    let made = sql.number("SELECT count(*) FROM bookings").await;
    assert_eq!(made, sold as i64);
    assert!(sold > 400, "{sold} of 480 attempts");
    for event_id in events {
        service.database.assert_seats_add_up(event_id).await;
    }
}

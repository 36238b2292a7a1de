//! PgBouncer between the program and PostgreSQL: where it keeps sessions apart and that is said
//! the program works as ever, and otherwise it refuses to start and says why.

use utsavam_tests::faults::{Environment, OwnPgBouncer, OwnPostgres, PoolMode};
use utsavam_tests::{Program, ServerBuilder, TestServer, eventually};

/// Has PgBouncer take the options with which our sessions begin, and forget them.
const FORGETFUL: &[&str] = &["extra_float_digits", "options"];

async fn refusal(url: &str, pooler: &str) -> String {
    let refused = Program::new(&["serve"])
        .env("DATABASE_URL", url)
        .env("PORT", "0")
        .setting("database.pooler", pooler)
        .run()
        .await;
    assert!(!refused.stdout.contains("listening"), "{refused}");
    refused.expect_failure()
}

fn assert_says_what_to_do(sentence: &str) {
    for needed in ["DATABASE_URL", "pooler", "pool_mode = session"] {
        assert!(sentence.contains(needed), "no {needed}: {sentence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_spoke_of_is_refused() {
    let postgres = OwnPostgres::start(Environment::new()).await;
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        for ignored in [&[], FORGETFUL] {
            let pooler = OwnPgBouncer::before(&postgres.url(), mode, ignored).await;
            let sentence = refusal(pooler.url(), "none").await;
            assert_says_what_to_do(&sentence);
            assert!(sentence.contains("database.pooler"), "{sentence}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_is_seen_to_mix_sessions_is_refused() {
    let postgres = OwnPostgres::start(Environment::new()).await;
    let mode = PoolMode::Transaction;
    let pooler = OwnPgBouncer::before(&postgres.url(), mode, FORGETFUL).await;
    assert_says_what_to_do(&refusal(pooler.url(), "session").await);
    // As it is while others use it.
    let (one, other) = (pooler.sql().await, pooler.sql().await);
    one.run("BEGIN").await;
    one.run("SELECT 1").await;
    other.run("SELECT 1").await;
    assert_says_what_to_do(&refusal(pooler.url(), "session").await);
}

fn behind(pooler: &OwnPgBouncer) -> ServerBuilder {
    TestServer::builder(pooler.url()).setting("database.pooler", "session")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_pooler_are_as_good_as_any() {
    let postgres = OwnPostgres::start(Environment::new()).await;
    let pooler = OwnPgBouncer::before(&postgres.url(), PoolMode::Session, &[]).await;
    Program::new(&["migrate"])
        .env("DATABASE_URL", pooler.url())
        .setting("database.pooler", "session")
        .run()
        .await
        .expect_success();
    let server = behind(&pooler).setting("database.lock_timeout", "700ms");
    let server = server.start().await;
    let client = server.client();
    let event_id = client.publish(100).await;
    let bought = (1..=60).map(|user_id| {
        let client = client.clone();
        async move {
            let booked = client.book(user_id, event_id, 1).await;
            booked.expect(201).id("booking_id")
        }
    });
    let bought = futures::future::join_all(bought).await;
    client.cancel(bought[0]).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 41);

    // The limits of our sessions hold there too.
    let holder = postgres.sql().await;
    holder
        .run(&format!(
            "BEGIN; SELECT FROM events WHERE id = {event_id} FOR UPDATE"
        ))
        .await;
    let asked = std::time::Instant::now();
    client.book(1, event_id, 1).await.problem(503, "overloaded");
    assert!(asked.elapsed() < std::time::Duration::from_secs(20));
    holder.run("ROLLBACK").await;
    client.booked(1, event_id, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_goes_and_comes_back_behind_a_pooler_is_noticed() {
    let mut postgres = OwnPostgres::start(Environment::new()).await;
    let pooler = OwnPgBouncer::before(&postgres.url(), PoolMode::Session, &[]).await;
    let server = behind(&pooler).setting("database.answer_timeout", "2s");
    let server = server.start().await;
    let client = server.client();
    let event_id = client.publish(5).await;
    client.booked(1, event_id, 1).await;
    postgres.kill();
    eventually("it is seen that PostgreSQL has gone", async || {
        client.get("/ready").await.status == 503
    })
    .await;
    client
        .book(2, event_id, 1)
        .await
        .problem(503, "unavailable");
    postgres.start_again().await;
    eventually("it is seen that PostgreSQL is back", async || {
        client.get("/ready").await.status == 200
    })
    .await;
    client.booked(2, event_id, 1).await;
    assert_eq!(client.seats_available(event_id).await, 3);
}

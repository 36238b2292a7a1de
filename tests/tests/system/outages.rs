//! PostgreSQL away, slow or back again: an honest 503, nothing half done, and
//! no restart needed afterwards.

use serde_json::json;
use utsavam_tests::{Proxy, Service, eventually};

#[tokio::test]
async fn a_lost_database_is_unavailable_and_found_again() {
    let builder = Service::builder().await;
    let proxy = Proxy::before(builder.database().url()).await;
    let service = builder
        .env("DATABASE_URL", &proxy.url())
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

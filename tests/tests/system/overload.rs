//! More than there is room for: refused at once and kindly, while what was let
//! in is served.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use utsavam_tests::{Service, eventually};

/// Long before anything that waits for the held row is given up.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn past_the_limit_the_answer_is_503_at_once_and_what_was_let_in_is_served() {
    let service = Service::builder()
        .await
        .setting("http.in_flight_max", "4")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let holder = service.database.hold_event(event_id).await;
    let let_in = join_all((0..4).map(|_| client.book(user_id, event_id, 1).into_future()));
    let let_in = tokio::spawn(let_in);
    eventually("the row is waited for", async || {
        service.database.sessions_waiting().await > 0
    })
    .await;

    let began = Instant::now();
    eventually("all places are taken", async || {
        client.get("/events").await.status == 503
    })
    .await;
    for call in [
        client.book(user_id, event_id, 1),
        client.get(&format!("/events/{event_id}")),
        client.cancel(1),
    ] {
        let refused = call.await;
        refused.problem(503, "overloaded");
        let after = refused.header("Retry-After").expect("Retry-After");
        assert!(
            after.parse::<u64>().is_ok_and(|seconds| seconds >= 1),
            "{after}"
        );
    }
    client.get("/health").await.expect(200);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());

    holder.run("ROLLBACK").await;
    for booked in let_in.await.expect("answers") {
        booked.expect(201);
    }
    client.booked(user_id, event_id, 1).await;
    assert_eq!(client.seats_available(event_id).await, 45);
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_full_queue_of_one_event_refuses_that_event_alone() {
    let service = Service::builder()
        .await
        .setting("booking.queue_per_event_max", "2")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let (popular, other) = (client.publish(50).await, client.publish(50).await);
    let holder = service.database.hold_event(popular).await;
    let first = tokio::spawn(client.book(user_id, popular, 1).into_future());
    eventually("the row is waited for", async || {
        service.database.sessions_waiting().await > 0
    })
    .await;
    // Two of these form the next batch; the others are refused meanwhile.
    let mut crowd: FuturesUnordered<_> = (0..10)
        .map(|_| client.book(user_id, popular, 1).into_future())
        .collect();
    for refused in crowd.by_ref().take(8).collect::<Vec<_>>().await {
        refused.problem(503, "overloaded");
        assert!(refused.header("Retry-After").is_some(), "{refused}");
    }
    client.booked(user_id, other, 1).await;
    client.get("/events").await.expect(200);

    holder.run("ROLLBACK").await;
    first.await.expect("an answer").expect(201);
    for booked in crowd.collect::<Vec<_>>().await {
        booked.expect(201);
    }
    assert_eq!(client.seats_available(popular).await, 47);
}

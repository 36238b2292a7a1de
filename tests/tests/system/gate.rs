//! The seat gate in Redis, as the server keeps it.

use futures::future::join_all;
use serde_json::json;
use utsavam_tests::{PAST, Service, eventually};

#[tokio::test]
async fn the_tokens_of_a_new_event_are_its_seats() {
    let service = Service::start_without_reconciliation().await;
    for capacity in [5, 0, 100_000] {
        let event_id = service.client.publish(capacity).await;
        service.redis().assert_tokens(event_id, capacity).await;
    }
}

#[tokio::test]
async fn the_tokens_follow_every_sale_cancellation_resize_and_deletion_at_once() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;

    let booking_id = client.booked(user_id, event_id, 2).await;
    service.redis().assert_tokens(event_id, 3).await;
    client.booked(user_id, event_id, 1).await;
    service.redis().assert_tokens(event_id, 2).await;
    client.cancel(booking_id).await.expect(200);
    service.redis().assert_tokens(event_id, 4).await;
    client.cancel(booking_id).await.expect(200);
    service.redis().assert_tokens(event_id, 4).await;
    for (capacity, tokens) in [(10, 9), (1, 0), (3, 2)] {
        let resize = json!({ "capacity": capacity });
        client.change(event_id, &resize).await.expect(200);
        service.redis().assert_tokens(event_id, tokens).await;
    }
    let rename = json!({ "name": "Renamed" });
    client.change(event_id, &rename).await.expect(200);
    service.redis().assert_tokens(event_id, 2).await;

    client.delete_event(event_id).await.expect(204);
    assert_eq!(service.redis().tokens(event_id).await, None);
    // Whatever else is remembered of it leaves by itself.
    let left: Vec<String> = service.redis().ask(&["KEYS", "*"]).await;
    for key in left {
        let milliseconds: i64 = service.redis().ask(&["PTTL", &key]).await;
        assert!(milliseconds >= 0, "{key} would stay for ever");
    }
}

#[tokio::test]
async fn five_refusals_leave_the_tokens_as_they_were() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 3).await;

    for _ in 0..5 {
        let answer = client.book(user_id, event_id, 3).await;
        answer.problem(409, "not_enough_seats");
    }
    service.redis().assert_tokens(event_id, 2).await;
    client.booked(user_id, event_id, 2).await;
    for _ in 0..5 {
        let answer = client.book(user_id, event_id, 1).await;
        answer.problem(409, "not_enough_seats");
    }
    service.redis().assert_tokens(event_id, 0).await;
}

#[tokio::test]
async fn refusals_by_the_store_return_their_tokens() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    for _ in 0..5 {
        let nobody = client.book(777, event_id, 2).await;
        nobody.problem(404, "user_not_found");
    }
    service.redis().assert_tokens(event_id, 5).await;

    let first = client
        .book(user_id, event_id, 1)
        .header("Idempotency-Key", "k")
        .await;
    first.expect(201);
    for (seats, status) in [(1, 201), (2, 422)] {
        let again = client
            .book(user_id, event_id, seats)
            .header("Idempotency-Key", "k")
            .await;
        again.expect(status);
        service.redis().assert_tokens(event_id, 4).await;
    }

    let start = json!({ "start_at": PAST });
    client.change(event_id, &start).await.expect(200);
    let late = client.book(user_id, event_id, 1).await;
    late.problem(409, "event_started");
    service.redis().assert_tokens(event_id, 4).await;
}

#[tokio::test]
async fn a_refused_booking_without_a_key_does_not_touch_the_store() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(2).await;
    client.booked(user_id, event_id, 2).await;

    // While the test holds the tables, nobody can even read them.
    let holder = service.database.sql().await;
    holder
        .run("BEGIN; LOCK TABLE users, events, bookings IN ACCESS EXCLUSIVE MODE")
        .await;
    for _ in 0..5 {
        let answer = client.book(user_id, event_id, 1).await;
        answer.problem(409, "not_enough_seats");
    }
    assert_eq!(service.database.sessions_waiting().await, 0);

    // With a key it may be a replay, so the store is asked, and waits.
    let with_key = tokio::spawn(
        client
            .book(user_id, event_id, 1)
            .header("Idempotency-Key", "k")
            .into_future(),
    );
    eventually("the store is asked", async || {
        service.database.sessions_waiting().await > 0
    })
    .await;
    assert!(!with_key.is_finished());
    holder.run("COMMIT").await;
    let answer = with_key.await.expect("the request is not aborted");
    answer.problem(409, "not_enough_seats");
}

#[tokio::test]
async fn hundreds_of_refusals_read_no_row() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(1).await;
    client.booked(user_id, event_id, 1).await;
    let holder = service.database.sql().await;
    holder
        .run("BEGIN; LOCK TABLE users, events, bookings IN ACCESS EXCLUSIVE MODE")
        .await;
    let answers = join_all((0..300).map(|_| client.book(user_id, event_id, 1).into_future())).await;
    for answer in answers {
        answer.problem(409, "not_enough_seats");
    }
    holder.run("COMMIT").await;
    service.redis().assert_tokens(event_id, 0).await;
}

#[tokio::test]
async fn a_sold_out_event_keeps_no_leases() {
    let service = Service::start_without_reconciliation().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    join_all((0..40).map(|_| client.book(user_id, event_id, 1).into_future())).await;
    service.redis().assert_tokens(event_id, 0).await;
    assert_eq!(client.seats_available(event_id).await, 0);
    let leases: Vec<String> = service.redis().ask(&["KEYS", "*leases*"]).await;
    assert!(leases.is_empty(), "{leases:?}");
}

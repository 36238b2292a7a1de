//! Idempotency keys when the same request comes many times at once, as it
//! does from an impatient buyer or a retrying proxy.

use futures::future::join_all;
use utsavam_tests::{Service, eventually};

#[tokio::test]
async fn twenty_requests_at_once_with_one_key_make_one_booking() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;

    let answers = join_all((0..20).map(|_| {
        client
            .book(user_id, event_id, 2)
            .header("Idempotency-Key", "k")
            .into_future()
    }))
    .await;
    let body = answers[0].json();
    let mut first_ones = 0;
    for answer in &answers {
        assert_eq!(answer.expect(201).json(), body);
        match answer.header("idempotency-replayed") {
            None => first_ones += 1,
            Some(replayed) => assert_eq!(replayed, "true"),
        }
    }
    assert_eq!(first_ones, 1, "answers that say that they made the booking");
    assert_eq!(service.figures().await[2], "1", "bookings in the table");
    assert_eq!(client.seats_available(event_id).await, 48);
    service.assert_gate_holds(event_id, 48).await;
}

#[tokio::test]
async fn twenty_requests_at_once_with_one_key_for_the_last_seat_all_get_it() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(1).await;
    let answers = join_all((0..20).map(|_| {
        client
            .book(user_id, event_id, 1)
            .header("Idempotency-Key", "k")
            .into_future()
    }))
    .await;
    for answer in &answers {
        assert_eq!(answer.expect(201).json(), answers[0].json());
    }
    assert_eq!(service.figures().await[2], "1");
    // The store may sell the seat to one whom the gate had refused, while the
    // one with the token gets a replay and returns it; then the gate is a token
    // too high until it is reconciled.
    eventually("the gate agrees", async || {
        service.is_gate_empty(event_id).await
    })
    .await;
}

#[tokio::test]
async fn of_different_requests_at_once_with_one_key_exactly_one_is_made() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(client.publish(50).await);
    }
    // Over several events, whose rows have no lock in common.
    let answers = join_all((1..=20).map(|seats| {
        client
            .book(user_id, events[seats % events.len()], seats as i64)
            .header("Idempotency-Key", "k")
            .into_future()
    }))
    .await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!(made.len(), 1);
    for answer in refused {
        answer.problem(422, "idempotency_key_reused");
    }
    assert_eq!(service.figures().await[2], "1");
    for event_id in events {
        service.database.assert_seats_add_up(event_id).await;
    }
}

#[tokio::test]
async fn the_same_keys_of_many_users_do_not_meet() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish(50).await;
    let users = join_all((0..10).map(|number| {
        let email = format!("buyer{number}@example.com");
        async move { client.register(&email).await }
    }))
    .await;
    let answers = join_all(users.iter().chain(&users).map(|&user_id| {
        client
            .book(user_id, event_id, 1)
            .header("Idempotency-Key", "k")
            .into_future()
    }))
    .await;
    for answer in &answers {
        answer.expect(201);
    }
    assert_eq!(client.seats_available(event_id).await, 40);
}

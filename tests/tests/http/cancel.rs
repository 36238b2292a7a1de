//! `DELETE /bookings/{id}`: the seats come back, once.

use futures::future::join_all;
use serde_json::json;
use utsavam_tests::{PAST, Service};

#[tokio::test]
async fn a_cancelled_booking_gives_its_seats_back() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(3).await;
    let booking_id = client.booked(user_id, event_id, 3).await;

    let answer = client.cancel(booking_id).await;
    assert_eq!(
        answer.expect(200).json(),
        json!({ "booking_id": booking_id, "status": "CANCELLED" })
    );
    assert_eq!(client.seats_available(event_id).await, 3);
    let booking = client.get(&format!("/bookings/{booking_id}")).await;
    assert_eq!(booking.expect(200).json()["status"], "CANCELLED");
    // Free again for the next one.
    client.booked(user_id, event_id, 3).await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn cancelling_again_answers_the_same_and_returns_nothing() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let booking_id = client.booked(user_id, event_id, 2).await;
    client.booked(user_id, event_id, 1).await;

    let first = client.cancel(booking_id).await;
    for _ in 0..3 {
        let again = client.cancel(booking_id).await;
        assert_eq!(again.expect(200).json(), first.expect(200).json());
    }
    assert_eq!(client.seats_available(event_id).await, 4);
    service.assert_gate_holds(event_id, 4).await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn twenty_cancellations_at_once_return_the_seats_once() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    let booking_id = client.booked(user_id, event_id, 2).await;
    client.booked(user_id, event_id, 3).await;

    let cancelled = json!({ "booking_id": booking_id, "status": "CANCELLED" });
    for answer in join_all((0..20).map(|_| client.cancel(booking_id).into_future())).await {
        assert_eq!(answer.expect(200).json(), cancelled);
    }
    assert_eq!(client.seats_available(event_id).await, 7);
    service.assert_gate_holds(event_id, 7).await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_booking_that_never_was_cannot_be_cancelled() {
    let service = Service::start().await;
    for id in [1, i64::MAX] {
        let answer = service.client.cancel(id).await;
        answer.problem(404, "booking_not_found");
    }
}

#[tokio::test]
async fn a_booking_can_be_cancelled_after_the_event_started() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let booking_id = client.booked(user_id, event_id, 2).await;
    let start = json!({ "start_at": PAST });
    client.change(event_id, &start).await.expect(200);
    client.cancel(booking_id).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 5);
}

#[tokio::test]
async fn a_booking_inserted_by_hand_can_be_cancelled() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let sql = service.database.sql().await;
    sql.run(&format!(
        "UPDATE events SET seats_available = seats_available - 2 WHERE id = {event_id}"
    ))
    .await;
    let booking_id = sql
        .number(&format!(
            "INSERT INTO bookings (user_id, event_id, seats) \
             VALUES ({user_id}, {event_id}, 2) RETURNING id"
        ))
        .await;
    client.cancel(booking_id).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 5);
    service.database.assert_seats_add_up(event_id).await;
}

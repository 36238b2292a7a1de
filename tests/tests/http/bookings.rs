//! `POST /bookings` and `GET /bookings/{id}`.

use serde_json::json;
use utsavam_tests::{PAST, Service};

use crate::{members, time};

#[tokio::test]
async fn a_booking_is_shown_where_its_location_says() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;

    let answer = client.book(user_id, event_id, 2).await;
    let booking_id = answer.expect(201).id("booking_id");
    assert_eq!(
        answer.json(),
        json!({
            "booking_id": booking_id, "status": "CONFIRMED",
            "user_id": user_id, "event_id": event_id, "seats": 2,
        })
    );
    let location = answer.header("location").expect("a Location");
    assert_eq!(location, format!("/bookings/{booking_id}"));
    assert_eq!(client.seats_available(event_id).await, 3);

    let booking = client.get(location).await.expect(200).json();
    assert_eq!(
        members(&booking),
        [
            "booking_id",
            "created_at",
            "event_id",
            "seats",
            "status",
            "user_id"
        ]
    );
    assert_eq!(booking["booking_id"], booking_id);
    assert_eq!(booking["user_id"], user_id);
    assert_eq!(booking["event_id"], event_id);
    assert_eq!(booking["seats"], 2);
    assert_eq!(booking["status"], "CONFIRMED");
    time(&booking["created_at"]);
}

#[tokio::test]
async fn one_seat_is_booked_unless_more_are_asked_for() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let request = json!({ "user_id": user_id, "event_id": event_id });
    let answer = client.post("/bookings", &request).await;
    assert_eq!(answer.expect(201).json()["seats"], 1);
    assert_eq!(client.seats_available(event_id).await, 4);
}

#[tokio::test]
async fn unknown_users_events_and_bookings_are_not_found() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let before = service.figures().await;

    for unknown in [777, i64::from(i32::MAX) + 1, i64::MAX] {
        client
            .book(unknown, event_id, 1)
            .await
            .problem(404, "user_not_found");
        client
            .book(user_id, unknown, 1)
            .await
            .problem(404, "event_not_found");
        let path = format!("/bookings/{unknown}");
        client.get(&path).await.problem(404, "booking_not_found");
    }
    assert_eq!(service.figures().await, before);
    service.assert_gate_holds(event_id, 5).await;
}

#[tokio::test]
async fn no_more_seats_are_sold_than_are_left() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;

    client
        .book(user_id, event_id, 6)
        .await
        .problem(409, "not_enough_seats");
    client.booked(user_id, event_id, 3).await;
    client
        .book(user_id, event_id, 3)
        .await
        .problem(409, "not_enough_seats");
    // What is too much for one is not too much for the next.
    client.booked(user_id, event_id, 2).await;
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "not_enough_seats");
    assert_eq!(client.seats_available(event_id).await, 0);
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn an_event_without_seats_sells_none() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(0).await;
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "not_enough_seats");
}

#[tokio::test]
async fn an_event_that_has_started_sells_nothing() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let over = json!({ "name": "Over", "start_at": PAST, "capacity": 5 });
    let over = client.publish_event(&over).await;
    client
        .book(user_id, over, 1)
        .await
        .problem(409, "event_started");

    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 1).await;
    let start = json!({ "start_at": PAST });
    client.change(event_id, &start).await.expect(200);
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "event_started");
    assert_eq!(client.seats_available(event_id).await, 4);
}

#[tokio::test]
async fn one_booking_has_at_most_a_hundred_seats_unless_set_otherwise() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(500).await;
    client.book(user_id, event_id, 101).await.refuses("seats");
    client.booked(user_id, event_id, 100).await;
    assert_eq!(client.seats_available(event_id).await, 400);
}

#[tokio::test]
async fn the_most_seats_of_one_booking_can_be_set() {
    let service = Service::builder()
        .await
        .setting("booking.seats_max", "4")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    let refused = client.book(user_id, event_id, 5).await;
    refused.refuses("seats");
    assert!(refused.json()["detail"].is_string());
    // Too many is invalid, not sold out: also when fewer are left.
    client.booked(user_id, event_id, 4).await;
    client.booked(user_id, event_id, 4).await;
    client.book(user_id, event_id, 5).await.refuses("seats");
    service.assert_gate_holds(event_id, 2).await;
}

#[tokio::test]
async fn a_body_may_name_its_charset() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let body = json!({ "user_id": user_id, "event_id": event_id }).to_string();
    for media_type in [
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        let answer = client
            .call(reqwest::Method::POST, "/bookings")
            .header("Content-Type", media_type)
            .untyped(body.clone())
            .await;
        answer.expect(201);
    }
}

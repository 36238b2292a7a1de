//! `GET /admin/analytics`: how events sell.

use serde_json::{Value, json};
use utsavam_tests::{Client, Service};

use crate::{members, numbers};

async fn report(client: &Client) -> Value {
    let answer = client.get("/admin/analytics").admin().await;
    answer.expect(200).json()
}

fn events(report: &Value) -> &[Value] {
    report["events"].as_array().expect("`events` is a list")
}

#[tokio::test]
async fn the_figures_are_those_of_confirmed_bookings() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let quiet = client.publish(7).await;
    let concert = json!({ "name": "Busy", "start_at": utsavam_tests::FUTURE, "capacity": 10 });
    let busy = client.publish_event(&concert).await;
    client.booked(user_id, quiet, 5).await;
    client.booked(user_id, busy, 2).await;
    client.booked(user_id, busy, 1).await;
    let cancelled = client.booked(user_id, busy, 4).await;
    client.cancel(cancelled).await.expect(200);

    let report = report(client).await;
    assert_eq!(members(&report), ["events", "total_confirmed_bookings"]);
    assert_eq!(report["total_confirmed_bookings"], 3);
    assert_eq!(
        events(&report),
        [
            json!({
                "event_id": busy, "name": "Busy", "total_confirmed_bookings": 2,
                "confirmed_seats": 3, "capacity": 10, "seats_available": 7,
                "capacity_utilization_pct": 30.0,
            }),
            json!({
                "event_id": quiet, "name": "Concert", "total_confirmed_bookings": 1,
                "confirmed_seats": 5, "capacity": 7, "seats_available": 2,
                "capacity_utilization_pct": 71.43,
            }),
        ]
    );
}

#[tokio::test]
async fn utilisation_is_rounded_to_two_decimals_and_zero_without_seats() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    for (capacity, seats, percent) in [
        (0, 0, 0.0),
        (3, 0, 0.0),
        (3, 1, 33.33),
        (3, 2, 66.67),
        (3, 3, 100.0),
        (30_000, 1, 0.0),
        (10_000, 1, 0.01),
        (8_000, 1, 0.01),
    ] {
        let event_id = client.publish(capacity).await;
        if seats > 0 {
            client.booked(user_id, event_id, seats).await;
        }
        let report = report(client).await;
        let event = events(&report)
            .iter()
            .find(|event| event["event_id"] == event_id)
            .unwrap_or_else(|| panic!("event {event_id} is missing: {report}"));
        assert_eq!(
            event["capacity_utilization_pct"].as_f64(),
            Some(percent),
            "{seats} of {capacity}"
        );
    }
}

#[tokio::test]
async fn deleted_events_are_left_out_of_list_and_sum() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let kept = client.publish(10).await;
    let deleted = client.publish(10).await;
    client.booked(user_id, kept, 1).await;
    for _ in 0..3 {
        client.booked(user_id, deleted, 1).await;
    }
    assert_eq!(report(client).await["total_confirmed_bookings"], 4);

    client.delete_event(deleted).await.expect(204);
    let report = report(client).await;
    assert_eq!(report["total_confirmed_bookings"], 1);
    assert_eq!(numbers(events(&report), "event_id"), [kept]);
}

#[tokio::test]
async fn figures_follow_every_change_and_repeated_requests_count_once() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    let mut booking_id = 0;
    for _ in 0..3 {
        let answer = client
            .book(user_id, event_id, 2)
            .header("Idempotency-Key", "k")
            .await;
        booking_id = answer.expect(201).id("booking_id");
    }
    let resize = json!({ "capacity": 4, "name": "Renamed" });
    client.change(event_id, &resize).await.expect(200);
    let booked = report(client).await;
    assert_eq!(booked["total_confirmed_bookings"], 1);
    assert_eq!(
        events(&booked)[0],
        json!({
            "event_id": event_id, "name": "Renamed", "total_confirmed_bookings": 1,
            "confirmed_seats": 2, "capacity": 4, "seats_available": 2,
            "capacity_utilization_pct": 50.0,
        })
    );

    for _ in 0..3 {
        client.cancel(booking_id).await.expect(200);
    }
    let cancelled = report(client).await;
    assert_eq!(cancelled["total_confirmed_bookings"], 0);
    assert_eq!(events(&cancelled)[0]["total_confirmed_bookings"], 0);
    assert_eq!(events(&cancelled)[0]["confirmed_seats"], 0);
}

#[tokio::test]
async fn the_report_comes_in_pages_with_the_whole_sum_on_each() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    // Bookings of each event, with equal figures among them.
    let figures = [0, 2, 1, 2, 0];
    for bookings in figures {
        let event_id = client.publish(10).await;
        for _ in 0..bookings {
            client.booked(user_id, event_id, 1).await;
        }
    }
    let whole = report(client).await;
    assert_eq!(
        numbers(events(&whole), "total_confirmed_bookings"),
        [2, 2, 1, 0, 0]
    );

    for limit in [1, 2, 3] {
        let pages = client
            .pages(&format!("/admin/analytics?limit={limit}"))
            .await;
        let mut paged = Vec::new();
        for (number, page) in pages.iter().enumerate() {
            assert_eq!(page["total_confirmed_bookings"], 5);
            let is_last = number + 1 == pages.len();
            assert!(is_last || events(page).len() == limit, "{page}");
            paged.extend_from_slice(events(page));
        }
        assert_eq!(paged, events(&whole), "limit {limit}");
    }
}

#[tokio::test]
async fn no_events_are_an_empty_report() {
    let service = Service::start().await;
    assert_eq!(
        report(&service.client).await,
        json!({ "total_confirmed_bookings": 0, "events": [] })
    );
}

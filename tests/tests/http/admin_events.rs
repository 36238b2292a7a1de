//! Publishing, changing and deleting events, and who may.

use reqwest::Method;
use serde_json::{Value, json};
use utsavam_tests::{ADMIN_KEY, FUTURE, PAST, Service};

use crate::{numbers, time};

fn concert() -> Value {
    json!({ "name": "Concert", "venue": "Hall B", "start_at": FUTURE, "capacity": 5 })
}

#[tokio::test]
async fn every_admin_call_needs_the_key() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish(5).await;
    let before = service.figures().await;
    let event = format!("/admin/events/{event_id}");
    let bookings = format!("{event}/bookings");
    let pause = format!("{event}/sales/pause");
    let calls = [
        (Method::GET, "/admin/users", None),
        (Method::POST, "/admin/events", Some(concert())),
        // Who has no key does not even learn that the input is bad.
        (Method::POST, "/admin/events", Some(json!({}))),
        (Method::PUT, &event, Some(json!({ "capacity": 50 }))),
        (Method::PUT, "/admin/events/777", Some(json!({}))),
        (Method::DELETE, &event, None),
        (Method::GET, &bookings, None),
        (Method::GET, "/admin/events/abc/bookings", None),
        (Method::POST, &pause, None),
        (Method::POST, "/admin/sales/pause", None),
        (Method::GET, "/admin/sales", None),
        (Method::GET, "/admin/analytics", None),
        (Method::GET, "/admin/analytics?limit=0", None),
        (Method::POST, "/admin/seed_demo_data", None),
    ];
    let prefix = &ADMIN_KEY[..ADMIN_KEY.len() - 1];
    let longer = format!("{ADMIN_KEY}x");
    let upper = ADMIN_KEY.to_uppercase();
    for (method, path, body) in calls {
        for key in [None, Some(""), Some(prefix), Some(&longer), Some(&upper)] {
            let mut call = client.call(method.clone(), path);
            if let Some(body) = &body {
                call = call.json(body);
            }
            if let Some(key) = key {
                call = call.header("X-Admin-Key", key);
            }
            let answer = call.await;
            answer.problem(401, "admin_key_required");
            assert!(answer.header("www-authenticate").is_some(), "{answer}");
        }
    }
    assert_eq!(service.figures().await, before);
}

#[tokio::test]
async fn a_published_event_is_shown_and_its_seats_are_all_free() {
    let service = Service::start().await;
    let answer = service
        .client
        .post("/admin/events", &concert())
        .admin()
        .await;
    let event_id = answer.expect(201).id("id");
    let shown = service.client.event(event_id).await;
    assert_eq!(answer.json(), shown);
    assert_eq!(shown["seats_available"], 5);
    assert_eq!(shown["venue"], "Hall B");
    service.assert_gate_holds(event_id, 5).await;
}

#[tokio::test]
async fn a_beginning_in_the_past_is_accepted() {
    let service = Service::start().await;
    let event = json!({ "name": "Over", "venue": null, "start_at": PAST, "capacity": 0 });
    let event_id = service.client.publish_event(&event).await;
    let shown = service.client.event(event_id).await;
    assert_eq!(time(&shown["start_at"]), time(&json!(PAST)));
    assert_eq!(shown["capacity"], 0);
}

#[tokio::test]
async fn each_detail_can_be_changed_alone() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish_event(&concert()).await;
    for (member, value) in [
        ("name", json!("Jazz Night")),
        ("venue", json!("Stadium A")),
        ("start_at", json!("2099-12-24T20:15:00Z")),
        ("capacity", json!(7)),
    ] {
        let mut expected = client.event(event_id).await;
        let answer = client.change(event_id, &json!({ member: value })).await;
        expected[member] = value.clone();
        if member == "capacity" {
            expected["seats_available"] = value;
        }
        if member == "start_at" {
            assert_eq!(
                time(&answer.expect(200).json()["start_at"]),
                time(&expected["start_at"])
            );
            expected["start_at"] = answer.json()["start_at"].clone();
        }
        assert_eq!(answer.expect(200).json(), expected, "{member}");
        assert_eq!(client.event(event_id).await, expected, "{member}");
    }
}

#[tokio::test]
async fn absent_and_null_members_change_nothing() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish_event(&concert()).await;
    let before = client.event(event_id).await;
    for change in [
        json!({}),
        json!({ "venue": null }),
        json!({ "name": null, "venue": null, "start_at": null, "capacity": null }),
    ] {
        let answer = client.change(event_id, &change).await;
        assert_eq!(answer.expect(200).json(), before, "{change}");
    }
    assert_eq!(client.event(event_id).await, before);
    service.assert_gate_holds(event_id, 5).await;
}

#[tokio::test]
async fn a_resize_adds_and_removes_free_seats_only() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 3).await;

    for (capacity, left) in [(10, 7), (4, 1), (3, 0), (100, 97)] {
        let resize = json!({ "capacity": capacity });
        let event = client.change(event_id, &resize).await.expect(200).json();
        assert_eq!(event["capacity"], capacity);
        assert_eq!(event["seats_available"], left, "resized to {capacity}");
        service.assert_gate_holds(event_id, left).await;
        service.database.assert_seats_add_up(event_id).await;
    }
}

#[tokio::test]
async fn a_resize_below_the_confirmed_seats_is_refused_as_a_whole() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.booked(user_id, event_id, 3).await;
    let before = client.event(event_id).await;

    for capacity in [2, 0] {
        let change = json!({ "name": "Smaller", "capacity": capacity });
        client.change(event_id, &change).await.refuses("capacity");
    }
    assert_eq!(client.event(event_id).await, before);
    service.assert_gate_holds(event_id, 2).await;
}

#[tokio::test]
async fn cancelled_seats_do_not_stand_in_the_way_of_a_resize() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let booking_id = client.booked(user_id, event_id, 5).await;
    client.cancel(booking_id).await.expect(200);
    let resize = json!({ "capacity": 0 });
    let event = client.change(event_id, &resize).await.expect(200).json();
    assert_eq!(event["seats_available"], 0);
}

#[tokio::test]
async fn an_event_moved_into_the_future_sells_again() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event = json!({ "name": "Postponed", "start_at": PAST, "capacity": 5 });
    let event_id = client.publish_event(&event).await;
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "event_started");
    let postpone = json!({ "start_at": FUTURE });
    client.change(event_id, &postpone).await.expect(200);
    client.booked(user_id, event_id, 1).await;
}

#[tokio::test]
async fn an_unknown_event_can_be_neither_changed_nor_deleted_nor_looked_into() {
    let service = Service::start().await;
    let client = &service.client;
    for id in [1, i64::MAX] {
        for change in [json!({}), json!({ "name": "x" })] {
            let answer = client.change(id, &change).await;
            answer.problem(404, "event_not_found");
        }
        let answer = client.delete_event(id).await;
        answer.problem(404, "event_not_found");
        let path = format!("/admin/events/{id}/bookings");
        let answer = client.get(&path).admin().await;
        answer.problem(404, "event_not_found");
    }
}

#[tokio::test]
async fn a_deleted_event_is_hidden_and_its_bookings_are_cancelled_at_once() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let kept_id = client.publish(5).await;
    let first = client.booked(user_id, event_id, 1).await;
    let kept = client.booked(user_id, kept_id, 1).await;
    let second = client.booked(user_id, event_id, 2).await;

    let answer = client.delete_event(event_id).await;
    assert!(answer.expect(204).body.is_empty());

    let path = format!("/events/{event_id}");
    client.get(&path).await.problem(404, "event_not_found");
    let listed = client.entries("/events?upcoming_only=false").await;
    assert_eq!(numbers(&listed, "id"), [kept_id]);
    client
        .book(user_id, event_id, 1)
        .await
        .problem(404, "event_not_found");
    client
        .change(event_id, &json!({ "name": "x" }))
        .await
        .problem(404, "event_not_found");

    for booking_id in [first, second] {
        let booking = client.get(&format!("/bookings/{booking_id}")).await;
        assert_eq!(booking.expect(200).json()["status"], "CANCELLED");
        let cancelled = client.cancel(booking_id).await;
        assert_eq!(
            cancelled.expect(200).json(),
            json!({ "booking_id": booking_id, "status": "CANCELLED" })
        );
    }
    let history = client.entries(&format!("/users/{user_id}/bookings")).await;
    assert_eq!(numbers(&history, "id"), [second, kept, first]);
    let statuses: Vec<_> = history.iter().map(|booking| &booking["status"]).collect();
    assert_eq!(statuses, ["CANCELLED", "CONFIRMED", "CANCELLED"]);

    client
        .delete_event(event_id)
        .await
        .problem(404, "event_not_found");
    service.assert_no_gate(event_id).await;
    service.assert_gate_holds(kept_id, 4).await;
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish_event(&concert()).await;
    let before = (client.event(event_id).await, service.figures().await);
    let long = "x".repeat(256);
    for (member, value) in [
        ("name", json!("")),
        ("name", json!("  ")),
        ("name", json!("a\nb")),
        ("name", json!(long)),
        ("name", json!(7)),
        ("venue", json!("")),
        ("venue", json!("a\tb")),
        ("venue", json!(long)),
        ("venue", json!(["Hall B"])),
        ("start_at", json!("2099-06-01T18:00:00")),
        ("start_at", json!("2099-06-01")),
        ("start_at", json!("2099-02-30T18:00:00Z")),
        ("start_at", json!("tomorrow")),
        ("start_at", json!("")),
        ("start_at", json!(4_083_933_600_i64)),
        ("capacity", json!(-1)),
        ("capacity", json!(i64::from(i32::MAX) + 1)),
        ("capacity", json!(9_223_372_036_854_775_808_u64)),
        ("capacity", json!(1.5)),
        ("capacity", json!(1e30)),
        ("capacity", json!("5")),
        ("capacity", json!(true)),
        ("colour", json!("red")),
        ("seats_available", json!(5)),
        ("id", json!(7)),
    ] {
        let mut event = concert();
        event[member] = value.clone();
        let answer = client.post("/admin/events", &event).admin().await;
        answer.refuses(member);
        let answer = client.change(event_id, &json!({ member: value })).await;
        answer.refuses(member);
    }
    for member in ["name", "start_at", "capacity"] {
        for absent in [true, false] {
            let mut event = concert();
            if absent {
                event.as_object_mut().expect("an object").remove(member);
            } else {
                event[member] = Value::Null;
            }
            let answer = client.post("/admin/events", &event).admin().await;
            answer.refuses(member);
        }
    }
    let after = (client.event(event_id).await, service.figures().await);
    assert_eq!(after, before);
}

#[tokio::test]
async fn the_largest_event_can_be_published_and_sold() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(i64::from(i32::MAX)).await;
    client.booked(user_id, event_id, 1).await;
    let left = i64::from(i32::MAX) - 1;
    assert_eq!(client.seats_available(event_id).await, left);
    service.assert_gate_holds(event_id, left).await;
}

#[tokio::test]
async fn a_beginning_at_the_edge_of_time_is_taken_or_refused_but_never_a_fault_of_ours() {
    let service = Service::start().await;
    let client = &service.client;
    for start_at in [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59-23:59",
        "2099-06-30T23:59:60Z",
        "+262142-12-31T23:59:59Z",
        "-0001-01-01T00:00:00Z",
        "2099-06-01 18:00:00Z",
        "2099-06-01T18:00:00.123456789+05:30",
        "2099-06-01t18:00:00z",
    ] {
        let event = json!({ "name": "Edge", "start_at": start_at, "capacity": 5 });
        let answer = client.post("/admin/events", &event).admin().await;
        if answer.status == 201 {
            let shown = client.event(answer.id("id")).await;
            assert_eq!(shown, answer.json(), "{start_at}");
        } else {
            answer.refuses("start_at");
        }
    }
    // Whatever was taken can be listed and paged.
    client.pages("/events?upcoming_only=false&limit=1").await;
}

#[tokio::test]
async fn a_beginning_that_cannot_be_written_as_a_time_in_utc_is_refused() {
    let service = Service::start().await;
    for start_at in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
        let event = json!({ "name": "Late", "start_at": start_at, "capacity": 1 });
        let answer = service.client.post("/admin/events", &event).admin().await;
        answer.refuses("start_at");
    }
}

#[tokio::test]
async fn an_event_inserted_by_hand_can_be_sold_and_deleted() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let sql = service.database.sql().await;
    let insert = format!(
        "INSERT INTO events (name, start_at, capacity, seats_available) \
         VALUES ('By Hand', {}, 2, 2) RETURNING id",
        sql.time(FUTURE)
    );
    let (sold, unsold) = (sql.number(&insert).await, sql.number(&insert).await);
    let booking_id = client.booked(user_id, sold, 1).await;
    client.cancel(booking_id).await.expect(200);
    client.booked(user_id, sold, 2).await;
    service.database.assert_seats_add_up(sold).await;
    for event_id in [sold, unsold] {
        client.delete_event(event_id).await.expect(204);
    }
    let analytics = client.get("/admin/analytics").admin().await;
    assert_eq!(analytics.expect(200).json()["total_confirmed_bookings"], 0);
}

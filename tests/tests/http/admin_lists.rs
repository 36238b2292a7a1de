//! What the organiser reads: users, and who booked an event.

use serde_json::{Value, json};
use utsavam_tests::Service;

use crate::{members, numbers, time};

fn lengths(pages: &[Value]) -> Vec<usize> {
    pages
        .iter()
        .map(|page| page.as_array().map_or(0, Vec::len))
        .collect()
}

#[tokio::test]
async fn users_are_listed_newest_first() {
    let service = Service::start().await;
    let client = &service.client;
    let mut registered = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let user = json!({ "email": format!("{name}@example.com"), "name": name });
        let answer = client.post("/users", &user).await;
        let mut account = answer.expect(201).json();
        account["has_password"] = json!(false);
        account["suspended_at"] = json!(null);
        registered.push(account);
    }
    registered.reverse();

    let listed = client.entries("/admin/users").await;
    assert_eq!(listed, registered);
    let paged = client.entries("/admin/users?limit=1").await;
    assert_eq!(paged, registered);
}

#[tokio::test]
async fn a_page_holds_a_hundred_users_unless_told_otherwise() {
    let service = Service::start().await;
    // One statement, so that many are registered at the same instant.
    let sql = service.database.sql().await;
    let instant = sql.time("2026-01-01T00:00:00Z");
    sql.run(&format!(
        "WITH RECURSIVE numbers (n) AS \
         (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 201) \
         INSERT INTO users (email, created_at) \
         SELECT n || '@example.com', {instant} FROM numbers"
    ))
    .await;
    let pages = service.client.pages("/admin/users").await;
    assert_eq!(lengths(&pages), [100, 100, 1]);
    let listed = numbers(&service.client.entries("/admin/users").await, "id");
    assert!(listed.is_sorted_by(|a, b| a > b), "{listed:?}");
    assert_eq!(listed.len(), 201);
}

#[tokio::test]
async fn no_users_are_an_empty_list() {
    let service = Service::start().await;
    let answer = service.client.get("/admin/users").admin().await;
    assert_eq!(answer.expect(200).json(), json!([]));
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn an_events_bookings_show_who_booked_newest_first() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = json!({ "email": "alice@example.com", "name": "Alice" });
    let alice = client.post("/users", &alice).await.expect(201).id("id");
    let bob = client.register("bob@example.com").await;
    let event_id = client.publish(10).await;
    let other_event = client.publish(10).await;
    let first = client.booked(alice, event_id, 2).await;
    client.booked(alice, other_event, 1).await;
    let second = client.booked(bob, event_id, 3).await;
    client.cancel(first).await.expect(200);

    let path = format!("/admin/events/{event_id}/bookings");
    let listed = client.entries(&path).await;
    assert_eq!(numbers(&listed, "booking_id"), [second, first]);
    assert_eq!(
        members(&listed[0]),
        [
            "booking_id",
            "created_at",
            "seats",
            "status",
            "user_email",
            "user_id",
            "user_name"
        ]
    );
    assert_eq!(listed[0]["user_id"], bob);
    assert_eq!(listed[0]["user_email"], "bob@example.com");
    assert_eq!(listed[0]["user_name"], Value::Null);
    assert_eq!(listed[0]["seats"], 3);
    assert_eq!(listed[0]["status"], "CONFIRMED");
    assert_eq!(listed[1]["user_email"], "alice@example.com");
    assert_eq!(listed[1]["user_name"], "Alice");
    assert_eq!(listed[1]["status"], "CANCELLED");
    assert!(time(&listed[0]["created_at"]) >= time(&listed[1]["created_at"]));

    let paged = client.entries(&format!("{path}?limit=1")).await;
    assert_eq!(paged, listed);
}

#[tokio::test]
async fn bookings_of_a_deleted_event_can_still_be_looked_into() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    let booking_id = client.booked(user_id, event_id, 2).await;
    client.delete_event(event_id).await.expect(204);

    let path = format!("/admin/events/{event_id}/bookings");
    let listed = client.entries(&path).await;
    assert_eq!(numbers(&listed, "booking_id"), [booking_id]);
    assert_eq!(listed[0]["status"], "CANCELLED");
    assert_eq!(listed[0]["user_email"], "alice@example.com");
}

#[tokio::test]
async fn an_event_that_nobody_booked_has_an_empty_list() {
    let service = Service::start().await;
    let event_id = service.client.publish(10).await;
    let path = format!("/admin/events/{event_id}/bookings");
    let answer = service.client.get(&path).admin().await;
    assert_eq!(answer.expect(200).json(), json!([]));
}

#[tokio::test]
async fn bookings_of_the_same_instant_are_paged_without_gap_or_repetition() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let sql = service.database.sql().await;
    let instant = sql.time("2026-01-01T00:00:00Z");
    sql.run(&format!(
        "WITH RECURSIVE numbers (n) AS \
         (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 101) \
         INSERT INTO bookings (user_id, event_id, seats, status, created_at) \
         SELECT {user_id}, {event_id}, 1, 'CANCELLED', {instant} FROM numbers"
    ))
    .await;

    let path = format!("/admin/events/{event_id}/bookings");
    let whole = numbers(
        &client.entries(&format!("{path}?limit=100")).await,
        "booking_id",
    );
    assert!(whole.is_sorted_by(|a, b| a > b), "{whole:?}");
    assert_eq!(whole.len(), 101);
    for limit in [7, 50] {
        let paged = client.entries(&format!("{path}?limit={limit}")).await;
        assert_eq!(numbers(&paged, "booking_id"), whole, "limit {limit}");
    }
    // The default of public lists, which the contract names for this one too.
    let pages = client.pages(&path).await;
    let found = lengths(&pages);
    assert!(found == [50, 50, 1] || found == [100, 1], "{found:?}");
}

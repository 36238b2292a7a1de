//! `GET /users/{id}/bookings`: what somebody booked.

use serde_json::{Value, json};
use utsavam_tests::Service;

use crate::{members, numbers, time};

#[tokio::test]
async fn a_history_shows_the_newest_booking_first_and_the_cancelled_ones_too() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let other_id = client.register("bob@example.com").await;
    let event_id = client.publish(10).await;
    let first = client.booked(user_id, event_id, 1).await;
    client.booked(other_id, event_id, 4).await;
    let second = client.booked(user_id, event_id, 2).await;
    client.cancel(first).await.expect(200);

    let history = client.entries(&format!("/users/{user_id}/bookings")).await;
    assert_eq!(numbers(&history, "id"), [second, first]);
    assert_eq!(
        members(&history[0]),
        ["created_at", "event_id", "id", "seats", "status"]
    );
    let shown: Vec<_> = history
        .iter()
        .map(|booking| (&booking["seats"], &booking["status"]))
        .collect();
    assert_eq!(
        shown,
        [
            (&json!(2), &json!("CONFIRMED")),
            (&json!(1), &json!("CANCELLED"))
        ]
    );
    assert!(time(&history[0]["created_at"]) >= time(&history[1]["created_at"]));
    assert!(
        history
            .iter()
            .all(|booking| booking["event_id"] == event_id)
    );
}

#[tokio::test]
async fn a_long_history_comes_in_pages() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let mut booked = Vec::new();
    for _ in 0..5 {
        booked.push(client.booked(user_id, event_id, 1).await);
    }
    booked.reverse();

    for (limit, lengths) in [(1, vec![1; 5]), (2, vec![2, 2, 1]), (5, vec![5])] {
        let path = format!("/users/{user_id}/bookings?limit={limit}");
        let pages = client.pages(&path).await;
        let found: Vec<usize> = pages
            .iter()
            .map(|page| page.as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(found, lengths, "limit {limit}");
        let entries: Vec<Value> = client.entries(&path).await;
        assert_eq!(numbers(&entries, "id"), booked, "limit {limit}");
    }
}

#[tokio::test]
async fn bookings_of_the_same_instant_are_paged_without_gap_or_repetition() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let mut booked = Vec::new();
    for _ in 0..5 {
        booked.push(client.booked(user_id, event_id, 1).await);
    }
    let sql = service.database.sql().await;
    let instant = sql.time("2026-01-01T00:00:00.123456Z");
    sql.run(&format!("UPDATE bookings SET created_at = {instant}"))
        .await;
    booked.sort_unstable_by(|a, b| b.cmp(a));

    let path = format!("/users/{user_id}/bookings?limit=2");
    assert_eq!(numbers(&client.entries(&path).await, "id"), booked);
}

#[tokio::test]
async fn somebody_who_never_booked_has_an_empty_history() {
    let service = Service::start().await;
    let user_id = service.client.register("alice@example.com").await;
    let path = format!("/users/{user_id}/bookings");
    let answer = service.client.get(&path).await;
    assert_eq!(answer.expect(200).json(), json!([]));
}

#[tokio::test]
async fn an_unknown_user_has_no_history() {
    let service = Service::start().await;
    for id in [1, i64::MAX] {
        let answer = service.client.get(&format!("/users/{id}/bookings")).await;
        answer.problem(404, "user_not_found");
    }
}

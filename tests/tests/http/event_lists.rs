//! `GET /events`: order, what is upcoming, and paging.

use futures::future::join_all;
use serde_json::{Value, json};
use utsavam_tests::{Client, FUTURE, PAST, Service};

use crate::{members, numbers, time};

async fn publish_at(client: &Client, start_at: &str) -> i64 {
    let event = json!({ "name": "Concert", "start_at": start_at, "capacity": 5 });
    client.publish_event(&event).await
}

#[tokio::test]
async fn an_event_is_listed_with_the_members_that_it_has_alone() {
    let service = Service::start().await;
    let client = &service.client;
    let event = json!({
        "name": " Jazz Night ", "venue": "Hall B", "start_at": "2099-06-01T20:00:00+02:00", "capacity": 50,
    });
    let event_id = client.publish_event(&event).await;

    let listed = client.entries("/events").await;
    assert_eq!(listed, [client.event(event_id).await]);
    let listed = &listed[0];
    assert_eq!(
        members(listed),
        [
            "capacity",
            "id",
            "name",
            "seats_available",
            "start_at",
            "venue"
        ]
    );
    assert_eq!(listed["name"], "Jazz Night");
    assert_eq!(listed["venue"], "Hall B");
    assert_eq!(listed["capacity"], 50);
    assert_eq!(listed["seats_available"], 50);
    assert_eq!(time(&listed["start_at"]), time(&json!(FUTURE)));
}

#[tokio::test]
async fn an_event_without_a_venue_says_null() {
    let service = Service::start().await;
    let event_id = service.client.publish(5).await;
    assert_eq!(service.client.event(event_id).await["venue"], Value::Null);
}

#[tokio::test]
async fn no_events_are_an_empty_list() {
    let service = Service::start().await;
    let answer = service.client.get("/events").await;
    assert_eq!(answer.expect(200).json(), json!([]));
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn events_are_listed_by_their_beginning_and_then_by_id() {
    let service = Service::start().await;
    let client = &service.client;
    let last = publish_at(client, "2099-03-01T00:00:00Z").await;
    let second = publish_at(client, "2099-02-01T00:00:00Z").await;
    let third = publish_at(client, "2099-02-01T00:00:00Z").await;
    // Earlier than its text looks, thanks to the offset.
    let first = publish_at(client, "2099-02-01T01:00:00+02:00").await;

    let listed = numbers(&client.entries("/events").await, "id");
    assert_eq!(listed, [first, second, third, last]);
}

#[tokio::test]
async fn only_upcoming_events_are_listed_unless_all_are_asked_for() {
    let service = Service::start().await;
    let client = &service.client;
    let over = publish_at(client, PAST).await;
    let upcoming = publish_at(client, FUTURE).await;

    for (query, expected) in [
        ("", vec![upcoming]),
        ("?upcoming_only=true", vec![upcoming]),
        ("?upcoming_only=True", vec![upcoming]),
        ("?upcoming_only=1", vec![upcoming]),
        ("?upcoming_only=false", vec![over, upcoming]),
        ("?upcoming_only=False", vec![over, upcoming]),
        ("?upcoming_only=0", vec![over, upcoming]),
    ] {
        let listed = client.entries(&format!("/events{query}")).await;
        assert_eq!(numbers(&listed, "id"), expected, "{query}");
    }
}

#[tokio::test]
async fn an_event_that_is_over_can_still_be_read() {
    let service = Service::start().await;
    let over = publish_at(&service.client, PAST).await;
    assert_eq!(service.client.event(over).await["id"], over);
}

#[tokio::test]
async fn pages_end_where_the_list_ends_also_among_equal_beginnings() {
    let service = Service::start().await;
    let client = &service.client;
    let mut published = Vec::new();
    for _ in 0..6 {
        published.push(publish_at(client, FUTURE).await);
    }

    for (limit, lengths) in [
        (1, vec![1; 6]),
        (2, vec![2, 2, 2]),
        (4, vec![4, 2]),
        (6, vec![6]),
        (100, vec![6]),
    ] {
        let pages = client.pages(&format!("/events?limit={limit}")).await;
        let found: Vec<usize> = pages
            .iter()
            .map(|page| page.as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(found, lengths, "limit {limit}");
        let entries = client.entries(&format!("/events?limit={limit}")).await;
        assert_eq!(numbers(&entries, "id"), published, "limit {limit}");
    }
}

#[tokio::test]
async fn the_next_page_keeps_what_was_asked_for() {
    let service = Service::start().await;
    let client = &service.client;
    let mut published = Vec::new();
    for start_at in [PAST, PAST, FUTURE] {
        published.push(publish_at(client, start_at).await);
    }
    let listed = client.entries("/events?upcoming_only=false&limit=1").await;
    assert_eq!(numbers(&listed, "id"), published);
}

#[tokio::test]
async fn a_page_holds_fifty_events_unless_told_otherwise() {
    let service = Service::start().await;
    let client = &service.client;
    join_all((0..51).map(|_| client.publish(1))).await;

    let pages = client.pages("/events").await;
    let lengths: Vec<usize> = pages
        .iter()
        .map(|page| page.as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(lengths, [50, 1]);
}

#[tokio::test]
async fn what_happens_before_the_next_page_does_not_shift_it() {
    let service = Service::start().await;
    let client = &service.client;
    let first = publish_at(client, "2099-02-01T00:00:00Z").await;
    let second = publish_at(client, "2099-03-01T00:00:00Z").await;

    let page = client.get("/events?limit=1").await;
    assert_eq!(
        numbers(page.expect(200).json().as_array().expect("a list"), "id"),
        [first]
    );
    publish_at(client, "2099-01-01T00:00:00Z").await;
    client.delete_event(first).await.expect(204);

    let next = page.next().expect("a second page");
    assert_eq!(numbers(&client.entries(&next).await, "id"), [second]);
}

#[tokio::test]
async fn an_unknown_event_is_not_found() {
    let service = Service::start().await;
    for id in ["1", "9223372036854775807"] {
        let answer = service.client.get(&format!("/events/{id}")).await;
        answer.problem(404, "event_not_found");
    }
}

//! `POST /admin/seed_demo_data`: something to try the service with.

use futures::future::join_all;
use serde_json::{Value, json};
use utsavam_tests::{Answer, Call, PAST, Program, Service};

fn seed(service: &Service) -> Call {
    service
        .client
        .call(reqwest::Method::POST, "/admin/seed_demo_data")
        .admin()
}

fn assert_seeded(answer: &Answer) {
    assert_eq!(
        answer.expect(201).json(),
        json!({
            "users_present_or_created":
                ["alice@example.com", "bob@example.com", "carol@example.com"],
            "events_present_or_created": ["Indie Concert", "Tech Talk", "Art Expo"],
        })
    );
}

/// Name and capacity of the events that are listed as upcoming.
async fn upcoming(service: &Service) -> Vec<(String, i64)> {
    let mut events: Vec<_> = service
        .client
        .entries("/events")
        .await
        .iter()
        .map(|event| {
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            (name, event["capacity"].as_i64().unwrap_or_default())
        })
        .collect();
    events.sort();
    events
}

fn demo_events() -> Vec<(String, i64)> {
    [("Art Expo", 100), ("Indie Concert", 5), ("Tech Talk", 50)]
        .map(|(name, capacity)| (name.to_owned(), capacity))
        .to_vec()
}

async fn event_named(service: &Service, name: &str) -> Value {
    let events = service.client.entries("/events?upcoming_only=false").await;
    let mut found = events.into_iter().filter(|event| event["name"] == name);
    let event = found.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(found.next(), None, "a second {name}");
    event
}

#[tokio::test]
async fn seeding_twice_leaves_one_of_each() {
    let service = Service::start().await;
    for _ in 0..2 {
        assert_seeded(&seed(&service).await);
        assert_eq!(upcoming(&service).await, demo_events());
        let users = service.client.entries("/admin/users").await;
        assert_eq!(users.len(), 3);
    }
    let concert = event_named(&service, "Indie Concert").await;
    let concert_id = concert["id"].as_i64().expect("an id");
    service.assert_gate_holds(concert_id, 5).await;
}

#[tokio::test]
async fn five_at_once_leave_one_of_each() {
    let service = Service::start().await;
    for answer in join_all((0..5).map(|_| seed(&service).into_future())).await {
        assert_seeded(&answer);
    }
    assert_eq!(upcoming(&service).await, demo_events());
    assert_eq!(service.figures().await[..2], ["3", "3"]);
}

#[tokio::test]
async fn seeding_keeps_what_is_there() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.register("alice@example.com").await;
    assert_seeded(&seed(&service).await);
    let talk = event_named(&service, "Tech Talk").await;
    let talk_id = talk["id"].as_i64().expect("an id");
    client.booked(alice, talk_id, 2).await;
    let before = (service.figures().await, client.event(talk_id).await);

    assert_seeded(&seed(&service).await);
    let after = (service.figures().await, client.event(talk_id).await);
    assert_eq!(after, before);
    service.assert_gate_holds(talk_id, 48).await;
}

#[tokio::test]
async fn a_demo_event_that_has_started_is_moved_ahead() {
    let service = Service::start().await;
    let client = &service.client;
    assert_seeded(&seed(&service).await);
    let alice = client.entries("/admin/users").await[0]["id"]
        .as_i64()
        .expect("an id");
    let concert = event_named(&service, "Indie Concert").await;
    let concert_id = concert["id"].as_i64().expect("an id");
    client.booked(alice, concert_id, 2).await;
    let start = json!({ "start_at": PAST });
    client.change(concert_id, &start).await.expect(200);
    assert_eq!(upcoming(&service).await.len(), 2);

    assert_seeded(&seed(&service).await);
    assert_eq!(upcoming(&service).await, demo_events());
    let moved = event_named(&service, "Indie Concert").await;
    assert_eq!(moved["id"], concert_id);
    assert_eq!(moved["seats_available"], 3);
    service.assert_gate_holds(concert_id, 3).await;
    client.booked(alice, concert_id, 3).await;
}

#[tokio::test]
async fn a_demo_event_that_was_deleted_is_published_again() {
    let service = Service::start().await;
    assert_seeded(&seed(&service).await);
    let expo = event_named(&service, "Art Expo").await;
    let expo_id = expo["id"].as_i64().expect("an id");
    service.client.delete_event(expo_id).await.expect(204);
    assert_seeded(&seed(&service).await);
    assert_ne!(event_named(&service, "Art Expo").await["id"], expo_id);
}

#[tokio::test]
async fn the_command_seeds_the_same() {
    let builder = Service::builder().await;
    for _ in 0..2 {
        Program::new(&["seed-demo"])
            .env("DATABASE_URL", builder.database().url())
            .env("REDIS_URL", builder.redis_url())
            .run()
            .await
            .expect_success();
    }
    let service = builder.start().await;
    assert_eq!(upcoming(&service).await, demo_events());
    assert_seeded(&seed(&service).await);
    assert_eq!(upcoming(&service).await, demo_events());
}

//! The audit log: who did what.

use serde_json::{Value, json};
use utsavam_tests::{PASSWORD, Service};

use crate::{members, numbers, time};

fn what(entries: &[Value]) -> Vec<(String, String, Value, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = |entry: &Value| {
        (
            text(&entry["actor"]),
            text(&entry["action"]),
            entry["object"].clone(),
            entry["refused"].clone(),
        )
    };
    entries.iter().rev().map(fields).collect()
}

fn done(actor: &str, action: &str, object: Value) -> (String, String, Value, Value) {
    (actor.to_owned(), action.to_owned(), object, Value::Null)
}

#[tokio::test]
async fn what_admins_services_and_users_do_is_recorded_with_its_request() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let event = client.publish(5).await;
    let (key_id, key) = client.api_key(&["bookings:write"]).await;
    let booked = client
        .book(alice.id, event, 1)
        .api_key(&key)
        .header("X-Request-Id", "order-7")
        .await;
    let booking = booked.expect(201).id("booking_id");
    client
        .cancel(booking)
        .bearer(&alice.access_token)
        .await
        .expect(200);
    client
        .login("alice@example.com", "a wrong one")
        .await
        .expect(401);
    client.delete_event(event).await.expect(204);

    let entries = client.entries("/admin/audit").await;
    assert_eq!(
        members(&entries[0]),
        [
            "action",
            "actor",
            "at",
            "id",
            "object",
            "refused",
            "request_id"
        ]
    );
    for entry in &entries {
        time(&entry["at"]);
    }
    let (alice, service_) = (format!("user:{}", alice.id), format!("service:{key_id}"));
    let mut refused = done("anonymous", "login", Value::Null);
    refused.3 = json!("login_failed");
    assert_eq!(
        what(&entries),
        [
            done("anonymous", "register_user", json!(alice)),
            done(&alice, "login", Value::Null),
            done("admin", "publish_event", json!(format!("event:{event}"))),
            done(
                "admin",
                "create_api_key",
                json!(format!("api_key:{key_id}"))
            ),
            done(&service_, "book", json!(format!("booking:{booking}"))),
            refused,
            done("admin", "delete_event", json!(format!("event:{event}"))),
        ]
    );
    let order = entries
        .iter()
        .find(|entry| entry["action"] == "book")
        .expect("is there");
    assert_eq!(order["request_id"], "order-7");
    let shown = Value::from(entries.clone()).to_string();
    for secret in ["alice@example.com", PASSWORD, "utsavam_", "a wrong one"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn refusals_at_the_door_are_recorded() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let event = client.publish(5).await;
    client
        .delete(&format!("/admin/events/{event}"))
        .await
        .expect(401);
    client
        .delete(&format!("/admin/events/{event}"))
        .bearer(&alice.access_token)
        .await
        .expect(403);
    // What is not hers: as if it did not exist, but recorded.
    let bob = client.register("bob@example.com").await;
    let other = client.booked(bob, event, 1).await;
    client
        .cancel(other)
        .bearer(&alice.access_token)
        .await
        .expect(404);
    let probed = client.entries("/admin/audit?action=cancel_booking").await;
    assert_eq!(probed[0]["refused"], "booking_not_found");
    assert_eq!(probed[0]["object"], json!(format!("booking:{other}")));
    let refusals = client
        .entries("/admin/audit?refused=true&action=delete_event")
        .await;
    let object = json!(format!("event:{event}"));
    let refusal = |actor: &str, code: &str| {
        let mut entry = done(actor, "delete_event", object.clone());
        entry.3 = json!(code);
        entry
    };
    assert_eq!(
        what(&refusals),
        [
            refusal("anonymous", "admin_key_required"),
            refusal(&format!("user:{}", alice.id), "admins_only"),
        ]
    );
}

#[tokio::test]
async fn a_refresh_token_used_twice_is_recorded_under_its_owner() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let refresh = |token: &str| client.post("/auth/refresh", &json!({ "refresh_token": token }));
    refresh(&alice.refresh_token).await.expect(200);
    refresh(&alice.refresh_token).await.expect(401);
    refresh("utsavam_rt_guessed").await.expect(401);
    let entries = client.entries("/admin/audit?action=refresh").await;
    let refusal = |actor: &str| {
        let mut entry = done(actor, "refresh", Value::Null);
        entry.3 = json!("invalid_refresh_token");
        entry
    };
    let owner = format!("user:{}", alice.id);
    assert_eq!(what(&entries), [refusal(&owner), refusal("anonymous")]);
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let service = Service::start().await;
    let client = &service.client;
    let events = [
        client.publish(1).await,
        client.publish(2).await,
        client.publish(3).await,
    ];
    client.delete_event(events[1]).await.expect(204);
    for (filter, found) in [
        ("action=publish_event", 3),
        ("action=delete_event", 1),
        (&format!("object=event:{}", events[1]), 2),
        (
            &format!("object=event%3A{}&action=delete_event", events[1]),
            1,
        ),
        ("actor=admin&refused=false", 4),
        ("actor=user:1", 0),
        ("refused=true", 0),
    ] {
        let entries = client.get(&format!("/admin/audit?{filter}")).admin().await;
        let entries = entries.expect(200).json();
        let own = |entry: &&Value| entry["action"] != "list_audit";
        let entries: Vec<_> = entries
            .as_array()
            .expect("is there")
            .iter()
            .filter(own)
            .collect();
        assert_eq!(entries.len(), found, "{filter}: {entries:?}");
    }
    let paged = client
        .entries("/admin/audit?action=publish_event&limit=1")
        .await;
    assert_eq!(paged.len(), 3);
    let ids = numbers(&paged, "id");
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    for (wrong, field) in [
        ("actor=somebody", "actor"),
        ("object=event", "object"),
        ("object=event:x", "object"),
        ("refused=perhaps", "refused"),
        ("who=admin", "who"),
    ] {
        let answer = client.get(&format!("/admin/audit?{wrong}")).admin().await;
        answer.refuses(field);
    }
}

#[tokio::test]
async fn whoever_hammers_at_the_door_does_not_fill_the_log() {
    let service = Service::start().await;
    let client = &service.client;
    let hammering = (0..400).map(|_| async {
        let refused = client
            .get("/admin/users")
            .header("X-Admin-Key", "a guess")
            .await;
        refused.expect(401);
    });
    futures::future::join_all(hammering).await;
    let entries = client.entries("/admin/audit?refused=true").await;
    // 50 in a second, and it took less than six.
    assert!((50..=300).contains(&entries.len()), "{}", entries.len());
}

//! Keys of services, and what they may do.

use serde_json::{Value, json};
use utsavam_tests::{Service, eventually};

use crate::{members, numbers, time};

#[tokio::test]
async fn a_key_is_shown_once_and_books_for_anybody() {
    let service = Service::start().await;
    let client = &service.client;
    let wanted = json!({ "name": " Web shop ", "scopes": ["bookings:write", "bookings:read", "bookings:write"] });
    let made = client.post("/admin/api-keys", &wanted).admin().await;
    assert_eq!(made.header("Cache-Control"), Some("no-store"));
    let made = made.expect(201).json();
    assert_eq!(made["name"], "Web shop");
    assert_eq!(made["scopes"], json!(["bookings:read", "bookings:write"]));
    time(&made["created_at"]);
    let key = made["key"].as_str().expect("a key");

    let listed = client.entries("/admin/api-keys").await;
    assert_eq!(
        members(&listed[0]),
        [
            "created_at",
            "id",
            "last_used_at",
            "name",
            "revoked_at",
            "rotated_at",
            "scopes"
        ]
    );
    assert_eq!(listed[0]["last_used_at"], Value::Null);

    let alice = client.register("alice@example.com").await;
    let event = client.publish(5).await;
    let booked = client.book(alice, event, 1).api_key(key).await;
    let booking = booked.expect(201).id("booking_id");
    let history = client
        .get(&format!("/users/{alice}/bookings"))
        .api_key(key)
        .await;
    assert_eq!(
        numbers(
            history.expect(200).json().as_array().expect("is there"),
            "id"
        ),
        [booking]
    );
    client.cancel(booking).api_key(key).await.expect(200);
    // It has no user to book for when none is named.
    let nobody = client
        .post("/bookings", &json!({ "event_id": event }))
        .api_key(key)
        .await;
    nobody.refuses("user_id");
    eventually("its use is recorded", async || {
        let listed = client.entries("/admin/api-keys").await;
        listed[0]["last_used_at"].is_string()
    })
    .await;
}

#[tokio::test]
async fn a_key_without_the_scope_is_told_which_it_lacks() {
    let service = Service::start().await;
    let client = &service.client;
    let (_, key) = client.api_key(&["events:read"]).await;
    let event = client.publish(5).await;
    client
        .get(&format!("/events/{event}"))
        .api_key(&key)
        .await
        .expect(200);
    for (call, scope) in [
        (client.book(1, event, 1), "bookings:write"),
        (client.get("/bookings/1"), "bookings:read"),
        (
            client.post("/users", &json!({ "email": "a@example.com" })),
            "users:write",
        ),
        (client.get("/admin/users"), "users:read"),
        (
            client.delete(&format!("/admin/events/{event}")),
            "admin:events",
        ),
        (client.get("/admin/audit"), "admin:audit"),
    ] {
        let refused = call.api_key(&key).await;
        let problem = refused.problem(403, "missing_scope");
        assert!(problem.detail().contains(scope), "{refused}");
    }
    let admin_only = client.get("/admin/api-keys").api_key(&key).await;
    admin_only.problem(403, "admins_only");
    assert_eq!(client.seats_available(event).await, 5);
}

#[tokio::test]
async fn a_rotated_key_has_a_new_secret_and_a_revoked_one_none() {
    let service = Service::start().await;
    let client = &service.client;
    let (id, first) = client.api_key(&["events:read"]).await;
    let read = |key: &str| client.get("/events").api_key(key);
    read(&first).await.expect(200);
    let rotated = client
        .post(&format!("/admin/api-keys/{id}/rotate"), &json!({}))
        .admin()
        .await;
    let rotated = rotated.expect(200).json();
    time(&rotated["rotated_at"]);
    let second = rotated["key"].as_str().expect("a key");
    read(&first).await.problem(401, "invalid_api_key");
    read(second).await.expect(200);

    let path = format!("/admin/api-keys/{id}");
    for _ in 0..2 {
        client.delete(&path).admin().await.expect(204);
    }
    let refused = read(second).await;
    refused.problem(401, "invalid_api_key");
    assert!(refused.header("WWW-Authenticate").is_some());
    let rotate = client
        .post(&format!("{path}/rotate"), &json!({}))
        .admin()
        .await;
    rotate.problem(404, "api_key_not_found");
    let unknown = client.delete("/admin/api-keys/999").admin().await;
    unknown.problem(404, "api_key_not_found");
    time(&client.entries("/admin/api-keys").await[0]["revoked_at"]);
}

#[tokio::test]
async fn a_key_helps_to_a_password_only_those_who_have_none() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let bob = client.register("bob@example.com").await;
    let (_, helper) = client.api_key(&["users:write"]).await;
    let (_, admin) = client.api_key(&["users:write", "admin:users"]).await;
    let issue = |user_id: i64, key: &str| {
        let path = format!("/admin/users/{user_id}/password-token");
        client.post(&path, &json!({})).api_key(key)
    };
    issue(bob, &helper).await.expect(201);
    issue(alice.id, &helper).await.problem(409, "has_password");
    issue(alice.id, &admin).await.expect(201);
}

#[tokio::test]
async fn a_key_that_may_do_nothing_or_something_unknown_is_not_made() {
    let service = Service::start().await;
    let client = &service.client;
    for scopes in [
        json!([]),
        json!(["everything"]),
        json!(["bookings:read", "x"]),
    ] {
        let wanted = json!({ "name": "Shop", "scopes": scopes });
        let refused = client.post("/admin/api-keys", &wanted).admin().await;
        refused.refuses("scopes");
    }
    let nameless = json!({ "name": "", "scopes": ["bookings:read"] });
    let refused = client.post("/admin/api-keys", &nameless).admin().await;
    refused.refuses("name");
    assert!(client.entries("/admin/api-keys").await.is_empty());
}

#[tokio::test]
async fn whoever_shows_two_credentials_or_a_wrong_one_is_nobody() {
    let service = Service::start().await;
    let client = &service.client;
    let (_, key) = client.api_key(&["events:read"]).await;
    client
        .get("/events")
        .api_key(&key)
        .admin()
        .await
        .refuses("X-Admin-Key");
    for (header, value, code) in [
        ("X-API-Key", "utsavam_key_", "invalid_api_key"),
        ("X-API-Key", "", "invalid_api_key"),
        ("Authorization", "Bearer x", "invalid_token"),
        ("Authorization", "Basic YTpi", "invalid_token"),
        ("X-Admin-Key", "", "admin_key_required"),
        ("X-Admin-Key", "wrong", "admin_key_required"),
    ] {
        let refused = client.get("/events").header(header, value).await;
        refused.problem(401, code);
        assert!(refused.header("WWW-Authenticate").is_some(), "{refused}");
    }
    // Being alive does not depend on it.
    client
        .get("/health")
        .header("Authorization", "Bearer x")
        .await
        .expect(200);
}

#[tokio::test]
async fn two_admin_keys_are_good_at_once() {
    let service = Service::builder()
        .await
        .setting("admin.second_key", "the next one")
        .start()
        .await;
    let client = &service.client;
    client.get("/admin/users").admin().await.expect(200);
    let second = client
        .get("/admin/users")
        .header("X-Admin-Key", "the next one");
    second.await.expect(200);
    let third = client
        .get("/admin/users")
        .header("X-Admin-Key", "another one");
    third.await.problem(401, "admin_key_required");
}

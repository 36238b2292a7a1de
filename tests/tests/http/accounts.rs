//! Accounts: logging in, one's own page, passwords, and being erased.

use serde_json::{Value, json};
use utsavam_tests::{Answer, PASSWORD, PAST, Service, eventually};

use crate::{members, numbers, time};

/// Another one that will do.
const OTHER_PASSWORD: &str = "staple battery horse";

fn tokens(answer: &Answer) -> (String, String) {
    let session = answer.expect(200).json();
    let text = |member: &str| session[member].as_str().expect("a token").to_owned();
    (text("access_token"), text("refresh_token"))
}

#[tokio::test]
async fn a_login_gives_tokens_that_say_how_long_they_are_good() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let answer = client.login(" ALICE@example.com", PASSWORD).await;
    let session = answer.expect(200).json();
    assert_eq!(
        members(&session),
        [
            "access_token",
            "expires_in",
            "refresh_expires_in",
            "refresh_token",
            "token_type",
            "user_id"
        ]
    );
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 15 * 60);
    assert_eq!(session["refresh_expires_in"], 30 * 24 * 60 * 60);
    assert_eq!(session["user_id"], alice.id);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    // The first session goes on.
    for token in [&alice.access_token, &tokens(&answer).0] {
        let me = client.get("/users/me").bearer(token).await;
        let me = me.expect(200).json();
        assert_eq!(me["email"], "alice@example.com");
        assert_eq!(me["has_password"], true);
        assert_eq!(me["suspended_at"], Value::Null);
        time(&me["created_at"]);
    }
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer() {
    let service = Service::start().await;
    let client = &service.client;
    client.signed_up("alice@example.com").await;
    client.register("bob@example.com").await;
    let mut bodies = Vec::new();
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("alice@example.com", OTHER_PASSWORD),
        ("alice@example.com", ""),
        ("bob@example.com", PASSWORD),
        ("bob@example.com", ""),
    ] {
        let answer = client.login(email, password).await;
        answer.problem(401, "login_failed");
        assert!(answer.header("WWW-Authenticate").is_some());
        let mut body = answer.json();
        body["request_id"] = Value::Null;
        bodies.push(body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn a_password_has_its_length() {
    let service = Service::start().await;
    let client = &service.client;
    for bad in ["", "123456789", &"x".repeat(129)] {
        let user = json!({ "email": "alice@example.com", "password": bad });
        client.post("/users", &user).await.refuses("password");
    }
    assert_eq!(service.figures().await[0], "0");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let refresh = |token: &str| client.post("/auth/refresh", &json!({ "refresh_token": token }));

    let (access, second) = tokens(&refresh(&alice.refresh_token).await);
    client.get("/users/me").bearer(&access).await.expect(200);
    let old = client.get("/users/me").bearer(&alice.access_token).await;
    old.problem(401, "invalid_token");

    // Somebody has a copy of the first one.
    let reused = refresh(&alice.refresh_token).await;
    reused.problem(401, "invalid_refresh_token");
    refresh(&second).await.problem(401, "invalid_refresh_token");
    eventually("the session has ended", async || {
        client.get("/users/me").bearer(&access).await.status == 401
    })
    .await;
    client
        .login("alice@example.com", PASSWORD)
        .await
        .expect(200);
    for wrong in ["", "utsavam_rt_", &alice.access_token] {
        refresh(wrong).await.problem(401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn one_account_can_be_tried_ten_times_a_minute() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let tried = client.login("alice@example.com", OTHER_PASSWORD).await;
        statuses.push(tried.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 9);
    let refused = client.login("alice@example.com", PASSWORD).await;
    refused.problem(429, "rate_limited");
    assert!(refused.header("Retry-After").is_some());
    // It is hers alone who is tried, and she who is logged in goes on.
    client.login("bob@example.com", PASSWORD).await.expect(401);
    client
        .get("/users/me")
        .bearer(&alice.access_token)
        .await
        .expect(200);
}

#[tokio::test]
async fn logging_out_ends_this_session_and_no_other() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let (other, _) = tokens(&client.login("alice@example.com", PASSWORD).await);
    let logout = client
        .post("/auth/logout", &json!({}))
        .bearer(&alice.access_token);
    logout.await.expect(204);
    let ended = client.get("/users/me").bearer(&alice.access_token).await;
    let problem = ended.problem(401, "invalid_token");
    assert!(!problem.detail().contains("utsavam_at_"));
    client.get("/users/me").bearer(&other).await.expect(200);
    let refresh = json!({ "refresh_token": alice.refresh_token });
    let refresh = client.post("/auth/refresh", &refresh).await;
    refresh.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn a_new_password_needs_the_current_one_and_ends_other_sessions() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let (other, _) = tokens(&client.login("alice@example.com", PASSWORD).await);
    let change = |body: Value| client.patch("/users/me", &body).bearer(&alice.access_token);

    change(json!({ "password": OTHER_PASSWORD }))
        .await
        .refuses("current_password");
    change(json!({ "current_password": PASSWORD }))
        .await
        .refuses("password");
    change(json!({ "password": "short", "current_password": PASSWORD }))
        .await
        .refuses("password");
    change(json!({ "password": OTHER_PASSWORD, "current_password": "not this one" }))
        .await
        .problem(403, "wrong_password");
    client.get("/users/me").bearer(&other).await.expect(200);

    let changed = change(json!({
        "name": "Alice", "password": OTHER_PASSWORD, "current_password": PASSWORD
    }));
    assert_eq!(changed.await.expect(200).json()["name"], "Alice");
    client
        .get("/users/me")
        .bearer(&alice.access_token)
        .await
        .expect(200);
    client
        .get("/users/me")
        .bearer(&other)
        .await
        .problem(401, "invalid_token");
    let old = client.login("alice@example.com", PASSWORD).await;
    old.problem(401, "login_failed");
    client
        .login("alice@example.com", OTHER_PASSWORD)
        .await
        .expect(200);
}

#[tokio::test]
async fn a_name_is_changed_and_nothing_else() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let change = |body: Value| client.patch("/users/me", &body).bearer(&alice.access_token);
    let named = change(json!({ "name": " Alice " })).await;
    assert_eq!(named.expect(200).json()["name"], "Alice");
    for nothing in [json!({}), json!({ "name": null })] {
        assert_eq!(change(nothing).await.expect(200).json()["name"], "Alice");
    }
    change(json!({ "name": "" })).await.refuses("name");
    change(json!({ "email": "a@example.com" }))
        .await
        .expect(400);
}

#[tokio::test]
async fn who_has_no_password_is_helped_to_one_by_an_admin() {
    let service = Service::start().await;
    let client = &service.client;
    let bob = client.register("bob@example.com").await;
    let issue = || {
        let path = format!("/admin/users/{bob}/password-token");
        client.post(&path, &json!({})).admin()
    };
    let first = issue().await.expect(201).json();
    let second = issue().await;
    assert_eq!(second.header("Cache-Control"), Some("no-store"));
    let second = second.expect(201).json();
    time(&second["expires_at"]);
    let set = |token: &Value, password: &str| {
        client.post(
            "/auth/password",
            &json!({ "token": token, "password": password }),
        )
    };
    // Only the newest is good, once, and a bad password does not use it up.
    set(&first["token"], PASSWORD)
        .await
        .problem(401, "invalid_password_token");
    set(&second["token"], "short").await.refuses("password");
    set(&second["token"], PASSWORD).await.expect(204);
    set(&second["token"], OTHER_PASSWORD)
        .await
        .problem(401, "invalid_password_token");
    client.login("bob@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn one_sees_and_exports_ones_own_bookings() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let bob = client.register("bob@example.com").await;
    let event = client.publish(10).await;
    let first = client.booked(alice.id, event, 1).await;
    client.booked(bob, event, 1).await;
    // The user may be left out.
    let booking = json!({ "event_id": event, "seats": 2 });
    let second = client
        .post("/bookings", &booking)
        .bearer(&alice.access_token)
        .await;
    assert_eq!(second.expect(201).json()["user_id"], alice.id);
    let second = second.id("booking_id");

    let mine = client
        .get("/users/me/bookings?limit=1")
        .bearer(&alice.access_token)
        .await;
    let entries = mine.expect(200).json();
    assert_eq!(
        numbers(entries.as_array().expect("is there"), "id"),
        [second]
    );
    let next = mine.next().expect("a second page");
    assert!(next.starts_with("/users/me/bookings?"), "{next}");
    let rest = client.get(&next).bearer(&alice.access_token).await;
    let entries = rest.expect(200).json();
    assert_eq!(
        numbers(entries.as_array().expect("is there"), "id"),
        [first]
    );

    let export = client
        .get("/users/me/export")
        .bearer(&alice.access_token)
        .await;
    assert_eq!(export.header("Cache-Control"), Some("no-store"));
    let export = export.expect(200).json();
    assert_eq!(export["account"]["email"], "alice@example.com");
    let bookings = export["bookings"].as_array().expect("is there");
    assert_eq!(numbers(bookings, "id"), [second, first]);
    assert_eq!(export["has_more_bookings"], false);
    assert!(!export.to_string().contains("argon2"), "{export}");
}

#[tokio::test]
async fn who_is_erased_is_gone_and_their_seats_of_coming_events_are_free() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let coming = client.publish(10).await;
    let over = client.publish(10).await;
    let kept = client.booked(alice.id, over, 3).await;
    let cancelled = client.booked(alice.id, coming, 2).await;
    client
        .change(over, &json!({ "start_at": PAST }))
        .await
        .expect(200);

    let erase = client.delete("/users/me").bearer(&alice.access_token);
    erase.await.expect(204);
    let gone = client.get("/users/me").bearer(&alice.access_token).await;
    gone.problem(401, "invalid_token");
    let login = client.login("alice@example.com", PASSWORD).await;
    login.problem(401, "login_failed");
    let path = format!("/admin/users/{}", alice.id);
    client
        .get(&path)
        .admin()
        .await
        .problem(404, "user_not_found");
    client
        .delete(&path)
        .admin()
        .await
        .problem(404, "user_not_found");
    assert!(client.entries("/admin/users").await.is_empty());
    client
        .book(alice.id, coming, 1)
        .await
        .problem(404, "user_not_found");

    assert_eq!(client.seats_available(coming).await, 10);
    assert_eq!(client.seats_available(over).await, 7);
    service.assert_gate_holds(coming, 10).await;
    for (booking, status) in [(kept, "CONFIRMED"), (cancelled, "CANCELLED")] {
        let shown = client.get(&format!("/bookings/{booking}")).await;
        assert_eq!(shown.expect(200).json()["status"], status);
    }
    // Nothing tells who it was.
    let path = format!("/admin/events/{over}/bookings");
    let attended = client.entries(&path).await;
    let shown = Value::from(attended).to_string();
    assert!(!shown.contains("alice"), "{shown}");
    // The address may be registered by somebody else.
    let other = client.signed_up("alice@example.com").await;
    assert_ne!(other.id, alice.id);
    let mine = client
        .get("/users/me/bookings")
        .bearer(&other.access_token)
        .await;
    assert_eq!(mine.expect(200).json(), json!([]));
}

#[tokio::test]
async fn who_is_suspended_can_neither_book_nor_log_in_until_they_are_reinstated() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await;
    let event = client.publish(10).await;
    let path = format!("/admin/users/{}", alice.id);
    let suspend = || client.post(&format!("{path}/suspend"), &json!({})).admin();
    let suspended = suspend().await.expect(200).json();
    time(&suspended["suspended_at"]);
    assert_eq!(suspend().await.expect(200).json(), suspended);
    assert_eq!(
        client.get(&path).admin().await.expect(200).json(),
        suspended
    );

    let me = client.get("/users/me").bearer(&alice.access_token).await;
    me.problem(401, "invalid_token");
    let login = client.login("alice@example.com", PASSWORD).await;
    login.problem(403, "user_suspended");
    let booked = client.book(alice.id, event, 1).await;
    booked.problem(403, "user_suspended");
    let wrong = client.login("alice@example.com", OTHER_PASSWORD).await;
    wrong.problem(401, "login_failed");
    for (filter, found) in [
        ("suspended=true", 1),
        ("suspended=false", 0),
        ("email=Alice@example.com", 1),
        ("email=b@example.com", 0),
    ] {
        let users = client.entries(&format!("/admin/users?{filter}")).await;
        assert_eq!(users.len(), found, "{filter}");
    }

    let reinstate = client
        .post(&format!("{path}/reinstate"), &json!({}))
        .admin();
    assert_eq!(
        reinstate.await.expect(200).json()["suspended_at"],
        Value::Null
    );
    client
        .login("alice@example.com", PASSWORD)
        .await
        .expect(200);
    client.booked(alice.id, event, 1).await;
    assert_eq!(client.seats_available(event).await, 9);
}

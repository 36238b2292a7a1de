//! Who may make which call: every call of the interface, as made by everybody
//! who can be told apart, about their own things and about those of others.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utsavam_tests::{Answer, Call, Client, Person, Service};

/// What a call asks of whoever makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nobody is asked anything.
    Unasked,
    /// Everybody may; a service needs the scope.
    Everybody(&'static str),
    /// It is about somebody's own; a service needs the scope.
    Owner(&'static str),
    /// It is about the caller.
    Myself,
    /// The admin, and services with the scope.
    Organiser(&'static str),
    /// The admin.
    Admin,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Owner,
    OtherUser,
    Suspended,
    ServiceWithScope,
    ServiceWithAllOthers,
    Admin,
    WrongToken,
    WrongKey,
    WrongAdminKey,
}

const EVERYBODY: [Who; 10] = [
    Who::Nobody,
    Who::Owner,
    Who::OtherUser,
    Who::Suspended,
    Who::ServiceWithScope,
    Who::ServiceWithAllOthers,
    Who::Admin,
    Who::WrongToken,
    Who::WrongKey,
    Who::WrongAdminKey,
];

const SCOPES: [&str; 8] = [
    "admin:audit",
    "admin:events",
    "admin:users",
    "bookings:read",
    "bookings:write",
    "events:read",
    "users:read",
    "users:write",
];

/// A service with people and things in it.
struct World {
    client: Client,
    owner: Person,
    other: Person,
    suspended: Person,
    event: i64,
    /// A key for each scope, and one that has all the others.
    keys: Vec<(&'static str, String, String)>,
    open: bool,
}

/// One call of the interface, made about the owner and what is theirs.
struct Row {
    operation: &'static str,
    class: Class,
    request: fn(&World, &Things) -> Call,
}

/// What a call may use up; made anew for each.
struct Things {
    number: usize,
    booking: i64,
    event: i64,
    user: i64,
    key: i64,
}

fn rows() -> Vec<Row> {
    use Class::*;
    macro_rules! rows {
        ($($operation:literal $class:expr, $request:expr;)*) => {
            vec![$(Row { operation: $operation, class: $class, request: $request },)*]
        };
    }
    rows! {
        "health" Unasked, |world, _| world.client.get("/health");
        "ready" Unasked, |world, _| world.client.get("/ready");
        "list_events" Everybody("events:read"), |world, _| world.client.get("/events");
        "view_event" Everybody("events:read"), |world, things| {
            world.client.get(&format!("/events/{}", things.event))
        };
        "register_user" Everybody("users:write"), |world, things| {
            world.client.post("/users", &json!({ "email": format!("new{}@example.com", things.number) }))
        };
        "book" Owner("bookings:write"), |world, _| world.client.book(world.owner.id, world.event, 1);
        "view_booking" Owner("bookings:read"), |world, things| {
            world.client.get(&format!("/bookings/{}", things.booking))
        };
        "cancel_booking" Owner("bookings:write"), |world, things| world.client.cancel(things.booking);
        "booking_history" Owner("bookings:read"), |world, _| {
            world.client.get(&format!("/users/{}/bookings", world.owner.id))
        };
        "login" Unasked, |world, _| world.client.login("owner@example.com", utsavam_tests::PASSWORD);
        "refresh" Unasked, |world, _| world.client.post("/auth/refresh", &json!({ "refresh_token": "x" }));
        "set_password" Unasked, |world, _| {
            world.client.post("/auth/password", &json!({ "token": "x", "password": "long enough" }))
        };
        "logout" Myself, |world, _| world.client.post("/auth/logout", &json!({}));
        "view_me" Myself, |world, _| world.client.get("/users/me");
        "change_me" Myself, |world, _| world.client.patch("/users/me", &json!({ "name": "Me" }));
        "my_bookings" Myself, |world, _| world.client.get("/users/me/bookings");
        "export_me" Myself, |world, _| world.client.get("/users/me/export");
        "erase_me" Myself, |world, _| world.client.delete("/users/me");
        "publish_event" Organiser("admin:events"), |world, _| {
            let event = json!({ "name": "New", "start_at": utsavam_tests::FUTURE, "capacity": 1 });
            world.client.post("/admin/events", &event)
        };
        "change_event" Organiser("admin:events"), |world, things| {
            world.client.put(&format!("/admin/events/{}", things.event), &json!({ "name": "Other" }))
        };
        "delete_event" Organiser("admin:events"), |world, things| {
            world.client.delete(&format!("/admin/events/{}", things.event))
        };
        "event_bookings" Organiser("admin:events"), |world, things| {
            world.client.get(&format!("/admin/events/{}/bookings", things.event))
        };
        "pause_event" Organiser("admin:events"), |world, things| {
            world.client.post(&format!("/admin/events/{}/sales/pause", things.event), &json!({}))
        };
        "resume_event" Organiser("admin:events"), |world, things| {
            world.client.post(&format!("/admin/events/{}/sales/resume", things.event), &json!({}))
        };
        "pause_all_sales" Organiser("admin:events"), |world, _| {
            world.client.post("/admin/sales/pause", &json!({}))
        };
        "resume_all_sales" Organiser("admin:events"), |world, _| {
            world.client.post("/admin/sales/resume", &json!({}))
        };
        "paused_sales" Organiser("admin:events"), |world, _| world.client.get("/admin/sales");
        "analytics" Organiser("admin:events"), |world, _| world.client.get("/admin/analytics");
        "seed_demo_data" Admin, |world, _| world.client.post("/admin/seed_demo_data", &json!({}));
        "list_users" Organiser("users:read"), |world, _| world.client.get("/admin/users");
        "view_user" Organiser("users:read"), |world, things| {
            world.client.get(&format!("/admin/users/{}", things.user))
        };
        "suspend_user" Organiser("admin:users"), |world, things| {
            world.client.post(&format!("/admin/users/{}/suspend", things.user), &json!({}))
        };
        "reinstate_user" Organiser("admin:users"), |world, things| {
            world.client.post(&format!("/admin/users/{}/reinstate", things.user), &json!({}))
        };
        "erase_user" Organiser("admin:users"), |world, things| {
            world.client.delete(&format!("/admin/users/{}", things.user))
        };
        "issue_password_token" Organiser("users:write"), |world, things| {
            world.client.post(&format!("/admin/users/{}/password-token", things.user), &json!({}))
        };
        "create_api_key" Admin, |world, _| {
            world.client.post("/admin/api-keys", &json!({ "name": "New", "scopes": ["users:read"] }))
        };
        "list_api_keys" Admin, |world, _| world.client.get("/admin/api-keys");
        "rotate_api_key" Admin, |world, things| {
            world.client.post(&format!("/admin/api-keys/{}/rotate", things.key), &json!({}))
        };
        "revoke_api_key" Admin, |world, things| {
            world.client.delete(&format!("/admin/api-keys/{}", things.key))
        };
        "list_audit" Organiser("admin:audit"), |world, _| world.client.get("/admin/audit");
    }
}

/// `None` where the call goes through.
fn refusal(class: Class, who: Who, operation: &str, open: bool) -> Option<(u16, &'static str)> {
    let unidentified = match who {
        Who::WrongToken | Who::Suspended => Some((401, "invalid_token")),
        Who::WrongKey => Some((401, "invalid_api_key")),
        Who::WrongAdminKey => Some((401, "admin_key_required")),
        _ => None,
    };
    match (class, who) {
        (Class::Unasked, _) => match operation {
            "refresh" => Some((401, "invalid_refresh_token")),
            "set_password" => Some((401, "invalid_password_token")),
            _ => None,
        },
        _ if unidentified.is_some() => unidentified,
        (
            Class::Everybody(_) | Class::Owner(_) | Class::Organiser(_),
            Who::ServiceWithAllOthers,
        ) => Some((403, "missing_scope")),
        (Class::Everybody(_), _) => None,
        (Class::Owner(_), Who::Nobody) if !open => Some((401, "authentication_required")),
        // As if it did not exist.
        (Class::Owner(_), Who::OtherUser) => Some(match operation {
            "book" | "booking_history" => (404, "user_not_found"),
            _ => (404, "booking_not_found"),
        }),
        (Class::Owner(_), _) => None,
        (Class::Myself, Who::Owner | Who::OtherUser) => None,
        (Class::Myself, Who::Nobody) => Some((401, "authentication_required")),
        (Class::Myself, _) => Some((403, "users_only")),
        (Class::Organiser(_) | Class::Admin, Who::Nobody) => Some((401, "admin_key_required")),
        (Class::Organiser(_) | Class::Admin, Who::Admin) => None,
        (Class::Organiser(_), Who::ServiceWithScope) => None,
        (Class::Organiser(_) | Class::Admin, _) => Some((403, "admins_only")),
    }
}

impl World {
    async fn new(service: &Service, open: bool) -> Self {
        let client = service.client.clone();
        let owner = client.signed_up("owner@example.com").await;
        let other = client.signed_up("other@example.com").await;
        let suspended = client.signed_up("suspended@example.com").await;
        let path = format!("/admin/users/{}/suspend", suspended.id);
        client.post(&path, &json!({})).admin().await.expect(200);
        let mut keys = Vec::new();
        for scope in SCOPES {
            let others: Vec<_> = SCOPES.into_iter().filter(|other| *other != scope).collect();
            let (_, key) = client.api_key(&[scope]).await;
            let (_, others) = client.api_key(&others).await;
            keys.push((scope, key, others));
        }
        let event = client.publish(10_000).await;
        Self {
            client,
            owner,
            other,
            suspended,
            event,
            keys,
            open,
        }
    }

    async fn things(&self, number: usize) -> Things {
        // Whatever the call before was.
        let resume = self.client.post("/admin/sales/resume", &json!({}));
        resume.admin().await.expect(200);
        let booked = self.client.book(self.owner.id, self.event, 1).admin().await;
        let (key, _) = self.client.api_key(&["events:read"]).await;
        let email = json!({ "email": format!("user{number}@example.com") });
        let user = self.client.post("/users", &email).admin().await;
        Things {
            number,
            booking: booked.expect(201).id("booking_id"),
            event: self.client.publish(1).await,
            user: user.expect(201).id("id"),
            key,
        }
    }

    /// The call as made by somebody. Who ends their own session or themselves
    /// does so with one that is not needed any more.
    async fn speak(&self, row: &Row, who: Who, call: Call) -> Answer {
        let own = |person: &Person| person.access_token.clone();
        let call = match (who, row.class) {
            (Who::Nobody, _) => call,
            (Who::Owner | Who::OtherUser, _) if ["logout", "erase_me"].contains(&row.operation) => {
                let email = format!("{}@passing.com", row.operation);
                let passing = self.client.signed_up(&email).await;
                let answer = call.bearer(&passing.access_token).await;
                let path = format!("/admin/users/{}", passing.id);
                // Whether they are still there does not matter.
                self.client.delete(&path).admin().await;
                return answer;
            }
            (Who::Owner, _) => call.bearer(&own(&self.owner)),
            (Who::OtherUser, _) => call.bearer(&own(&self.other)),
            (Who::Suspended, _) => call.bearer(&own(&self.suspended)),
            (Who::Admin, _) => call.admin(),
            (Who::WrongToken, _) => call.bearer("utsavam_at_wrong"),
            (Who::WrongKey, _) => call.api_key("utsavam_key_wrong"),
            (Who::WrongAdminKey, _) => call.header("X-Admin-Key", "wrong"),
            (Who::ServiceWithScope, class) => call.api_key(&self.keys_for(class).0),
            (Who::ServiceWithAllOthers, class) => call.api_key(&self.keys_for(class).1),
        };
        call.await
    }

    /// A key with the scope that the call asks for, and one with all others.
    fn keys_for(&self, class: Class) -> (String, String) {
        let asked = match class {
            Class::Everybody(scope) | Class::Owner(scope) | Class::Organiser(scope) => scope,
            Class::Unasked | Class::Myself | Class::Admin => "admin:users",
        };
        let found = self.keys.iter().find(|(scope, ..)| *scope == asked);
        let (_, with, without) = found.expect("a key for each scope");
        (with.clone(), without.clone())
    }

    async fn check(&self) {
        for (number, row) in rows().iter().enumerate() {
            for (turn, who) in EVERYBODY.into_iter().enumerate() {
                let things = self.things(number * EVERYBODY.len() + turn).await;
                let answer = self.speak(row, who, (row.request)(self, &things)).await;
                match refusal(row.class, who, row.operation, self.open) {
                    None => assert!(
                        (200..300).contains(&answer.status),
                        "{} by {who:?}: {answer}",
                        row.operation
                    ),
                    Some((status, code)) => {
                        assert_eq!(
                            answer.status, status,
                            "{} by {who:?}: {answer}",
                            row.operation
                        );
                        answer.problem(status, code);
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn everybody_may_do_what_they_may_where_authentication_is_required() {
    let service = Service::builder()
        .await
        .setting("auth.mode", "required")
        .setting("rate_limit.enabled", "false")
        .start()
        .await;
    World::new(&service, false).await.check().await;
}

#[tokio::test]
async fn everybody_may_do_what_they_may_in_open_mode() {
    let service = Service::builder()
        .await
        .setting("rate_limit.enabled", "false")
        .start()
        .await;
    World::new(&service, true).await.check().await;
}

#[tokio::test]
async fn no_call_of_the_interface_is_missing_here() {
    let service = Service::start().await;
    let document = service.client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths
        .values()
        .flat_map(|path| path.as_object().expect("methods").values());
    let described: BTreeSet<&str> = operations
        .filter_map(|operation| operation.get("operationId").and_then(Value::as_str))
        .collect();
    let rows = rows();
    let tested: BTreeSet<&str> = rows.iter().map(|row| row.operation).collect();
    assert_eq!(described, tested);
}

#[tokio::test]
async fn strangers_do_not_learn_what_exists_below_admin() {
    let service = Service::start().await;
    let client = &service.client;
    let (_, key) = client.api_key(&SCOPES).await;
    for call in [
        client.get("/admin"),
        client.get("/admin/nothing"),
        client.delete("/admin/users"),
        client.get("/admin/events/1"),
    ] {
        call.await.problem(401, "admin_key_required");
    }
    client
        .get("/admin/nothing")
        .api_key(&key)
        .await
        .problem(403, "admins_only");
    client
        .get("/admin/nothing")
        .admin()
        .await
        .problem(404, "not_found");
    let not_allowed = client.delete("/admin/users").admin().await;
    not_allowed.problem(405, "method_not_allowed");
}

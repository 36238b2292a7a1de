//! Bodies that no honest client sends. Each is refused with a 4xx that names
//! the field at fault, and leaves everything as it was.

use reqwest::Method;
use serde_json::json;
use utsavam_tests::{Answer, FUTURE, Service};

/// A service with one user, one event of five seats and one seat sold.
struct Target {
    service: Service,
    user_id: i64,
    event_id: i64,
    before: Vec<String>,
}

impl Target {
    async fn new() -> Self {
        let service = Service::builder()
            .await
            .without_reconciliation()
            .start()
            .await;
        let user_id = service.client.register("alice@example.com").await;
        let event_id = service.client.publish(5).await;
        service.client.booked(user_id, event_id, 1).await;
        let before = service.figures().await;
        Self {
            service,
            user_id,
            event_id,
            before,
        }
    }

    /// The four calls that take a body.
    fn calls(&self) -> [(Method, String); 4] {
        [
            (Method::POST, "/users".to_owned()),
            (Method::POST, "/bookings".to_owned()),
            (Method::POST, "/admin/events".to_owned()),
            (Method::PUT, format!("/admin/events/{}", self.event_id)),
        ]
    }

    async fn send(&self, method: &Method, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let call = self.service.client.call(method.clone(), path);
        call.admin().raw(body).await
    }

    async fn assert_unchanged(&self) {
        assert_eq!(self.service.figures().await, self.before);
        self.service.assert_gate_holds(self.event_id, 4).await;
    }
}

#[tokio::test]
async fn numbers_that_are_no_seats_or_ids_are_refused() {
    let target = Target::new().await;
    let (user_id, event_id) = (target.user_id.to_string(), target.event_id.to_string());
    // As text, because some of them are no numbers in Rust.
    for number in [
        "0",
        "-1",
        "2147483648",
        "4294967297",
        "9223372036854775808",
        "18446744073709551617",
        "-9223372036854775809",
        "1e30",
        "1e400",
        "1.5",
        "\"2\"",
        "\"\"",
        "true",
        "[1]",
        "{}",
    ] {
        for field in ["seats", "user_id", "event_id"] {
            if field != "seats" && ["2147483648", "4294967297"].contains(&number) {
                continue; // An id like any other.
            }
            let value = |member: &str, good: &str| {
                let value = if member == field { number } else { good };
                format!("\"{member}\":{value}")
            };
            let body = format!(
                "{{{},{},{}}}",
                value("user_id", &user_id),
                value("event_id", &event_id),
                value("seats", "1")
            );
            let answer = target.send(&Method::POST, "/bookings", body).await;
            if number == "1e400" {
                // Not even a number to some readers of JSON.
                assert_eq!(answer.status, 400, "{answer}");
            } else {
                answer.refuses(field);
            }
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn a_missing_member_is_named() {
    let target = Target::new().await;
    for (body, field) in [
        (json!({ "event_id": target.event_id }), "user_id"),
        (json!({ "user_id": target.user_id }), "event_id"),
        (
            json!({ "user_id": null, "event_id": target.event_id }),
            "user_id",
        ),
        (
            json!({ "user_id": target.user_id, "event_id": null }),
            "event_id",
        ),
    ] {
        let answer = target
            .send(&Method::POST, "/bookings", body.to_string())
            .await;
        answer.refuses(field);
    }
    for body in ["{}", "{\"email\":null}", "{\"name\":\"Alice\"}"] {
        let answer = target.send(&Method::POST, "/users", body).await;
        answer.refuses("email");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn nul_characters_are_refused() {
    let target = Target::new().await;
    let change = format!("/admin/events/{}", target.event_id);
    for (method, path, body, field) in [
        (
            Method::POST,
            "/users",
            json!({ "email": "bob\0@example.com" }),
            "email",
        ),
        (
            Method::POST,
            "/users",
            json!({ "email": "bob@example.com", "name": "b\0b" }),
            "name",
        ),
        (
            Method::POST,
            "/admin/events",
            json!({ "name": "\0", "start_at": FUTURE, "capacity": 1 }),
            "name",
        ),
        (
            Method::POST,
            "/admin/events",
            json!({ "name": "x", "venue": "a\0", "start_at": FUTURE, "capacity": 1 }),
            "venue",
        ),
        (
            Method::POST,
            "/admin/events",
            json!({ "name": "x", "start_at": "2099\0", "capacity": 1 }),
            "start_at",
        ),
        (Method::PUT, &change, json!({ "name": "a\0b" }), "name"),
        (Method::PUT, &change, json!({ "venue": "a\0b" }), "venue"),
        (
            Method::POST,
            "/bookings",
            json!({
                "user_id": target.user_id, "event_id": target.event_id, "idempotency_key": "a\0b",
            }),
            "idempotency_key",
        ),
    ] {
        let answer = target.send(&method, path, body.to_string()).await;
        answer.refuses(field);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn lone_surrogates_and_broken_utf_8_are_refused() {
    let target = Target::new().await;
    let change = format!("/admin/events/{}", target.event_id);
    let booking = |key: &[u8]| {
        let mut body = format!(
            "{{\"user_id\":{},\"event_id\":{},\"idempotency_key\":\"",
            target.user_id, target.event_id
        )
        .into_bytes();
        body.extend_from_slice(key);
        body.extend_from_slice(b"\"}");
        body
    };
    let member = |start: &str, text: &[u8]| [start.as_bytes(), text, b"\"}"].concat();
    for text in [
        &b"\\ud800"[..],
        b"\\udfff",
        b"\\ud800\\u0041",
        b"\\ud800\\ud800",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"a\xf0\x9f",
    ] {
        for (method, path, body, field) in [
            (
                Method::POST,
                "/users",
                member("{\"email\":\"", text),
                "email",
            ),
            (
                Method::POST,
                "/users",
                member("{\"email\":\"bob@example.com\",\"name\":\"", text),
                "name",
            ),
            (
                Method::POST,
                "/admin/events",
                member(
                    "{\"start_at\":\"2099-01-01T00:00:00Z\",\"capacity\":1,\"name\":\"",
                    text,
                ),
                "name",
            ),
            (Method::PUT, &change, member("{\"venue\":\"", text), "venue"),
            (Method::POST, "/bookings", booking(text), "idempotency_key"),
        ] {
            let answer = target.send(&method, path, body).await;
            assert_names_if_it_can(&answer, field);
        }
    }
    target.assert_unchanged().await;
}

/// Text that is no text at all is bad JSON to some readers and a bad member to
/// others; both must say which member it was.
fn assert_names_if_it_can(answer: &Answer, field: &str) {
    let code = answer.json()["code"].clone();
    let code = code.as_str().unwrap_or_default();
    assert!(
        ["invalid_input", "malformed_json"].contains(&code),
        "{answer}"
    );
    answer.problem(400, code).names(field);
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let target = Target::new().await;
    for (method, path) in target.calls() {
        for body in [
            "",
            " ",
            "{",
            "}",
            "{\"email\":\"bob@example.com\"",
            "{\"email\":\"bob@exa",
            "{\"email\":\"bob@example.com\",}",
            "{'email':'bob@example.com'}",
            "{email:1}",
            "email=bob@example.com",
            "{\"name\":\"x\"} {\"name\":\"y\"}",
            "{\"name\":\"x\"}x",
            "\u{feff}{\"name\":\"x\"}",
            "nul",
            "{\"name\":\"a\nb\"}",
            "{\"capacity\":01}",
            "{\"capacity\":+1}",
            "{\"capacity\":NaN}",
            "{\"capacity\":0x10}",
        ] {
            let answer = target.send(&method, &path, body).await;
            // A reader may find an unknown member before it finds the error.
            let code = if answer.json()["code"] == "invalid_input" {
                "invalid_input"
            } else {
                "malformed_json"
            };
            answer.problem(400, code);
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn json_that_is_no_object_is_refused() {
    let target = Target::new().await;
    for (method, path) in target.calls() {
        for body in ["[]", "[1,2,3]", "null", "7", "\"text\"", "true", "[{}]"] {
            let answer = target.send(&method, &path, body).await;
            assert_eq!(answer.status, 400, "{answer}");
            let code = answer.json()["code"].clone();
            answer.problem(400, code.as_str().unwrap_or_default());
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    let target = Target::new().await;
    for depth in [200, 10_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let value = &value[..value.len().min(60_000)];
            for (method, path) in target.calls() {
                for member in ["name", "user_id", "unknown"] {
                    let body = format!("{{\"{member}\":{value}}}");
                    let answer = target.send(&method, &path, body).await;
                    assert_eq!(answer.status, 400, "{depth} of {open}");
                }
                let answer = target.send(&method, &path, value).await;
                assert_eq!(answer.status, 400, "{depth} of {open}");
            }
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn unknown_members_are_refused_and_named() {
    let target = Target::new().await;
    for (path, body, field) in [
        (
            "/users",
            json!({ "email": "bob@example.com", "colour": "red" }),
            "colour",
        ),
        (
            "/users",
            json!({ "email": "bob@example.com", "id": 7 }),
            "id",
        ),
        (
            "/bookings",
            json!({ "user_id": target.user_id, "event_id": target.event_id, "seat": 1 }),
            "seat",
        ),
        (
            "/bookings",
            json!({ "user_id": target.user_id, "event_id": target.event_id, "Seats": 1 }),
            "Seats",
        ),
        (
            "/bookings",
            json!({ "user_id": target.user_id, "event_id": target.event_id, "status": "CONFIRMED" }),
            "status",
        ),
    ] {
        let answer = target.send(&Method::POST, path, body.to_string()).await;
        answer.refuses(field);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn members_that_come_twice_are_refused_and_named() {
    let target = Target::new().await;
    let booking = format!(
        "{{\"user_id\":{},\"event_id\":{},\"seats\":1,\"seats\":2}}",
        target.user_id, target.event_id
    );
    let change = format!("/admin/events/{}", target.event_id);
    for (method, path, body, field) in [
        (
            Method::POST,
            "/users",
            "{\"email\":\"bob@example.com\",\"email\":\"carol@example.com\"}".to_owned(),
            "email",
        ),
        (Method::POST, "/bookings", booking, "seats"),
        (
            Method::PUT,
            &change,
            "{\"capacity\":6,\"capacity\":7}".to_owned(),
            "capacity",
        ),
    ] {
        target.send(&method, path, body).await.refuses(field);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn bodies_above_the_limit_are_refused() {
    let target = Target::new().await;
    for length in [65 * 1024, 2 * 1024 * 1024] {
        let spaces = format!("{{\"name\":\"x\"{}}}", " ".repeat(length));
        let text = format!("{{\"name\":\"{}\"}}", "x".repeat(length));
        for (method, path) in target.calls() {
            for body in [&spaces, &text] {
                let answer = target.send(&method, &path, body.as_str()).await;
                answer.problem(413, "body_too_large");
            }
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn the_limit_of_bodies_can_be_set() {
    let service = Service::builder()
        .await
        .setting("http.body_bytes_max", "100")
        .start()
        .await;
    let body = |length: usize| {
        let body = "{\"email\":\"alice@example.com\"}";
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    let send = |length| {
        service
            .client
            .call(Method::POST, "/users")
            .raw(body(length))
    };
    send(101).await.problem(413, "body_too_large");
    send(100).await.expect(201);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let target = Target::new().await;
    for (method, path) in target.calls() {
        for media_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("application/xml"),
            Some("application/jsonp"),
            Some("json"),
            Some("*/*"),
        ] {
            let mut call = target.service.client.call(method.clone(), &path).admin();
            if let Some(media_type) = media_type {
                call = call.header("Content-Type", media_type);
            }
            let answer = call.untyped("{\"name\":\"x\"}").await;
            answer.problem(415, "unsupported_media_type");
        }
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn an_array_of_the_members_values_is_no_object() {
    let target = Target::new().await;
    for (method, path) in target.calls() {
        for body in [
            "[]",
            " [\"seq@example.com\",\"Seq\"]",
            "[1,1,1,null]",
            "[null,\"Z\",null,null]",
            "7",
            "null",
        ] {
            let answer = target.send(&method, &path, body).await;
            answer.problem(400, "malformed_json");
        }
    }
    target.assert_unchanged().await;
}

//! What holds for all calls: paths, methods, request ids, health, and clients
//! that take their time.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use utsavam_tests::{Answer, Service};

use crate::members;

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let service = Service::start().await;
    for path in ["/", "/event", "/events/1/seats", "/api/events", "/Events"] {
        let answer = service.client.get(path).await;
        answer.problem(404, "not_found");
    }
    let answer = service.client.post("/nowhere", &json!({})).await;
    answer.problem(404, "not_found");
}

#[tokio::test]
async fn other_methods_are_not_allowed_and_told_which_are() {
    let service = Service::start().await;
    for (method, path, allowed) in [
        (Method::DELETE, "/health", "GET"),
        (Method::POST, "/ready", "GET"),
        (Method::GET, "/users", "POST"),
        (Method::DELETE, "/users", "POST"),
        (Method::PUT, "/events", "GET"),
        (Method::POST, "/events", "GET"),
        (Method::DELETE, "/events/1", "GET"),
        (Method::GET, "/bookings", "POST"),
        (Method::PATCH, "/bookings/1", "GET"),
        (Method::PATCH, "/bookings/1", "DELETE"),
        (Method::POST, "/users/1/bookings", "GET"),
        (Method::POST, "/admin/users", "GET"),
        (Method::GET, "/admin/events", "POST"),
        (Method::GET, "/admin/events/1", "PUT"),
        (Method::GET, "/admin/events/1", "DELETE"),
        (Method::DELETE, "/admin/events/1/bookings", "GET"),
        (Method::POST, "/admin/analytics", "GET"),
        (Method::GET, "/admin/seed_demo_data", "POST"),
        (Method::POST, "/openapi.json", "GET"),
    ] {
        let answer = service.client.call(method, path).admin().await;
        answer.problem(405, "method_not_allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert!(
            allow.split(',').any(|method| method.trim() == allowed),
            "Allow should name {allowed}: {answer}"
        );
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let booking_id = client.booked(user_id, event_id, 1).await;
    for path in [
        "/health".to_owned(),
        "/ready".to_owned(),
        "/events".to_owned(),
        format!("/events/{event_id}"),
        format!("/bookings/{booking_id}"),
        format!("/users/{user_id}/bookings"),
        "/admin/users".to_owned(),
        format!("/admin/events/{event_id}/bookings"),
        "/admin/analytics".to_owned(),
        "/openapi.json".to_owned(),
        "/events/777".to_owned(),
        "/nowhere".to_owned(),
    ] {
        let get = client.get(&path).admin().await;
        let head = client.call(Method::HEAD, &path).admin().await;
        assert_eq!(head.status, get.status, "{head}");
        assert!(head.body.is_empty(), "{head}");
        for name in ["content-type", "etag", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    let service = Service::start().await;
    for id in [
        "7",
        "req-42",
        "0c1b8a52-9d0f-4a54-8a3e-0f3d7b8a9c1d",
        "A_b-9",
    ] {
        for path in ["/events", "/events/777", "/nowhere"] {
            let answer = service.client.get(path).header("X-Request-Id", id).await;
            assert_eq!(answer.header("x-request-id"), Some(id), "{answer}");
        }
    }
}

#[tokio::test]
async fn any_other_request_id_is_replaced() {
    let service = Service::start().await;
    let long = "x".repeat(1000);
    for id in [
        &b""[..],
        b"two words",
        b"<script>",
        b"a\"b",
        b"a\tb",
        b"\xff",
        "ключ".as_bytes(),
        long.as_bytes(),
    ] {
        let call = service.client.get("/events/777");
        let answer = call.header("X-Request-Id", id).await;
        answer.problem(404, "event_not_found");
        let given = answer.headers["x-request-id"].as_bytes();
        assert!(!given.is_empty() && given != id, "{answer}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let service = Service::start().await;
    let mut seen = Vec::new();
    for path in ["/health", "/health", "/events", "/events/777", "/nowhere"] {
        let answer = service.client.get(path).await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert!(!seen.contains(&id), "{id} came twice");
        seen.push(id);
    }
}

#[tokio::test]
async fn a_living_server_is_healthy_and_ready() {
    let service = Service::start().await;
    let health = service.client.get("/health").await;
    assert_eq!(health.expect(200).json(), json!({ "status": "ok" }));

    let ready = service.client.get("/ready").await;
    let state = ready.expect(200).json();
    assert!(state["status"].is_string(), "{ready}");
    assert!(!state.to_string().contains("degraded"), "{ready}");
    let named = state.to_string().to_lowercase();
    assert!(named.contains("redis"), "{ready}");
    assert!(
        named.contains("postgres") || named.contains("database"),
        "{ready}"
    );
}

#[tokio::test]
async fn what_comes_out_is_utf_8_json() {
    let service = Service::start().await;
    let name = "ಉತ್ಸವ 🎉 <b>\"&\\";
    let event = json!({ "name": name, "start_at": utsavam_tests::FUTURE, "capacity": 1 });
    let event_id = service.client.publish_event(&event).await;
    let answer = service.client.get(&format!("/events/{event_id}")).await;
    assert_eq!(answer.expect(200).json()["name"], name);
    let media_type = answer.header("content-type").unwrap_or_default();
    assert_eq!(media_type.split(';').next(), Some("application/json"));
}

/// Sends bytes over a bare connection and reads what comes back until the
/// server closes it or the body is complete.
async fn exchange(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address())
        .await
        .expect("the server listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the server reads");
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !is_complete(&answer) {
        match stream.read(&mut piece).await {
            Ok(length @ 1..) => answer.extend_from_slice(&piece[..length]),
            Ok(0) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

fn assert_request_timeout(answer: &str) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        head.to_lowercase()
            .contains("content-type: application/problem+json"),
        "{answer}"
    );
    let problem: Value = serde_json::from_str(body).expect("a JSON body");
    assert_eq!(problem["code"], "request_timeout");
    assert_eq!(problem["status"], 408);
    assert!(members(&problem).contains(&"request_id"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = Service::builder()
        .await
        .setting("http.body_timeout", "300ms")
        .start()
        .await;
    let head = "POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for rest in [
        "Content-Length: 100\r\n\r\n{\"email\":",
        "Content-Length: 100\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"email\":\r\n",
    ] {
        let answer = exchange(&service, &format!("{head}{rest}")).await;
        assert_request_timeout(&answer);
    }
    let patient = service.client.get("/health").await;
    patient.expect(200);
    assert_eq!(service.figures().await[0], "0");
}

#[tokio::test]
async fn a_large_body_in_chunks_is_refused_like_any_other() {
    let service = Service::start().await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let request = format!(
        "POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(3)
    );
    let answer = exchange(&service, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
}

#[tokio::test]
async fn the_docs_page_is_swagger_ui() {
    let service = Service::start().await;
    let mut page: Answer = service.client.get("/docs").await;
    for _ in 0..3 {
        if let 301..=308 = page.status {
            let target = page.header("location").expect("a Location").to_owned();
            let base = format!("http://{}", service.address());
            let target = target.strip_prefix(&base).unwrap_or(&target);
            // Relative to /docs, as a browser reads it.
            let target = target.trim_start_matches("./");
            let target = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{target}")
            };
            page = service.client.get(&target).await;
        }
    }
    let html = String::from_utf8_lossy(&page.expect(200).body).to_lowercase();
    assert!(html.contains("swagger"), "{html}");
}

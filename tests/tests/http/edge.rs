//! The edge: what browsers are told, and what is cut off.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use utsavam_tests::{Answer, Service, ServiceBuilder};

const PAGE: &str = "http://localhost:3000";
const SHOP: &str = "https://shop.example.com";

fn assert_headers(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer}");
    }
    let policy = answer.header("content-security-policy");
    let policy = policy.unwrap_or_default();
    assert!(policy.contains("default-src 'none'"), "{answer}");
    assert!(policy.contains("frame-ancestors 'none'"), "{answer}");
    assert_eq!(answer.header("strict-transport-security"), None);
    for name in answer.headers.keys() {
        assert!(!name.as_str().starts_with("access-control"), "{answer}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_browsers_heed() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("asha@example.com").await;
    let event_id = client.publish(5).await;
    let event = format!("/events/{event_id}");
    let history = format!("/users/{user_id}/bookings");
    for (path, status, kept_by_caches) in [
        ("/health", 200, false),
        ("/events", 200, true),
        (event.as_str(), 200, true),
        ("/events/777", 404, false),
        ("/events?limit=0", 400, false),
        (&history, 200, false),
        ("/admin/users", 401, false),
        ("/nowhere", 404, false),
        ("/openapi.json", 200, false),
        ("/docs", 200, true),
        ("/docs/swagger-ui.css", 200, true),
    ] {
        let answer = client.get(path).header("Origin", PAGE).await;
        assert_headers(answer.expect(status));
        let caching = answer.header("cache-control");
        let expected = (!kept_by_caches).then_some("no-store");
        assert_eq!(caching, expected, "{answer}");
    }
    assert_headers(
        client
            .post("/bookings", &serde_json::json!({}))
            .await
            .expect(400),
    );
    assert_headers(client.call(Method::OPTIONS, "/bookings").await.expect(405));

    let etag = client
        .get(&event)
        .await
        .header("etag")
        .expect("an ETag")
        .to_owned();
    let same = client.get(&event).header("If-None-Match", etag).await;
    assert_headers(same.expect(304));
    assert_eq!(same.header("cache-control"), None, "{same}");
}

#[tokio::test]
async fn the_page_of_the_docs_may_load_what_it_loads() {
    let service = Service::start().await;
    let page = service.client.get("/docs").await;
    let policy = page.expect(200).header("content-security-policy");
    let policy = policy.unwrap_or_default().to_owned();
    for allowed in ["script-src 'self'", "connect-src 'self'", "base-uri 'self'"] {
        assert!(policy.contains(allowed), "{policy}");
    }
    let html = String::from_utf8_lossy(&page.body).into_owned();
    // Scripts are files of ours, none stands in the page.
    for script in html.split("<script").skip(1) {
        let (tag, body) = script.split_once('>').expect("a tag");
        assert!(tag.contains("src=\"./"), "{tag}");
        let body = body.split("</script>").next().unwrap_or_default();
        assert!(body.trim().is_empty(), "{body}");
    }
}

#[tokio::test]
async fn https_is_demanded_only_where_it_is_set() {
    let builder = Service::builder().await;
    let service = builder
        .setting("http.hsts_max_age", "365days")
        .start()
        .await;
    for path in ["/events", "/nowhere"] {
        let answer = service.client.get(path).await;
        let hsts = answer.header("strict-transport-security");
        assert_eq!(hsts, Some("max-age=31536000"), "{answer}");
    }
}

async fn with_cors() -> Service {
    let builder = Service::builder().await;
    let origins = format!("{SHOP}, http://localhost:3000");
    builder
        .setting("http.cors_origins", &origins)
        // In open mode only pages of this machine are let in.
        .setting("auth.mode", "required")
        .start()
        .await
}

#[tokio::test]
async fn pages_of_named_origins_may_call_and_no_others() {
    let service = with_cors().await;
    let preflight = |origin: &str, header: &str| {
        service
            .client
            .call(Method::OPTIONS, "/bookings")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", header)
    };
    for origin in [SHOP, "http://localhost:3000"] {
        let allowed = preflight(origin, "authorization,idempotency-key,content-type").await;
        allowed.expect(200);
        assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
        assert_eq!(allowed.header("access-control-allow-credentials"), None);
        let methods = allowed.header("access-control-allow-methods");
        assert!(methods.is_some_and(|m| m.contains("POST")), "{allowed}");

        // Errors are to be read, too.
        for (path, status) in [("/events", 200), ("/events/777", 404)] {
            let answer = service.client.get(path).header("Origin", origin).await;
            answer.expect(status);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            let exposed = answer.header("access-control-expose-headers");
            let exposed = exposed.unwrap_or_default().to_lowercase();
            assert!(exposed.contains("x-request-id"), "{answer}");
            let vary = answer.header("vary").unwrap_or_default().to_lowercase();
            assert!(vary.contains("origin"), "{answer}");
        }
    }
    for origin in [
        "https://shop.example.com.evil.example",
        "http://shop.example.com",
        "https://evil.example",
        "null",
    ] {
        let refused = preflight(origin, "content-type").await;
        refused.problem(400, "bad_request");
        assert_eq!(refused.header("access-control-allow-origin"), None);
        let answer = service.client.get("/events").header("Origin", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let header = preflight(SHOP, "x-unheard-of").await;
    header.problem(400, "bad_request");
}

#[tokio::test]
async fn a_uri_has_a_longest_length() {
    let service = Service::start().await;
    let long = |length: usize| format!("/events?cursor={}", "x".repeat(length - 15));
    service.client.get(&long(8192)).await.refuses("cursor");
    let refused = service.client.get(&long(8193)).await;
    refused.problem(414, "uri_too_long");
    assert_headers(&refused);
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    let path = format!("/{}", "x".repeat(9000));
    service.client.get(&path).await.problem(414, "uri_too_long");
}

/// A bare connection to the server of that service.
async fn connect(service: &Service) -> TcpStream {
    let address = service.address();
    TcpStream::connect(address)
        .await
        .expect("the server listens")
}

/// What comes until the server closes the connection.
async fn to_the_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset tells the same.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_has_a_size_and_a_number_of_fields() {
    let service = Service::start().await;
    let request = |fields: usize, bytes: usize| {
        let value = "x".repeat(bytes);
        let fields: String = (0..fields).map(|n| format!("X-{n}: {value}\r\n")).collect();
        format!("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
    };
    for (fields, bytes, status) in [(94, 100, "200"), (95, 1, "431"), (90, 2000, "431")] {
        let mut stream = connect(&service).await;
        let _ = stream.write_all(request(fields, bytes).as_bytes()).await;
        let answer = to_the_end(stream).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&expected),
            "{fields} of {bytes}: {answer}"
        );
    }
    // What is no HTTP at all.
    let mut stream = connect(&service).await;
    let _ = stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").await;
    let answer = to_the_end(stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

async fn hasty() -> ServiceBuilder {
    let builder = Service::builder().await;
    builder
        .setting("http.head_timeout", "500ms")
        .setting("http.keep_alive", "500ms")
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let service = hasty().await.start().await;
    for beginning in ["", "G", "GET /health HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut stream = connect(&service).await;
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        // A byte now and then does not help.
        let (mut near, mut far) = stream.into_split();
        let dribble = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if far.write_all(b"X").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut answer = Vec::new();
        tokio::select! {
            _ = near.read_to_end(&mut answer) => {}
            () = dribble => {}
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let is_timeout = answer.starts_with("HTTP/1.1 408 ") || answer.is_empty();
        assert!(is_timeout, "{beginning:?}: {answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let service = hasty().await.start().await;
    let mut stream = connect(&service).await;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let answer = to_the_end(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn more_connections_than_may_be_wait_until_one_ends() {
    let builder = Service::builder().await;
    let service = builder.setting("http.connections_max", "2").start().await;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(request).await.expect("sent");
        let mut piece = [0; 16];
        let read = stream.read(&mut piece);
        let read = tokio::time::timeout(Duration::from_millis(700), read).await;
        read.is_ok_and(|length| length.is_ok_and(|length| length > 0))
    };
    let mut first = connect(&service).await;
    assert!(ask(&mut first).await, "the first is served");
    // It would be served, and closed: no more than half of them are kept.
    let _second = connect(&service).await;
    let mut third = connect(&service).await;
    assert!(!ask(&mut third).await, "the third waits");
    drop(first);
    let mut piece = [0; 16];
    assert!(third.read(&mut piece).await.expect("its turn") > 0);
}

#[tokio::test]
async fn second_heads_that_never_end_leave_connections_for_others() {
    let builder = Service::builder().await;
    let service = builder.setting("http.connections_max", "8").start().await;
    // A whole request, and the beginning of another one.
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nG";
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&service).await;
        stream.write_all(request).await.expect("sent");
        let mut piece = [0; 16];
        assert!(stream.read(&mut piece).await.expect("an answer") > 0);
        silent.push(stream);
    }
    let honest = service.client.get("/health").into_future();
    let answer = tokio::time::timeout(Duration::from_secs(5), honest).await;
    answer.expect("there is room").expect(200);
}

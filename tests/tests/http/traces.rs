//! Traces, as a collector gets them.

use std::time::{Duration, Instant};

use utsavam_tests::{
    ADMIN_KEY, Collector, PASSWORD, Service, ServiceBuilder, Store, TraceSpan, eventually,
};

/// The trace of a caller, and the span of theirs in which they call.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// What stopping may take besides waiting for what is under way.
const OVERHEAD: Duration = Duration::from_secs(10);

async fn traced(collector: &Collector, ratio: &str) -> ServiceBuilder {
    let builder = Service::builder().await;
    builder
        .setting("traces.endpoint", &collector.url())
        .setting("traces.sample_ratio", ratio)
}

/// The caller's header; flag 01 says that they trace, 00 that they do not.
fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn named<'s>(spans: &'s [TraceSpan], name: &str) -> &'s TraceSpan {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next();
    assert!(found.next().is_none(), "two of {name}: {spans:#?}");
    span.unwrap_or_else(|| panic!("no {name}: {spans:#?}"))
}

#[tokio::test]
async fn a_booking_is_one_trace_from_its_caller_to_the_transaction() {
    let collector = Collector::start().await;
    let service = traced(&collector, "0")
        .await
        .setting("traces.service_name", "box-office")
        .setting("traces.instance", "api-1")
        .start()
        .await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(5).await;
    let call = service.client.book(user_id, event_id, 1);
    let call = call.header("traceparent", parent("01"));
    call.header("X-Request-Id", "shop-7").await.expect(201);
    let with_redis = Store::chosen() == Store::Postgres;
    eventually("the whole trace came", async || {
        let spans = collector.trace(TRACE);
        let has = |name: &str| spans.iter().any(|span| span.name == name);
        has("POST /bookings") && has("batch bookings") && (!with_redis || has("batch seat_gate"))
    })
    .await;

    let spans = collector.trace(TRACE);
    let request = named(&spans, "POST /bookings");
    assert_eq!(request.parent, SPAN);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/bookings"),
        ("http.response.status_code", "201"),
        ("utsavam.request_id", "shop-7"),
    ] {
        assert_eq!(request.says(name), value, "{name}");
    }
    assert_eq!(request.sender["service.name"], "box-office");
    assert_eq!(request.sender["service.instance.id"], "api-1");

    let batch = named(&spans, "batch bookings");
    assert_eq!(batch.parent, request.place.span);
    assert_eq!(batch.links, std::slice::from_ref(&request.place));
    assert_eq!(batch.says("commands"), "1");
    let wait = named(&spans, "wait bookings");
    assert_eq!(wait.parent, request.place.span);
    assert_eq!(wait.links, std::slice::from_ref(&batch.place));
    let transaction = named(&spans, "transaction sell_seats");
    assert_eq!(transaction.parent, batch.place.span);
    if with_redis {
        assert_eq!(transaction.says("db.system.name"), "postgresql");
        // It is asked for the seats, and told that they are spent.
        let gate = spans.iter().find(|span| span.name == "batch seat_gate");
        let gate = gate.expect("the gate was asked");
        assert_eq!(gate.links, std::slice::from_ref(&request.place));
        let mut round_trips = spans.iter().filter(|span| span.name == "round trip redis");
        assert!(
            round_trips.any(|span| span.parent == gate.place.span),
            "{spans:#?}"
        );
    }
    // Registering and publishing were nobody's trace.
    let all = collector.spans();
    assert!(all.iter().all(|span| span.place.trace == TRACE), "{all:#?}");
}

#[tokio::test]
async fn a_transaction_that_is_no_batch_lies_in_its_request() {
    let collector = Collector::start().await;
    let mut service = traced(&collector, "1").await.start().await;
    service.client.register("alice@example.com").await;
    service.server.terminate().await;
    let spans = collector.spans();
    let request = named(&spans, "POST /users");
    assert_eq!(request.parent, "");
    let transaction = named(&spans, "transaction register_user");
    assert_eq!(transaction.parent, request.place.span);
    assert_eq!(transaction.place.trace, request.place.trace);
}

#[tokio::test]
async fn whether_a_request_is_traced_is_up_to_its_caller_and_then_to_the_ratio() {
    for (ratio, header, is_traced) in [
        ("1", None, true),
        ("1", Some(parent("01")), true),
        ("1", Some(parent("00")), false),
        ("1", Some("nonsense".to_owned()), true),
        ("0", None, false),
        ("0", Some(parent("01")), true),
        ("0", Some(parent("00")), false),
    ] {
        let collector = Collector::start().await;
        let mut service = traced(&collector, ratio).await.start().await;
        let call = service.client.get("/events");
        let call = match &header {
            Some(value) => call.header("traceparent", value),
            None => call,
        };
        call.await.expect(200);
        service.server.terminate().await;
        let names: Vec<_> = collector.spans().into_iter().map(|it| it.name).collect();
        let expected: &[&str] = if is_traced { &["GET /events"] } else { &[] };
        assert_eq!(names, expected, "{ratio} {header:?}");
    }
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_sent() {
    let collector = Collector::start().await;
    let builder = Service::builder().await;
    // What programs with nothing but a library of OpenTelemetry heed.
    let mut service = builder
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .start()
        .await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(5).await;
    let call = service.client.book(user_id, event_id, 1);
    let call = call.header("traceparent", parent("01"));
    call.await.expect(201);
    service.server.terminate().await;
    assert_eq!(collector.connections(), 0);
}

#[tokio::test]
async fn no_secret_and_no_address_is_sent() {
    let collector = Collector::start().await;
    let mut service = traced(&collector, "1").await.start().await;
    let client = service.client.clone();
    let person = client.signed_up("alice@example.com").await;
    let (_, api_key) = client.api_key(&["bookings:write"]).await;
    let event_id = client.publish(5).await;
    let call = client.book(person.id, event_id, 1);
    let call = call.header("Idempotency-Key", "key-of-alice");
    call.bearer(&person.access_token).await.expect(201);
    let call = client.book(person.id, event_id, 1);
    call.api_key(&api_key).await.expect(201);
    client.login("alice@example.com", "wrong password").await;
    client.get("/nowhere/alice@example.com?key=geheim").await;
    client
        .get("/admin/users?email=alice@example.com")
        .admin()
        .await;
    let call = client.call(
        reqwest::Method::from_bytes(b"GEHEIM").expect("one"),
        "/events",
    );
    call.await.expect(405);
    service.server.terminate().await;
    assert!(collector.has_seen("POST /bookings"), "nothing came");
    for secret in [
        "alice",
        "key-of-alice",
        "geheim",
        "GEHEIM",
        PASSWORD,
        "wrong password",
        ADMIN_KEY,
        &person.access_token,
        &person.refresh_token,
        &api_key,
    ] {
        assert!(!collector.has_seen(secret), "{secret:?} was sent");
    }
}

#[tokio::test]
async fn refusals_are_no_failures() {
    let collector = Collector::start().await;
    let mut service = traced(&collector, "1").await.start().await;
    service.client.book(1, 1, 0).await.expect(400);
    service.client.get("/nowhere").await.expect(404);
    service.server.terminate().await;
    let spans = collector.spans();
    let refused = named(&spans, "POST /bookings");
    assert_eq!(refused.says("http.response.status_code"), "400");
    assert_eq!((refused.says("error.type"), refused.is_error), ("", false));
    let unknown = named(&spans, "GET");
    assert_eq!(unknown.says("http.response.status_code"), "404");
    assert_eq!(unknown.says("http.route"), "");
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_keeps_nobody_from_buying() {
    let silent = Collector::silent().await;
    // Port 1 refuses connections.
    for url in ["http://127.0.0.1:1", &silent.url()] {
        let builder = Service::builder().await.setting("metrics.port", "0");
        let mut service = builder
            .setting("traces.endpoint", url)
            .setting("traces.sample_ratio", "1")
            .setting("http.shutdown_timeout", "2s")
            .start()
            .await;
        let client = service.client.clone();
        let user_id = client.register("alice@example.com").await;
        let event_id = client.publish(50).await;
        for _ in 0..20 {
            client.booked(user_id, event_id, 1).await;
        }
        let mut lost = 0.0;
        // Twice, and nobody needs to be told again.
        for _ in 0..2 {
            let before = lost;
            client.booked(user_id, event_id, 1).await;
            eventually("spans are found to be lost", async || {
                let shown = service.server.metrics().await;
                lost = shown.sum("utsavam_trace_spans_total", &[("outcome", "failed")]);
                lost > before
            })
            .await;
        }
        let log = service.server.log();
        let told = log.matches("spans do not reach the collector").count();
        assert_eq!(told, 1, "{log}");
        client.booked(user_id, event_id, 1).await;
        let told = Instant::now();
        let status = service.server.terminate().await;
        assert_eq!(status.code(), Some(0), "{}", service.server.log());
        assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    }
}

#[tokio::test]
async fn what_was_sent_is_counted() {
    let collector = Collector::start().await;
    let builder = traced(&collector, "1").await.setting("metrics.port", "0");
    let service = builder.start().await;
    service.client.get("/events").await.expect(200);
    eventually("the span is counted", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_trace_spans_total", &[("outcome", "sent")]) == 1.0
    })
    .await;
    assert_eq!(collector.spans().len(), 1);
}

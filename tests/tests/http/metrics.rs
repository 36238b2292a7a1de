//! The metrics, read where operators read them, on the address that is theirs.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use utsavam_tests::{Client, Exposition, Service, ServiceBuilder, Store};

async fn measured() -> ServiceBuilder {
    Service::builder().await.setting("metrics.port", "0")
}

/// A row of the table of metrics.
struct Row {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
    /// Whether the store under test has it.
    is_here: bool,
}

fn table() -> Vec<Row> {
    let page = include_str!("../../../docs/metrics.md");
    let conditions: &[&str] = match Store::chosen() {
        Store::Postgres => &["always", "PostgreSQL", "Redis"],
        Store::Embedded => &["always", "embedded"],
    };
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, with, _, _] = cells[..] else {
            return None;
        };
        let labels = labels
            .split(", ")
            .map(|label| label.trim_matches('`').to_owned());
        Some(Row {
            name: name.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
            kind: kind.to_owned(),
            labels: labels.filter(|label| !label.is_empty()).collect(),
            is_here: conditions.contains(&with) || with == "Linux" && cfg!(target_os = "linux"),
        })
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 25, "the table was not found");
    rows
}

/// The names of all metrics there are.
pub(crate) fn documented_everywhere() -> Vec<String> {
    table().into_iter().map(|row| row.name).collect()
}

/// The names of metrics that the store under test does not have.
pub(crate) fn documented_elsewhere() -> Vec<String> {
    let rows = table().into_iter().filter(|row| !row.is_here);
    rows.map(|row| row.name).collect()
}

/// Something of everything.
pub(crate) async fn make_traffic(service: &Service) {
    let client = &service.client;
    let user_id = client.register("asha@example.com").await;
    let event_id = client.publish(4).await;
    let booking_id = client.booked(user_id, event_id, 3).await;
    client.booked(user_id, event_id, 1).await;
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "not_enough_seats");
    for _ in 0..2 {
        client.cancel(booking_id).await.expect(200);
    }
    for _ in 0..2 {
        let key = ("Idempotency-Key", "k1");
        let call = client.book(user_id, event_id, 1).header(key.0, key.1);
        call.await.expect(201);
    }
    let bad = json!({ "user_id": user_id, "event_id": event_id, "seats": 0 });
    client.post("/bookings", &bad).await.expect(400);
    client.book(user_id, event_id, 101).await.expect(400);
    client.book(i64::MAX, event_id, 1).await.expect(404);
    client.event(event_id).await;
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_is_there() {
    let service = measured().await.start().await;
    make_traffic(&service).await;
    let shown = service.server.metrics().await;
    let table: Vec<_> = table().into_iter().filter(|row| row.is_here).collect();
    let names: BTreeSet<&str> = table.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(shown.names(), names);
    for row in &table {
        let family = shown.family(&row.name);
        assert_eq!(family.kind, row.kind, "{}", row.name);
        assert!(!family.help.is_empty(), "{} has no help", row.name);
        let labels: BTreeSet<&str> = row.labels.iter().map(String::as_str).collect();
        assert_eq!(family.labels(), labels, "labels of {}", row.name);
    }
}

#[tokio::test]
async fn bookings_count_by_what_became_of_them() {
    let service = measured().await.without_reconciliation().start().await;
    make_traffic(&service).await;
    let shown = service.server.metrics().await;
    for (outcome, count) in [
        ("booked", 3.0),
        ("replayed", 1.0),
        ("not_enough_seats", 1.0),
        ("too_many_seats", 1.0),
        ("user_not_found", 1.0),
        ("failed", 0.0),
    ] {
        let found = shown.sum("utsavam_bookings_total", &[("outcome", outcome)]);
        assert_eq!(found, count, "{outcome}");
    }
    for (outcome, count) in [("cancelled", 1.0), ("cancelled_before", 1.0)] {
        let found = shown.sum("utsavam_cancellations_total", &[("outcome", outcome)]);
        assert_eq!(found, count, "{outcome}");
    }
    assert_eq!(shown.sum("utsavam_seats_booked_total", &[]), 5.0);
    assert_eq!(shown.sum("utsavam_seats_returned_total", &[]), 3.0);
    let refused = shown.sum("utsavam_gate_answers_total", &[("answer", "refused")]);
    assert_eq!(refused, 1.0, "by the gate");
    // All that were decided by the store, and the two cancellations.
    let bookings = [("queue", "bookings")];
    let commands = shown.sum("utsavam_batch_commands_sum", &bookings);
    assert_eq!(commands, 7.0);
    let waits = shown.sum("utsavam_queue_wait_seconds_count", &bookings);
    assert_eq!(waits, commands, "one for each command");
    let batches = shown.sum("utsavam_batch_commands_count", &bookings);
    let ended = shown.sum("utsavam_batch_duration_seconds_count", &bookings);
    assert_eq!(ended, batches, "each of them has ended");
}

#[tokio::test]
async fn transactions_are_timed_by_name() {
    let service = measured().await.start().await;
    make_traffic(&service).await;
    let shown = service.server.metrics().await;
    let count = |name| {
        let labels = [("transaction", name)];
        shown.sum(
            "utsavam_database_transaction_duration_seconds_count",
            &labels,
        )
    };
    assert_eq!((count("register_user"), count("publish_event")), (1.0, 1.0));
    let batches = shown.sum("utsavam_batch_commands_count", &[("queue", "bookings")]);
    assert!(count("sell_seats") >= batches, "{}", count("sell_seats"));
    let seconds = "utsavam_database_transaction_duration_seconds_sum";
    assert!(shown.sum(seconds, &[("transaction", "sell_seats")]) > 0.0);
}

#[tokio::test]
async fn requests_count_by_route_method_and_status() {
    let service = measured().await.start().await;
    make_traffic(&service).await;
    service
        .client
        .call(Method::PUT, "/bookings")
        .await
        .expect(405);
    let shown = service.server.metrics().await;
    for (method, route, status, count) in [
        ("POST", "/bookings", "201", 4.0),
        ("POST", "/bookings", "400", 2.0),
        ("POST", "/bookings", "409", 1.0),
        ("PUT", "/bookings", "405", 1.0),
        ("DELETE", "/bookings/{booking_id}", "200", 2.0),
        ("GET", "/events/{event_id}", "200", 1.0),
        ("POST", "/admin/events", "201", 1.0),
    ] {
        let labels = [("method", method), ("route", route), ("status", status)];
        let found = shown.sum("utsavam_http_requests_total", &labels);
        assert_eq!(found, count, "{labels:?}");
    }
    let labels = [("method", "POST"), ("route", "/bookings")];
    let timed = shown.sum("utsavam_http_request_duration_seconds_count", &labels);
    assert_eq!(timed, shown.sum("utsavam_http_requests_total", &labels));
    assert_eq!(shown.sum("utsavam_http_requests_in_progress", &[]), 0.0);
}

#[tokio::test]
async fn what_clients_write_makes_no_label() {
    let service = measured().await.start().await;
    let before = service.server.metrics().await;
    for id in ["7", "8", "x", "99999999999999999999", "a%2Fb"] {
        for path in [
            "/events/",
            "/bookings/",
            "/admin/users/",
            "/nowhere/",
            "/admin/no/",
            "/docs/",
        ] {
            service.client.get(&format!("{path}{id}")).admin().await;
        }
    }
    for method in ["BREW", "PROPFIND", "X-7"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        service.client.call(method, "/events").await.expect(405);
    }
    service.client.get("/events?limit=0&x=7").await.expect(400);
    let long = format!("/events?cursor={}", "x".repeat(9_000));
    service.client.get(&long).await.expect(414);
    let shown = service.server.metrics().await;
    let routes: BTreeSet<&str> = shown
        .family("utsavam_http_requests_total")
        .samples
        .iter()
        .map(|sample| sample.labels["route"].as_str())
        .collect();
    let expected = [
        "/admin/users/{user_id}",
        "/bookings/{booking_id}",
        "/docs/{file:.*}",
        "/events",
        "/events/{event_id}",
        "none",
    ];
    assert_eq!(routes, BTreeSet::from(expected));
    let others = [("method", "other"), ("route", "/events"), ("status", "405")];
    assert_eq!(shown.sum("utsavam_http_requests_total", &others), 3.0);
    let none = [("method", "GET"), ("route", "none")];
    assert_eq!(shown.sum("utsavam_http_requests_total", &none), 11.0);
    // Whatever was asked for, only requests have more lines than before.
    let lines = |shown: &Exposition| {
        let others = shown
            .samples()
            .filter(|sample| !sample.name.contains("_http_"))
            // There for each name from its first time on. The names are in the program.
            .filter(|sample| !sample.labels.contains_key("transaction"));
        others.count()
    };
    assert_eq!(lines(&before), lines(&shown));
}

#[tokio::test]
async fn refusals_count_by_their_policy() {
    let service = measured()
        .await
        .setting("rate_limit.admin.quota", "2")
        .setting("rate_limit.login_account.quota", "1")
        .start()
        .await;
    for status in [200, 200, 429] {
        service
            .client
            .get("/admin/users")
            .admin()
            .await
            .expect(status);
    }
    for status in [401, 429, 429] {
        let login = service.client.login("asha@example.com", "wrong password");
        login.await.expect(status);
    }
    let shown = service.server.metrics().await;
    for (policy, count) in [("admin", 1.0), ("login_account", 2.0), ("read", 0.0)] {
        let found = shown.sum("utsavam_rate_limit_refusals_total", &[("policy", policy)]);
        assert_eq!(found, count, "{policy}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted() {
    let service = measured().await.start().await;
    let request =
        b"POST /bookings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 100\r\n\r\n{";
    let mut stream = TcpStream::connect(service.address())
        .await
        .expect("it listens");
    stream.write_all(request).await.expect("sent");
    let in_progress = async |count| {
        utsavam_tests::eventually("the request is counted", async || {
            let shown = service.server.metrics().await;
            shown.sum("utsavam_http_requests_in_progress", &[]) == count
        })
        .await;
    };
    in_progress(1.0).await;
    // With a reset, so that nobody waits for the rest of the body.
    stream.set_zero_linger().expect("a socket");
    drop(stream);
    in_progress(0.0).await;
    let shown = service.server.metrics().await;
    let abandoned = shown.sum("utsavam_http_requests_abandoned_total", &[]);
    let answered = shown.sum("utsavam_http_requests_total", &[]);
    assert_eq!((abandoned, answered), (1.0, 0.0));
}

#[tokio::test]
async fn the_two_addresses_have_nothing_in_common() {
    let service = measured().await.start().await;
    service
        .client
        .get("/metrics")
        .await
        .problem(404, "not_found");
    let address = service.server.metrics_address().await;
    assert!(address.ip().is_loopback(), "{address}");
    let metrics = Client::new(&format!("http://{address}"), "");
    for path in ["/", "/events", "/health", "/admin/users", "/openapi.json"] {
        metrics.get(path).await.expect(404);
    }
    let refused = metrics.call(Method::POST, "/metrics").await;
    assert_eq!(refused.expect(405).header("allow"), Some("GET"));
}

#[tokio::test]
async fn nothing_listens_for_metrics_unless_a_port_is_set() {
    let service = Service::start().await;
    service.client.get("/health").await.expect(200);
    let printed = service.server.printed();
    assert!(!printed.contains("metrics on"), "{printed}");
}

#[tokio::test]
async fn readers_that_hold_on_keep_nobody_from_buying_or_reading() {
    let service = measured().await.start().await;
    let address = service.server.metrics_address().await;
    // As many as there may be, of all slow kinds.
    let mut held = Vec::new();
    for beginning in [
        &b""[..],
        b"GET /metrics HTT",
        b"GET /metrics HTTP/1.1\r\n\r\n",
    ] {
        for _ in 0..9 {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            stream.write_all(beginning).await.expect("sent");
            held.push(stream);
        }
    }
    make_traffic(&service).await;
    // They are cut off, and then it is the next one's turn.
    let reading = service.server.metrics();
    let shown = tokio::time::timeout(Duration::from_secs(30), reading).await;
    let shown = shown.expect("its turn within half a minute");
    assert_eq!(
        shown.sum("utsavam_bookings_total", &[("outcome", "booked")]),
        3.0
    );
    let first = held.first_mut().expect("some are held");
    let mut nothing = Vec::new();
    let cut_off = tokio::time::timeout(Duration::from_secs(30), first.read_to_end(&mut nothing));
    assert!(cut_off.await.is_ok(), "the first one is still held");
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    let service = measured().await.start().await;
    let address = service.server.metrics_address().await;
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8_192 - 26));
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

async fn overview(service: &Service) -> serde_json::Value {
    let address = service.server.metrics_address().await;
    let shown = Client::new(&format!("http://{address}"), "");
    let shown = shown.get("/overview").await;
    assert_eq!(
        shown.expect(200).header("content-type"),
        Some("application/json")
    );
    shown.json()
}

#[tokio::test]
async fn the_overview_tells_of_events_by_name_and_of_what_the_server_stands_on() {
    let service = measured().await.without_reconciliation().start().await;
    let client = &service.client;
    let nothing = overview(&service).await;
    assert_eq!(nothing["events"], json!([]));
    assert_eq!(
        nothing["paused"],
        json!({ "all": false, "event_ids": [], "more": false })
    );

    let user_id = client.register("asha@example.com").await;
    let (event_id, other_id) = (client.publish(4).await, client.publish(9).await);
    client.booked(user_id, event_id, 3).await;
    let other = client.booked(user_id, other_id, 2).await;
    let refused = client.book(user_id, event_id, 2).await;
    refused.problem(409, "not_enough_seats");
    // The first look, which knew no event, serves whoever reads soon after it.
    let is_named = async || overview(&service).await["events"][0]["name"] == "Concert";
    utsavam_tests::eventually("names are looked up", is_named).await;
    let shown = overview(&service).await;
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["database"], "up");
    let redis = match Store::chosen() {
        Store::Postgres => "up",
        Store::Embedded => "off",
    };
    assert_eq!(shown["redis"], redis);
    let event = |shown: &serde_json::Value, id: i64| {
        let events = shown["events"].as_array().expect("a list");
        let event = events.iter().find(|event| event["event_id"] == id);
        event
            .unwrap_or_else(|| panic!("no {id} in {shown}"))
            .clone()
    };
    let first = event(&shown, event_id);
    assert_eq!(first["name"], "Concert");
    assert_eq!(
        (&first["capacity"], &first["seats_left"]),
        (&json!(4), &json!(1))
    );
    assert_eq!(event(&shown, other_id)["seats_left"], 7);

    client.cancel(other).await.expect(200);
    client
        .post("/admin/sales/pause", &json!({}))
        .admin()
        .await
        .expect(200);
    let paused = client.book(user_id, other_id, 1).await;
    paused.problem(409, "sales_paused");
    let paused = async || overview(&service).await["paused"]["all"] == true;
    utsavam_tests::eventually("the pause is seen", paused).await;
    let shown = overview(&service).await;
    assert_eq!(
        event(&shown, other_id)["seats_left"],
        9,
        "as cancelling left it"
    );
}

#[tokio::test]
async fn nobody_puts_events_into_the_overview_that_there_are_not() {
    let service = measured().await.start().await;
    let client = &service.client;
    let user_id = client.register("asha@example.com").await;
    for event_id in [7, 8, i64::MAX] {
        client.book(user_id, event_id, 1).await.expect(404);
        client.book(i64::MAX, event_id, 1).await.expect(404);
        client.book(user_id, event_id, 101).await.expect(400);
    }
    assert_eq!(overview(&service).await["events"], json!([]));
}

/// Prometheus' own program finds nothing to complain about, where it is installed.
#[tokio::test]
async fn promtool_has_no_complaint() {
    let checker = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checker) = checker else {
        eprintln!("promtool is not installed: nothing was checked");
        return;
    };
    let service = measured().await.start().await;
    make_traffic(&service).await;
    let address = service.server.metrics_address().await;
    let figures = Client::new(&format!("http://{address}"), "")
        .get("/metrics")
        .await;
    let mut input = checker.stdin.take().expect("stdin is piped");
    std::io::Write::write_all(&mut input, &figures.body).expect("it reads");
    drop(input);
    let done = checker.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

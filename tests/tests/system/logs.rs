//! The log, as whoever collects it gets it: a JSON object on each line, and by
//! the id of a request one finds what became of it.

use serde_json::Value;
use utsavam_tests::{Service, TestServer, eventually};

/// All complete lines, each of which must be an object.
fn objects(server: &TestServer) -> Vec<Value> {
    let log = server.log();
    let (complete, _) = log.rsplit_once('\n').unwrap_or_default();
    let lines = complete.lines().map(|line| {
        let object: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"));
        for member in ["timestamp", "level", "message", "target"] {
            assert!(object[member].is_string(), "no {member} in {line}");
        }
        object
    });
    lines.collect()
}

#[tokio::test]
async fn a_failure_is_logged_as_json_under_the_id_that_its_caller_chose() {
    let builder = Service::builder().await;
    let (builder, proxy) = builder.database_over_a_line().await;
    let service = builder
        .setting("database.acquire_timeout", "1s")
        .start()
        .await;
    let event_id = service.client.publish(5).await;
    proxy.cut();
    // Of all failures of a second one is logged.
    let mut line = None;
    eventually("the failure is logged", async || {
        let call = service.client.book(1, event_id, 1);
        let answer = call.header("X-Request-Id", "shop-1").await;
        assert_eq!(answer.header("x-request-id"), Some("shop-1"), "{answer}");
        let lines = objects(&service.server);
        line = lines
            .into_iter()
            .find(|line| line["request_id"] == "shop-1");
        line.is_some()
    })
    .await;
    let line = line.expect("it was found");
    assert_eq!(line["level"], "WARN", "{line}");
    assert_eq!(line["path"], "/bookings", "{line}");
    // By this others are found that the same failure met.
    let cause = line["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("(shared failure "), "{line}");
}

#[tokio::test]
async fn with_debug_the_lines_of_gate_and_store_name_the_request() {
    let builder = Service::builder().await.without_redis();
    let service = builder
        .setting("log.filter", "info,adapters_redis=debug,api_actix=debug")
        .start()
        .await;
    let event_id = service.client.publish(5).await;
    let call = service.client.book(i64::MAX, event_id, 1);
    call.header("X-Request-Id", "shop-2").await.expect(404);
    let mut lines = Vec::new();
    eventually("the answer is logged", async || {
        lines = objects(&service.server);
        lines.retain(|line| line["span"]["id"] == "shop-2");
        lines.iter().any(|line| line["message"] == "answered")
    })
    .await;
    let gate = lines
        .iter()
        .find(|line| line["message"] == "the seat gate was not asked");
    assert!(gate.is_some(), "{lines:?}");
}

#[tokio::test]
async fn the_format_of_the_log_can_be_chosen() {
    // Not on a terminal, where it would be text unless somebody wants JSON.
    for (format, answered) in [
        ("text", ": answered "),
        ("json", "\"message\":\"answered\""),
        ("auto", "\"message\":\"answered\""),
    ] {
        let builder = Service::builder().await;
        let service = builder
            .setting("log.format", format)
            .setting("log.filter", "api_actix=debug")
            .start()
            .await;
        service.client.get("/health").await.expect(200);
        eventually("the answer is logged", async || {
            let log = service.server.log();
            log.lines()
                .any(|line| line.contains("DEBUG") && line.contains(answered))
        })
        .await;
    }
}

//! `/openapi.json`: that the description is whole and says what the contract
//! says.

use serde_json::Value;
use utsavam_tests::{Program, Service};

/// Every call of the contract with the statuses that a client can meet.
const CALLS: [(&str, &str, &[&str]); 40] = [
    ("get", "/health", &["200"]),
    ("get", "/ready", &["200", "503"]),
    (
        "post",
        "/users",
        &[
            "201", "400", "401", "403", "408", "409", "413", "415", "429", "503",
        ],
    ),
    (
        "get",
        "/events",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/events/{}",
        &["200", "304", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/bookings",
        &[
            "201", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503",
        ],
    ),
    (
        "get",
        "/bookings/{}",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "delete",
        "/bookings/{}",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "get",
        "/users/{}/bookings",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/auth/login",
        &[
            "200", "400", "401", "403", "408", "413", "415", "429", "503",
        ],
    ),
    (
        "post",
        "/auth/refresh",
        &["200", "400", "401", "408", "413", "415", "429", "503"],
    ),
    (
        "post",
        "/auth/password",
        &["204", "400", "401", "408", "413", "415", "429", "503"],
    ),
    (
        "post",
        "/auth/logout",
        &["204", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/users/me",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "patch",
        "/users/me",
        &[
            "200", "400", "401", "403", "408", "413", "415", "429", "503",
        ],
    ),
    (
        "delete",
        "/users/me",
        &["204", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/users/me/bookings",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/users/me/export",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "post",
        "/admin/events/{}/sales/pause",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/events/{}/sales/resume",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/sales/pause",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "post",
        "/admin/sales/resume",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/admin/sales",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/admin/users",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "get",
        "/admin/users/{}",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "delete",
        "/admin/users/{}",
        &["204", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/users/{}/suspend",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/users/{}/reinstate",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/users/{}/password-token",
        &["201", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "post",
        "/admin/events",
        &[
            "201", "400", "401", "403", "408", "413", "415", "429", "503",
        ],
    ),
    (
        "put",
        "/admin/events/{}",
        &[
            "200", "400", "401", "403", "404", "408", "413", "415", "429", "503",
        ],
    ),
    (
        "delete",
        "/admin/events/{}",
        &["204", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "get",
        "/admin/events/{}/bookings",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "get",
        "/admin/analytics",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "post",
        "/admin/seed_demo_data",
        &["201", "400", "401", "403", "429", "503"],
    ),
    (
        "post",
        "/admin/api-keys",
        &[
            "201", "400", "401", "403", "408", "413", "415", "429", "503",
        ],
    ),
    (
        "get",
        "/admin/api-keys",
        &["200", "400", "401", "403", "429", "503"],
    ),
    (
        "post",
        "/admin/api-keys/{}/rotate",
        &["200", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "delete",
        "/admin/api-keys/{}",
        &["204", "400", "401", "403", "404", "429", "503"],
    ),
    (
        "get",
        "/admin/audit",
        &["200", "400", "401", "403", "429", "503"],
    ),
];

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

async fn description() -> Value {
    let service = Service::start().await;
    let answer = service.client.get("/openapi.json").await;
    answer.expect(200).json()
}

/// `/events/{}` for `/events/{event_id}`.
fn template(path: &str) -> String {
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                "{}"
            } else {
                segment
            }
        })
        .collect();
    segments.join("/")
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// All operations as `get /events/{}` with their description.
fn operations(description: &Value) -> Vec<(String, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in object(&description["paths"]) {
        for (method, operation) in object(item) {
            if METHODS.contains(&method.as_str()) {
                operations.push((format!("{method} {}", template(path)), operation));
            }
        }
    }
    operations
}

fn operation<'a>(description: &'a Value, name: &str) -> &'a Value {
    operations(description)
        .into_iter()
        .find_map(|(found, operation)| (found == name).then_some(operation))
        .unwrap_or_else(|| panic!("{name} is not described"))
}

/// Follows a `$ref` if there is one.
fn resolve<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            description
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(array) => array.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_every_reference_leads_somewhere() {
    let description = description().await;
    let version = description["openapi"].as_str().unwrap_or_default();
    assert!(version.starts_with("3.1."), "{version}");
    for member in ["title", "version"] {
        assert!(description["info"][member].is_string(), "info.{member}");
    }
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    // OpenAPI 3.0 said this; in 3.1 it means nothing.
    assert!(!description.to_string().contains("\"nullable\":"));
}

#[tokio::test]
async fn every_call_of_the_contract_is_described_with_its_statuses() {
    let description = description().await;
    let mut missing = Vec::new();
    for (method, path, statuses) in CALLS {
        let responses = &operation(&description, &format!("{method} {path}"))["responses"];
        for status in statuses {
            if responses.get(status).is_none() {
                missing.push(format!("{method} {path} {status}"));
            }
        }
    }
    assert!(missing.is_empty(), "not described: {missing:#?}");
}

#[tokio::test]
async fn nothing_is_described_that_the_contract_does_not_know() {
    let description = description().await;
    for (name, _) in operations(&description) {
        let known = CALLS
            .iter()
            .any(|(method, path, _)| name == format!("{method} {path}"));
        // How the description itself is fetched may be in it.
        let is_about_itself = ["get /docs", "get /openapi.json"].contains(&name.as_str());
        assert!(known || is_about_itself, "{name}");
    }
}

#[tokio::test]
async fn every_operation_has_a_name_a_summary_and_described_answers() {
    let description = description().await;
    let mut names = Vec::new();
    for (name, operation) in operations(&description) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty(), "{name} has no operationId");
        assert!(!names.contains(&id), "operationId {id} twice");
        names.push(id);
        assert!(
            operation["summary"].is_string() || operation["description"].is_string(),
            "{name} has no summary"
        );
        for (status, response) in object(&operation["responses"]) {
            let response = resolve(&description, response);
            assert!(response["description"].is_string(), "{name} {status}");
            let content = response.get("content");
            match status.as_str() {
                "204" | "304" => assert!(content.is_none(), "{name} {status} has a body"),
                // /ready answers 503 with the same shape as 200.
                "503" if name == "get /ready" => {}
                _ if status.starts_with(['4', '5']) => {
                    let problem = content.and_then(|c| c.get("application/problem+json"));
                    let schema = problem.map(|p| &p["schema"]);
                    assert!(schema.is_some(), "{name} {status} is no problem+json");
                }
                _ => assert!(content.is_some(), "{name} {status} has no body"),
            }
        }
    }
}

#[tokio::test]
async fn every_path_parameter_is_declared() {
    let description = description().await;
    for (path, item) in object(&description["paths"]) {
        let wanted: Vec<&str> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        for (method, operation) in object(item) {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let shared = item["parameters"].as_array().into_iter().flatten();
            let own = operation["parameters"].as_array().into_iter().flatten();
            let declared: Vec<&str> = shared
                .chain(own)
                .map(|parameter| resolve(&description, parameter))
                .filter(|parameter| parameter["in"] == "path")
                .filter_map(|parameter| parameter["name"].as_str())
                .collect();
            assert_eq!(declared, wanted, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn headers_and_queries_that_clients_need_are_declared() {
    let description = description().await;
    for (name, location, parameter) in [
        ("get /events", "query", "limit"),
        ("get /events", "query", "cursor"),
        ("get /events", "query", "upcoming_only"),
        ("get /events/{}", "header", "If-None-Match"),
        ("post /bookings", "header", "Idempotency-Key"),
        ("get /users/{}/bookings", "query", "limit"),
        ("get /users/{}/bookings", "query", "cursor"),
        ("get /admin/users", "query", "limit"),
        ("get /admin/events/{}/bookings", "query", "cursor"),
        ("get /admin/analytics", "query", "limit"),
    ] {
        let declared = operation(&description, name)["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|declared| resolve(&description, declared))
            .any(|declared| declared["in"] == location && declared["name"] == parameter);
        assert!(declared, "{name} lacks the {location} {parameter}");
    }
}

#[tokio::test]
async fn every_call_says_by_which_credentials_it_can_be_made() {
    let description = description().await;
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(schemes["admin_key"]["name"], "X-Admin-Key");
    assert_eq!(schemes["api_key"]["name"], "X-API-Key");
    assert_eq!(schemes["access_token"]["scheme"], "bearer");
    for (name, operation) in operations(&description) {
        let security = operation["security"].as_array();
        let mut ways: Vec<&str> = security
            .into_iter()
            .flatten()
            .map(|way| object(way).next().map_or("nothing", |(scheme, _)| scheme))
            .collect();
        ways.sort_unstable();
        let path = name.split(' ').nth(1).unwrap_or_default();
        let expected: &[&str] = match path {
            "/health" | "/ready" | "/auth/login" | "/auth/refresh" | "/auth/password" => &[],
            "/admin/seed_demo_data" => &["admin_key"],
            _ if path.starts_with("/admin/api-keys") => &["admin_key"],
            _ if path.starts_with("/admin/") => &["admin_key", "api_key"],
            "/auth/logout" => &["access_token"],
            _ if path.starts_with("/users/me") => &["access_token"],
            _ => &["access_token", "admin_key", "api_key", "nothing"],
        };
        assert_eq!(ways, expected, "{name}");
    }
}

#[tokio::test]
async fn every_schema_has_an_example() {
    let description = description().await;
    let schemas = &description["components"]["schemas"];
    assert!(object(schemas).next().is_some());
    let has_example =
        |schema: &Value| schema.get("example").is_some() || schema.get("examples").is_some();
    for (name, schema) in object(schemas) {
        let mut properties = object(&schema["properties"]).peekable();
        let by_property = properties.peek().is_some()
            && properties.all(|(_, property)| {
                has_example(property) || property.to_string().contains("$ref")
            });
        assert!(has_example(schema) || by_property, "{name} has no example");
    }
}

#[tokio::test]
async fn bodies_refuse_unknown_members_in_the_description_too() {
    let description = description().await;
    for name in [
        "post /users",
        "post /bookings",
        "post /admin/events",
        "put /admin/events/{}",
        "post /auth/login",
        "post /auth/refresh",
        "post /auth/password",
        "patch /users/me",
        "post /admin/api-keys",
    ] {
        let body = &operation(&description, name)["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        let schema = resolve(&description, schema);
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
}

#[tokio::test]
async fn the_command_prints_what_the_server_serves() {
    let printed = Program::new(&["openapi", "--format", "json"])
        .run()
        .await
        .expect_success();
    let printed: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!(printed, description().await);

    let yaml = Program::new(&["openapi", "--format", "yaml"])
        .run()
        .await
        .expect_success();
    assert!(yaml.stdout.starts_with("openapi: "), "{yaml}");
}

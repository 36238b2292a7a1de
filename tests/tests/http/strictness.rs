//! Nothing is taken that is not understood: every body and every query of the
//! description, with something in it that does not exist.

use reqwest::Method;
use serde_json::{Map, Value, json};
use utsavam_tests::{Answer, Call, Person, Service};

const UNKNOWN: &str = "surprise";

/// One call of the description.
struct Operation<'a> {
    method: Method,
    path: &'a str,
    described: &'a Value,
}

fn operations(description: &Value) -> Vec<Operation<'_>> {
    let paths = description["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, described) in item.as_object().expect("a path's methods") {
            let method = method.to_uppercase().parse().expect("a method");
            operations.push(Operation {
                method,
                path,
                described,
            });
        }
    }
    operations
}

impl Operation<'_> {
    /// The call on things of id 1, by somebody who may make it.
    fn call(&self, service: &Service, person: &Person, query: &str) -> Call {
        let path: Vec<&str> = self
            .path
            .split('/')
            .map(|segment| match segment.starts_with('{') {
                true => "1",
                false => segment,
            })
            .collect();
        let path = format!("{}{query}", path.join("/"));
        let call = service.client.call(self.method.clone(), &path);
        let security = &self.described["security"];
        match security.to_string() {
            schemes if schemes.contains("admin_key") => call.admin(),
            schemes if schemes.contains("access_token") => {
                call.header("Authorization", format!("Bearer {}", person.access_token))
            }
            _ => call,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn assert_names_the_unknown(name: &str, answer: &Answer) {
    let fields = answer.json()["errors"].clone();
    let is_named = fields
        .as_array()
        .is_some_and(|fields| fields.iter().any(|field| field["field"] == UNKNOWN));
    assert!(answer.status == 400 && is_named, "{name}: {answer}");
}

/// The example of a schema, or of its members.
fn example(description: &Value, schema: &Value) -> Map<String, Value> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => description
            .pointer(reference.trim_start_matches('#'))
            .expect("a reference that leads somewhere"),
        None => schema,
    };
    if let Some(example) = schema["example"].as_object() {
        return example.clone();
    }
    let members = schema["properties"].as_object().expect("members");
    members
        .iter()
        .map(|(name, member)| {
            let examples = &member["examples"];
            (
                name.clone(),
                examples.get(0).unwrap_or(&member["example"]).clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn no_body_has_a_member_that_does_not_exist() {
    let service = Service::start().await;
    let description = service.client.get("/openapi.json").await.json();
    let mut tried = 0;
    for operation in operations(&description) {
        let body = &operation.described["requestBody"]["content"]["application/json"];
        if body.is_null() {
            continue;
        }
        let mut example = example(&description, &body["schema"]);
        example.insert(UNKNOWN.to_owned(), json!(true));
        // Of a user of its own: an earlier call may have ended the session.
        let email = format!("u{tried}@example.com");
        let person = service.client.signed_up(&email).await;
        let call = operation.call(&service, &person, "");
        let answer = call.json(&Value::Object(example)).await;
        assert_names_the_unknown(&operation.name(), &answer);
        tried += 1;
    }
    assert!(tried >= 9, "only {tried} calls have a body");
}

#[tokio::test]
async fn no_query_has_a_parameter_that_does_not_exist() {
    let service = Service::start().await;
    let description = service.client.get("/openapi.json").await.json();
    let person = service.client.signed_up("asha@example.com").await;
    for operation in operations(&description) {
        // Whoever probes may add what they like.
        if ["/health", "/ready"].contains(&operation.path) {
            continue;
        }
        let query = format!("?{UNKNOWN}=1");
        let answer = operation.call(&service, &person, &query).await;
        assert_names_the_unknown(&operation.name(), &answer);
    }
    let me = service.client.get("/users/me");
    let token = format!("Bearer {}", person.access_token);
    // Nothing was done: the account was not erased, nor the session ended.
    me.header("Authorization", token).await.expect(200);
}

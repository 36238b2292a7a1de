//! `POST /users`: registering, and that an address is registered once.

use futures::future::join_all;
use serde_json::{Value, json};
use utsavam_tests::Service;

use crate::{members, time};

#[tokio::test]
async fn a_new_user_is_shown_with_their_address_trimmed_and_lower_cased() {
    let service = Service::start().await;
    let request = json!({ "email": "  Alice.O'Neil+Tickets@Example.COM ", "name": "  Alice " });
    let answer = service.client.post("/users", &request).await;

    let user = answer.expect(201).json();
    assert_eq!(members(&user), ["created_at", "email", "id", "name"]);
    assert_eq!(user["email"], "alice.o'neil+tickets@example.com");
    assert_eq!(user["name"], "Alice");
    assert!(user["id"].as_i64().is_some_and(|id| id > 0));
    time(&user["created_at"]);
}

#[tokio::test]
async fn a_name_is_optional_and_keeps_every_script() {
    let service = Service::start().await;
    let client = &service.client;
    for (email, name) in [
        ("a@example.com", Value::Null),
        (
            "b@example.com",
            json!("ಉತ್ಸವ 🎉 O'Brien; DROP TABLE users;--"),
        ),
        ("c@example.com", json!("ü".repeat(255))),
    ] {
        let answer = client
            .post("/users", &json!({ "email": email, "name": name }))
            .await;
        assert_eq!(answer.expect(201).json()["name"], name);
    }
    let answer = client
        .post("/users", &json!({ "email": "d@example.com" }))
        .await;
    assert_eq!(answer.expect(201).json()["name"], Value::Null);
}

#[tokio::test]
async fn an_address_is_registered_once_however_it_is_written() {
    let service = Service::start().await;
    let client = &service.client;
    client.register("alice@example.com").await;
    for same in [
        "alice@example.com",
        "ALICE@EXAMPLE.COM",
        " Alice@Example.com\t",
    ] {
        let answer = client.post("/users", &json!({ "email": same })).await;
        answer.problem(409, "email_taken");
    }
    client.register("bob@example.com").await;
    assert_eq!(service.figures().await[0], "2");
}

#[tokio::test]
async fn of_twenty_people_with_one_address_exactly_one_is_registered() {
    let service = Service::start().await;
    let client = &service.client;
    let answers = join_all((0..20).map(|number| {
        // Every other one in capitals.
        let email = if number % 2 == 0 {
            "alice@example.com"
        } else {
            "ALICE@example.com"
        };
        client
            .post("/users", &json!({ "email": email }))
            .into_future()
    }))
    .await;

    let (registered, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(registered.len(), 1);
    for answer in refused {
        answer.problem(409, "email_taken");
    }
    assert_eq!(service.figures().await[0], "1");
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let service = Service::start().await;
    let long = format!("{}@example.com", "x".repeat(250));
    for email in [
        "",
        "   ",
        "alice",
        "@example.com",
        "alice@",
        "a@b@c",
        "a b@example.com",
        "alice@-example.com",
        "alice@example..com",
        &long,
    ] {
        let answer = service
            .client
            .post("/users", &json!({ "email": email }))
            .await;
        answer.refuses("email");
    }
    assert_eq!(service.figures().await[0], "0");
}

#[tokio::test]
async fn what_is_no_name_is_refused() {
    let service = Service::start().await;
    for name in ["", "  ", "a\nb", "a\u{7f}b", &"x".repeat(256)] {
        let user = json!({ "email": "alice@example.com", "name": name });
        service.client.post("/users", &user).await.refuses("name");
    }
    assert_eq!(service.figures().await[0], "0");
}

//! Pausing and resuming sales, of one event and of all.

use serde_json::{Value, json};
use utsavam_tests::{Answer, Client, Service};

use crate::{numbers, time};

async fn post(client: &Client, path: &str) -> Answer {
    client.post(path, &json!({})).admin().await
}

/// What is paused, as admins see it.
async fn paused(client: &Client) -> Value {
    let answer = client.get("/admin/sales").admin().await;
    answer.expect(200).json()
}

#[tokio::test]
async fn a_paused_event_sells_nothing_until_it_is_resumed() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let (event_id, other) = (client.publish(5).await, client.publish(5).await);
    client.booked(user_id, event_id, 1).await;
    let before = client.event(event_id).await;
    let (pause, resume) = (
        format!("/admin/events/{event_id}/sales/pause"),
        format!("/admin/events/{event_id}/sales/resume"),
    );
    let first = post(client, &pause).await.expect(200).json();
    assert_eq!(first["event_id"], event_id);
    time(&first["sales_paused_at"]);
    assert_eq!(post(client, &pause).await.expect(200).json(), first);

    for key in ["k1", "k2"] {
        let call = client.book(user_id, event_id, 1);
        let refused = call.header("Idempotency-Key", key).await;
        refused.problem(409, "sales_paused");
        assert_eq!(
            refused.json()["detail"],
            format!("sales of event {event_id} are paused")
        );
        assert_eq!(refused.header("retry-after"), None);
    }
    client
        .book(user_id, event_id, 1)
        .await
        .problem(409, "sales_paused");
    // A refusal gives back what the gate had lent.
    service.assert_gate_holds(event_id, 4).await;
    assert_eq!(client.event(event_id).await, before);
    client.booked(user_id, other, 1).await;

    let resumed = json!({ "event_id": event_id, "sales_paused_at": null });
    for _ in 0..2 {
        assert_eq!(post(client, &resume).await.expect(200).json(), resumed);
    }
    let call = client.book(user_id, event_id, 4);
    let booked = call.header("Idempotency-Key", "k1").await;
    booked.expect(201);
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn all_sales_are_paused_also_of_events_that_are_published_later() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let first = post(client, "/admin/sales/pause").await.expect(200).json();
    time(&first["sales_paused_at"]);
    let again = post(client, "/admin/sales/pause").await;
    assert_eq!(again.expect(200).json(), first);
    assert_eq!(paused(client).await["events"], json!([]));
    assert_eq!(
        paused(client).await["sales_paused_at"],
        first["sales_paused_at"]
    );
    let later = client.publish(5).await;
    for event in [event_id, later] {
        let refused = client.book(user_id, event, 1).await;
        refused.problem(409, "sales_paused");
    }
    // One that is paused by itself stays so.
    post(client, &format!("/admin/events/{later}/sales/pause"))
        .await
        .expect(200);
    for _ in 0..2 {
        let resumed = post(client, "/admin/sales/resume").await.expect(200).json();
        assert_eq!(resumed, json!({ "sales_paused_at": null }));
    }
    client.booked(user_id, event_id, 5).await;
    let refused = client.book(user_id, later, 1).await;
    refused.problem(409, "sales_paused");
}

#[tokio::test]
async fn all_else_goes_on_while_sales_are_paused() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let call = client.book(user_id, event_id, 2);
    let first = call.header("Idempotency-Key", "k").await.expect(201).json();
    let cancelled = client.booked(user_id, event_id, 3).await;
    post(client, "/admin/sales/pause").await.expect(200);
    post(client, &format!("/admin/events/{event_id}/sales/pause"))
        .await
        .expect(200);

    let call = client.book(user_id, event_id, 2);
    let again = call.header("Idempotency-Key", "k").await;
    assert_eq!(again.expect(201).json(), first);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let call = client.book(user_id, event_id, 1);
    let reused = call.header("Idempotency-Key", "k").await;
    reused.problem(422, "idempotency_key_reused");
    client.cancel(cancelled).await.expect(200);
    assert_eq!(client.seats_available(event_id).await, 3);
    client
        .change(event_id, &json!({ "capacity": 2 }))
        .await
        .expect(200);
    assert_eq!(client.seats_available(event_id).await, 0);
    client.delete_event(event_id).await.expect(204);
    assert_eq!(paused(client).await["events"], json!([]));
}

#[tokio::test]
async fn a_pause_is_told_after_what_is_wrong_for_good() {
    let service = Service::builder().await.without_redis().start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let (started, deleted) = (client.publish(5).await, client.publish(5).await);
    let start = json!({ "start_at": utsavam_tests::PAST });
    client.change(started, &start).await.expect(200);
    client.delete_event(deleted).await.expect(204);
    post(client, "/admin/sales/pause").await.expect(200);
    let late = client.book(user_id, started, 1).await;
    late.problem(409, "event_started");
    let unknown = client.book(user_id, deleted, 1).await;
    unknown.problem(404, "event_not_found");
    let unknown = client.book(i64::MAX, started, 1).await;
    unknown.problem(404, "user_not_found");
}

#[tokio::test]
async fn what_is_paused_is_listed_in_pages() {
    let service = Service::start().await;
    let client = &service.client;
    assert_eq!(
        paused(client).await,
        json!({ "sales_paused_at": null, "events": [] })
    );
    let mut events = Vec::new();
    for _ in 0..5 {
        let event_id = client.publish(1).await;
        let path = format!("/admin/events/{event_id}/sales/pause");
        let answer = post(client, &path).await.expect(200).json();
        events.push(json!({
            "event_id": event_id, "name": "Concert", "sales_paused_at": answer["sales_paused_at"],
        }));
    }
    events.reverse();
    assert_eq!(paused(client).await["events"], Value::from(events.clone()));
    let pages = client.pages("/admin/sales?limit=2").await;
    let paged: Vec<_> = pages
        .iter()
        .flat_map(|page| numbers(page["events"].as_array().expect("events"), "event_id"))
        .collect();
    assert_eq!(paged, numbers(&events, "event_id"));
    let foreign = client.get("/admin/sales?cursor=ZS4xLjI").admin().await;
    foreign.problem(400, "invalid_input");
}

#[tokio::test]
async fn an_event_that_is_not_there_is_neither_paused_nor_resumed() {
    let service = Service::start().await;
    let client = &service.client;
    let deleted = client.publish(5).await;
    client.delete_event(deleted).await.expect(204);
    for event_id in [deleted, i64::MAX] {
        for verb in ["pause", "resume"] {
            let path = format!("/admin/events/{event_id}/sales/{verb}");
            let answer = post(client, &path).await;
            answer.problem(404, "event_not_found");
        }
    }
    for verb in ["pause", "resume"] {
        let answer = post(client, &format!("/admin/events/0/sales/{verb}")).await;
        answer.problem(400, "invalid_input");
    }
}

#[tokio::test]
async fn who_paused_what_is_in_the_audit_log() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish(5).await;
    let (key_id, key) = client.api_key(&["admin:events"]).await;
    let path = format!("/admin/events/{event_id}/sales/pause");
    let call = client.post(&path, &json!({})).api_key(&key);
    call.await.expect(200);
    post(client, "/admin/sales/pause").await.expect(200);
    let entries = client.entries("/admin/audit?limit=2").await;
    let told = |entry: &Value| {
        ["actor", "action", "object"].map(|member| entry[member].as_str().map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        [&entries[0], &entries[1]].map(told),
        [
            [some("admin"), some("pause_all_sales"), None],
            [
                Some(format!("service:{key_id}")),
                some("pause_event"),
                Some(format!("event:{event_id}"))
            ],
        ]
    );
}

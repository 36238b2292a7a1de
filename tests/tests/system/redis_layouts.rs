//! The server on several Redis: a node of a cluster that is lost, and a failover by
//! Sentinel. Both make answers slower at most, and neither sells a seat twice.

use futures::future::join_all;
use utsavam_tests::{RedisBehindSentinel, RedisCluster, Service, eventually};

/// Seats of each event, and how many ask for one of them at the same time.
const SEATS: i64 = 5;
const CROWD: usize = 12;

/// Everybody wants a seat of these events: exactly those that are left are sold.
async fn sell_out(service: &Service, user_id: i64, events: &[i64], left: usize) {
    let client = &service.client;
    let wanted = events.iter().flat_map(|event_id| [*event_id; CROWD]);
    let answers = join_all(wanted.map(|id| client.book(user_id, id, 1).into_future())).await;
    for (event_id, answers) in events.iter().zip(answers.chunks(CROWD)) {
        let sold = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(sold, left, "event {event_id}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.problem(409, "not_enough_seats");
        }
        service.database.assert_seats_add_up(*event_id).await;
    }
}

async fn redis_is(service: &Service, state: &str) {
    eventually(&format!("redis is {state}"), async || {
        let ready = service.client.get("/ready").await;
        ready.expect(200).json()["dependencies"]["redis"] == state
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_loses_a_node_sells_every_seat_once_and_comes_back() {
    let mut cluster = RedisCluster::start().await;
    let builder = Service::builder().await.env("REDIS_URL", &cluster.url());
    let service = builder.start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let lost = client.publish(SEATS).await;
    let node = cluster.node_of(lost).await;
    let mut kept = client.publish(SEATS).await;
    while cluster.node_of(kept).await == node {
        kept = client.publish(SEATS).await;
    }
    for event_id in [lost, kept] {
        let booked = client.booked(user_id, event_id, 2).await;
        client.cancel(booked).await.expect(200);
        client.booked(user_id, event_id, 1).await;
        gate_holds(&cluster, event_id, 4).await;
    }
    redis_is(&service, "up").await;

    cluster.kill(node);
    sell_out(&service, user_id, &[lost, kept], 4).await;
    gate_holds(&cluster, kept, 0).await;
    redis_is(&service, "down").await;

    cluster.start_again(node).await;
    gate_holds(&cluster, lost, 0).await;
    redis_is(&service, "up").await;
    sell_out(&service, user_id, &[lost, kept], 0).await;
    service.server.assert_no_panic();
}

/// Waits until the gate has been put right.
async fn gate_holds(cluster: &RedisCluster, event_id: i64, tokens: i64) {
    eventually(
        &format!("{tokens} tokens of event {event_id}"),
        async || cluster.tokens(event_id).await == Some(tokens.to_string()),
    )
    .await;
}

#[tokio::test]
async fn a_failover_by_sentinel_sells_every_seat_once() {
    let mut pair = RedisBehindSentinel::start().await;
    let builder = Service::builder().await.env("REDIS_URL", &pair.url());
    let service = builder.start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(SEATS).await;
    client.booked(user_id, event_id, 1).await;
    redis_is(&service, "up").await;

    pair.kill(0);
    client.booked(user_id, event_id, 1).await;
    pair.is_primary(1).await;
    redis_is(&service, "up").await;
    let key = format!("event:{event_id}:tokens");
    eventually("the new primary has the seats that are left", async || {
        pair.ask::<Option<String>>(1, &["GET", &key])
            .await
            .as_deref()
            == Some("3")
    })
    .await;
    sell_out(&service, user_id, &[event_id], 3).await;
    service.server.assert_no_panic();
}

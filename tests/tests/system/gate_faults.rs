//! The seat gate when it is wrong, missing or away: slower answers or free
//! seats refused for a moment, never a seat sold twice.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use utsavam_tests::{Program, Proxy, Service, eventually};

/// What an operator, or an accident, may leave in the bucket.
const WRONG: [&[&str]; 10] = [
    &["SET", "5"],
    &["SET", "0"],
    &["SET", "-3"],
    &["SET", "abc"],
    &["SET", ""],
    &["SET", "1.5"],
    &["SET", "9223372036854775807"],
    &["SET", "99999999999999999999"],
    &["RPUSH", "x"],
    &["DEL"],
];

async fn spoil(service: &Service, event_id: i64, command: &[&str]) {
    let key = format!("event:{event_id}:tokens");
    let _: i64 = service.redis.ask(&["DEL", &key]).await;
    if command.len() == 2 {
        let _: deadpool_redis::redis::Value =
            service.redis.ask(&[command[0], &key, command[1]]).await;
    }
}

async fn eventually_tokens(service: &Service, event_id: i64, expected: i64) {
    let key = format!("event:{event_id}:tokens");
    eventually(&format!("{expected} tokens"), async || {
        let kind: String = service.redis.ask(&["TYPE", &key]).await;
        kind == "string" && service.redis.tokens(event_id).await == Some(expected.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_wrong_bucket_never_sells_a_seat_twice_and_is_put_right() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    for wrong in WRONG {
        let event_id = client.publish(5).await;
        client.booked(user_id, event_id, 3).await;
        spoil(&service, event_id, wrong).await;

        let answers =
            join_all((0..10).map(|_| client.book(user_id, event_id, 1).into_future())).await;
        let sold = answers.iter().filter(|a| a.status == 201).count();
        assert!(sold <= 2, "{wrong:?}: {sold} seats sold, 2 were left");
        for answer in answers.iter().filter(|a| a.status != 201) {
            answer.problem(409, "not_enough_seats");
        }
        service.database.assert_seats_add_up(event_id).await;

        let left = 2 - sold as i64;
        eventually_tokens(&service, event_id, left).await;
        for _ in 0..left {
            client.booked(user_id, event_id, 1).await;
        }
        assert_eq!(client.seats_available(event_id).await, 0, "{wrong:?}");
        service.redis.assert_tokens(event_id, 0).await;
    }
}

#[tokio::test]
async fn a_bucket_that_promises_too_much_refuses_by_the_store() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(2).await;
    client.booked(user_id, event_id, 2).await;
    spoil(&service, event_id, &["SET", "5"]).await;
    for _ in 0..7 {
        let answer = client.book(user_id, event_id, 1).await;
        answer.problem(409, "not_enough_seats");
    }
    // The leases went back: the operator's number stands until it is corrected.
    service.redis.assert_tokens(event_id, 5).await;
}

#[tokio::test]
async fn a_missing_or_unreadable_bucket_lets_the_store_decide() {
    for wrong in [&["DEL"][..], &["SET", "abc"], &["RPUSH", "x"]] {
        let service = Service::builder()
            .await
            .without_reconciliation()
            .start()
            .await;
        let client = &service.client;
        let user_id = client.register("alice@example.com").await;
        let event_id = client.publish(2).await;
        spoil(&service, event_id, wrong).await;
        client.booked(user_id, event_id, 1).await;
        let booking_id = client.booked(user_id, event_id, 1).await;
        let sold_out = client.book(user_id, event_id, 1).await;
        sold_out.problem(409, "not_enough_seats");
        client.cancel(booking_id).await.expect(200);
        client.booked(user_id, event_id, 1).await;
        let resize = json!({ "capacity": 3 });
        client.change(event_id, &resize).await.expect(200);
        client.booked(user_id, event_id, 1).await;
    }
}

#[tokio::test]
async fn the_reconcile_command_puts_every_bucket_right() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let mut events = Vec::new();
    for wrong in WRONG {
        let event_id = client.publish(5).await;
        client.booked(user_id, event_id, 2).await;
        spoil(&service, event_id, wrong).await;
        events.push(event_id);
    }
    Program::new(&["reconcile"])
        .env("DATABASE_URL", service.database.url())
        .env("REDIS_URL", service.redis.url())
        .run()
        .await
        .expect_success();
    for event_id in events {
        service.redis.assert_tokens(event_id, 3).await;
        client.booked(user_id, event_id, 3).await;
    }
}

#[tokio::test]
async fn a_flushed_redis_is_filled_again() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let mut events = Vec::new();
    for capacity in [5, 7] {
        let event_id = client.publish(capacity).await;
        client.booked(user_id, event_id, 1).await;
        events.push((event_id, capacity - 1));
    }
    let _: String = service.redis.ask(&["FLUSHDB"]).await;
    // Scripts are lost too when Redis starts anew.
    let _: String = service.redis.ask(&["SCRIPT", "FLUSH"]).await;
    for (event_id, left) in events {
        client.booked(user_id, event_id, 1).await;
        eventually_tokens(&service, event_id, left - 1).await;
    }
}

#[tokio::test]
async fn without_redis_bookings_are_exact_and_the_server_says_that_it_is_degraded() {
    let service = Service::builder().await.without_redis().start().await;
    let client = &service.client;
    let ready = client.get("/ready").await;
    assert!(ready.expect(200).json().to_string().contains("degraded"));
    assert_eq!(
        client.get("/health").await.expect(200).json(),
        json!({ "status": "ok" })
    );

    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let answers = join_all((0..20).map(|_| client.book(user_id, event_id, 1).into_future())).await;
    let mut booked = Vec::new();
    for answer in &answers {
        if answer.status == 201 {
            booked.push(answer.id("booking_id"));
        } else {
            answer.problem(409, "not_enough_seats");
        }
    }
    assert_eq!(booked.len(), 5);
    client.cancel(booked[0]).await.expect(200);
    client
        .change(event_id, &json!({ "capacity": 6 }))
        .await
        .expect(200);
    assert_eq!(client.seats_available(event_id).await, 2);
    service.database.assert_seats_add_up(event_id).await;
    client.delete_event(event_id).await.expect(204);
}

#[tokio::test]
async fn losing_redis_in_mid_life_costs_no_answer_and_finding_it_again_mends_the_gate() {
    let builder = Service::builder().await;
    let proxy = Proxy::before(builder.redis().url()).await;
    let service = builder.env("REDIS_URL", &proxy.url()).start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    client.booked(user_id, event_id, 1).await;
    service.redis.assert_tokens(event_id, 9).await;

    proxy.cut();
    let booking_id = client.booked(user_id, event_id, 2).await;
    client.booked(user_id, event_id, 1).await;
    client.cancel(booking_id).await.expect(200);
    let refused = client.book(user_id, event_id, 9).await;
    refused.problem(409, "not_enough_seats");
    eventually("the server is degraded", async || {
        let ready = client.get("/ready").await;
        ready.expect(200).json().to_string().contains("degraded")
    })
    .await;

    proxy.mend();
    eventually_tokens(&service, event_id, 8).await;
    eventually("the server is not degraded any more", async || {
        let ready = client.get("/ready").await;
        !ready.expect(200).json().to_string().contains("degraded")
    })
    .await;
    client.booked(user_id, event_id, 8).await;
    service.redis.assert_tokens(event_id, 0).await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_makes_nobody_wait_long() {
    /// Far above what a time limit on Redis should be, far below a hang.
    const PATIENCE: Duration = Duration::from_secs(5);
    let builder = Service::builder().await;
    let proxy = Proxy::before(builder.redis().url()).await;
    let service = builder
        .env("REDIS_URL", &proxy.url())
        .setting("redis.connect_timeout", "250ms")
        .setting("redis.response_timeout", "250ms")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    proxy.silence();
    for _ in 0..3 {
        let asked = Instant::now();
        client.booked(user_id, event_id, 1).await;
        let took = asked.elapsed();
        assert!(took < PATIENCE, "{took:?} for one booking");
    }
    service.database.assert_seats_add_up(event_id).await;
}

//! The seat gate when it is wrong, missing or away: slower answers or free
//! seats refused for a moment, never a seat sold twice.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures::future::{Either, join_all, select};
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
    let _: i64 = service.redis().ask(&["DEL", &key]).await;
    if command.len() == 2 {
        let _: deadpool_redis::redis::Value =
            service.redis().ask(&[command[0], &key, command[1]]).await;
    }
}

async fn eventually_tokens(service: &Service, event_id: i64, expected: i64) {
    let key = format!("event:{event_id}:tokens");
    eventually(&format!("{expected} tokens"), async || {
        let kind: String = service.redis().ask(&["TYPE", &key]).await;
        kind == "string" && service.redis().tokens(event_id).await == Some(expected.to_string())
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
        service.redis().assert_tokens(event_id, 0).await;
    }
}

#[tokio::test]
async fn a_bucket_that_promises_too_much_refuses_by_the_store() {
    let service = Service::start_without_reconciliation().await;
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
    service.redis().assert_tokens(event_id, 5).await;
}

#[tokio::test]
async fn a_missing_or_unreadable_bucket_lets_the_store_decide() {
    for wrong in [&["DEL"][..], &["SET", "abc"], &["RPUSH", "x"]] {
        let service = Service::start_without_reconciliation().await;
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
    let service = Service::start_without_reconciliation().await;
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
        .env("REDIS_URL", service.redis().url())
        .run()
        .await
        .expect_success();
    for event_id in events {
        service.redis().assert_tokens(event_id, 3).await;
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
    let _: String = service.redis().ask(&["FLUSHDB"]).await;
    // Scripts are lost too when Redis starts anew.
    let _: String = service.redis().ask(&["SCRIPT", "FLUSH"]).await;
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
    service.redis().assert_tokens(event_id, 9).await;

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
    service.redis().assert_tokens(event_id, 0).await;
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

/// Within this the gate is right again: reconciliation runs every second, but
/// a loaded machine may let it wait.
const ROUNDS: Duration = Duration::from_secs(10);

/// Does the work while twelve clients keep the gate of the event busy.
async fn beside_traffic<T>(traffic: impl AsyncFn(usize), work: impl Future<Output = T>) -> T {
    let traffic = &traffic;
    let clients = (0..12).map(|number| async move {
        loop {
            traffic(number).await;
        }
    });
    match select(pin!(join_all(clients)), pin!(work)).await {
        Either::Left((_, _)) => unreachable!("traffic never ends"),
        Either::Right((done, _)) => done,
    }
}

/// Books the seats as soon as they are not refused any more.
async fn booked_within_rounds(service: &Service, user_id: i64, event_id: i64, seats: i64) -> i64 {
    let asked = Instant::now();
    loop {
        let answer = service.client.book(user_id, event_id, seats).await;
        if answer.status == 201 {
            return answer.id("booking_id");
        }
        answer.problem(409, "not_enough_seats");
        let took = asked.elapsed();
        assert!(took < ROUNDS, "{seats} free seats are refused for {took:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_bucket_set_too_low_is_raised_while_bookings_come_and_go() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let come_and_go = async |_| {
        let nobody = client.book(777, event_id, 1).await;
        assert!([404, 409].contains(&nobody.status), "{nobody}");
    };
    beside_traffic(come_and_go, async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            spoil(&service, event_id, &["SET", "12"]).await;
            let booking_id = booked_within_rounds(&service, user_id, event_id, 50).await;
            client.cancel(booking_id).await.expect(200);
        }
    })
    .await;
    eventually_tokens(&service, event_id, 100).await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_bucket_set_too_low_is_raised_while_seats_are_sold_and_returned() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let sell_and_return = async |_| {
        let answer = client.book(user_id, event_id, 1).await;
        if answer.status == 201 {
            client.cancel(answer.id("booking_id")).await.expect(200);
        }
    };
    beside_traffic(sell_and_return, async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            spoil(&service, event_id, &["SET", "14"]).await;
            let booking_id = booked_within_rounds(&service, user_id, event_id, 50).await;
            client.cancel(booking_id).await.expect(200);
        }
    })
    .await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_bucket_set_too_high_is_lowered_while_bookings_come_and_go() {
    let service = Service::start().await;
    let client = &service.client;
    let event_id = client.publish(100).await;
    let come_and_go = async |_| {
        client
            .book(777, event_id, 1)
            .await
            .problem(404, "user_not_found");
    };
    beside_traffic(come_and_go, async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        spoil(&service, event_id, &["SET", "1000000"]).await;
        eventually("the bucket is lowered", async || {
            let tokens = service.redis().tokens(event_id).await;
            tokens.is_some_and(|tokens| tokens.parse::<i64>().is_ok_and(|n| n <= 112))
        })
        .await;
    })
    .await;
    eventually_tokens(&service, event_id, 100).await;
}

/// A lease of somebody who died in mid-booking: nobody ends it for a minute.
async fn leave_a_lease(service: &Service, event_id: i64, seats: i64) {
    let [leases, leased_seats] =
        ["leases", "leased_seats"].map(|part| format!("{{event:{event_id}:tokens}}:{part}"));
    let (seconds, _): (i64, i64) = service.redis().ask(&["TIME"]).await;
    let runs_out_ms = ((seconds + 60) * 1000).to_string();
    let _: i64 = service
        .redis()
        .ask(&["ZADD", &leases, &runs_out_ms, "dead"])
        .await;
    let _: i64 = service
        .redis()
        .ask(&["HSET", &leased_seats, "dead", &seats.to_string()])
        .await;
}

#[tokio::test]
async fn the_lease_of_a_dead_holder_does_not_keep_a_bucket_wrong() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    for wrong in ["0", "3", "1000"] {
        let event_id = client.publish(10).await;
        leave_a_lease(&service, event_id, 1).await;
        spoil(&service, event_id, &["SET", wrong]).await;
        // All but the seat that the dead may have sold.
        booked_within_rounds(&service, user_id, event_id, 9).await;
        eventually("the bucket promises no more than is left", async || {
            let tokens = service.redis().tokens(event_id).await;
            tokens.is_some_and(|tokens| ["0", "1"].contains(&tokens.as_str()))
        })
        .await;
    }
}

#[tokio::test]
async fn an_event_deleted_while_redis_is_silent_is_unknown_soon_after_its_return() {
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
    let event_id = client.publish(2).await;
    client.booked(user_id, event_id, 2).await;
    service.redis().assert_tokens(event_id, 0).await;
    // Seen by reconciliation: it puts a wrong number right.
    spoil(&service, event_id, &["SET", "1"]).await;
    eventually_tokens(&service, event_id, 0).await;

    proxy.silence();
    client.delete_event(event_id).await.expect(204);
    proxy.mend();
    let back = Instant::now();
    loop {
        let answer = client.book(user_id, event_id, 1).await;
        let is_gone = service.redis().tokens(event_id).await.is_none();
        if answer.status == 404 && is_gone {
            answer.problem(404, "event_not_found");
            break;
        }
        assert!(back.elapsed() < ROUNDS, "still {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = client.book(user_id, event_id, 1).await;
    answer.problem(404, "event_not_found");
}

#[tokio::test]
async fn no_bucket_outlives_the_care_for_it_by_more_than_minutes() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let lives_ms = async |event_id: i64| -> i64 {
        let key = format!("event:{event_id}:tokens");
        service.redis().ask(&["PTTL", &key]).await
    };
    let sold_out = client.publish(0).await;
    let deleted = client.publish(1).await;
    client.delete_event(deleted).await.expect(204);
    spoil(&service, sold_out, &["SET", "0"]).await;
    spoil(&service, deleted, &["SET", "0"]).await;
    client.book(user_id, deleted, 1).await;
    for event_id in [sold_out, deleted] {
        eventually("the bucket leaves within minutes", async || {
            (0..=10 * 60 * 1000).contains(&lives_ms(event_id).await)
        })
        .await;
    }
}

#[tokio::test]
async fn a_damaged_key_of_one_event_troubles_no_other() {
    let service = Service::builder()
        .await
        .without_reconciliation()
        .setting("redis.cool_down", "1h")
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let sold_out = client.publish(0).await;
    for part in ["leases", "leased_seats"] {
        let event_id = client.publish(2).await;
        let key = format!("{{event:{event_id}:tokens}}:{part}");
        let _: String = service.redis().ask(&["SET", &key, "x"]).await;
        client.booked(user_id, event_id, 1).await;

        // The gate still answers for the others: nobody asks the store.
        let holder = service.database.sql().await;
        holder
            .run("BEGIN; LOCK TABLE users, events, bookings IN ACCESS EXCLUSIVE MODE")
            .await;
        let refused = client.book(user_id, sold_out, 1).into_future();
        let refused = tokio::time::timeout(ROUNDS, refused).await;
        holder.run("COMMIT").await;
        let refused = refused.unwrap_or_else(|_| panic!("{part}: the gate is gone around"));
        refused.problem(409, "not_enough_seats");
    }
}

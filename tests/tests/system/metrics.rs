//! What the metrics show of dependencies that are slow or away.

use utsavam_tests::{Proxy, Service, eventually};

#[tokio::test]
async fn what_waits_for_a_locked_event_is_seen_to_wait() {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let service = builder.start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    let holder = service.database.hold_event(event_id).await;
    let buyers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(client.book(user_id, event_id, 1).into_future()))
        .collect();

    // One batch has begun, with the first buyer at least; the last one waits for
    // the next, unless all of them came at once.
    let bookings = [("queue", "bookings")];
    eventually("all three wait", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_http_requests_waiting", &[]) == 3.0
            && shown.sum("utsavam_queue_batches_in_progress", &bookings) == 1.0
            && shown.sum("utsavam_database_transactions_in_progress", &[]) == 1.0
            && shown.sum("utsavam_database_connections", &[("state", "used")]) == 1.0
    })
    .await;
    let shown = service.server.metrics().await;
    assert_eq!(shown.sum("utsavam_http_requests_waiting_max", &[]), 4_096.0);
    assert_eq!(shown.sum("utsavam_database_connections_max", &[]), 4.0);
    assert_eq!(shown.sum("utsavam_database_transactions_max", &[]), 3.0);
    let opened = shown.sum("utsavam_database_connections_opened_total", &[]);
    assert!((1.0..=4.0).contains(&opened), "{opened}");

    holder.run("ROLLBACK").await;
    for buyer in buyers {
        buyer.await.expect("no panic").expect(201);
    }
    eventually("nobody waits", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_http_requests_waiting", &[]) == 0.0
            && shown.sum("utsavam_queue_batches_in_progress", &bookings) == 0.0
            && shown.sum("utsavam_queue_waiting_commands", &bookings) == 0.0
            && shown.sum("utsavam_database_connections", &[("state", "used")]) == 0.0
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_gone_around_is_seen_to_be() {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let proxy = Proxy::before(builder.redis_url()).await;
    let service = builder.env("REDIS_URL", &proxy.url()).start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(50).await;
    client.booked(user_id, event_id, 1).await;
    let shown = service.server.metrics().await;
    assert_eq!(shown.sum("utsavam_redis_gone_around", &[]), 0.0);
    let answers = "utsavam_gate_answers_total";
    assert_eq!(shown.sum(answers, &[("answer", "granted")]), 1.0);
    let round_trips = [("queue", "seat_gate")];
    assert!(shown.sum("utsavam_batch_duration_seconds_count", &round_trips) > 0.0);

    proxy.cut();
    eventually("Redis is gone around", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_redis_gone_around", &[]) == 1.0
    })
    .await;
    client.booked(user_id, event_id, 1).await;
    let shown = service.server.metrics().await;
    assert_eq!(shown.sum(answers, &[("answer", "unknown")]), 1.0);

    proxy.mend();
    eventually("Redis is asked again", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_redis_gone_around", &[]) == 0.0
    })
    .await;
}

#[tokio::test]
async fn a_lost_database_is_seen_in_what_becomes_of_bookings() {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let (builder, proxy) = builder.database_over_a_line().await;
    let service = builder
        .setting("database.acquire_timeout", "1s")
        .start()
        .await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(50).await;
    proxy.cut();
    let mut tries = 0.0;
    eventually("a booking finds no database", async || {
        tries += 1.0;
        let answer = service.client.book(user_id, event_id, 1).await;
        answer.json()["code"] == "unavailable"
    })
    .await;
    let shown = service.server.metrics().await;
    let outcome = |outcome| shown.sum("utsavam_bookings_total", &[("outcome", outcome)]);
    assert!(outcome("unavailable") >= 1.0);
    assert_eq!(shown.sum("utsavam_bookings_total", &[]), tries);
    let labels = [("route", "/bookings"), ("status", "503")];
    assert_eq!(shown.sum("utsavam_http_requests_total", &labels), tries);
}

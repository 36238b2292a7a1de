//! The end of the process: in order, within its time, and at once for the impatient.

use std::time::{Duration, Instant};

use futures::future::join;
use utsavam_tests::{Client, Service, eventually};

/// What stopping may take besides waiting for what is under way.
const OVERHEAD: Duration = Duration::from_secs(10);

#[tokio::test]
async fn whoever_is_told_to_end_is_not_ready_before_it_stops_accepting() {
    const DELAY: Duration = Duration::from_secs(3);
    let mut service = Service::builder()
        .await
        .setting("http.shutdown_delay", "3s")
        .start()
        .await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    client.get("/ready").await.expect(200);
    let url = format!("http://{}", service.server.address());
    let told = Instant::now();
    let (status, ()) = join(service.server.terminate(), async {
        eventually("the server is not ready", async || {
            // Not by a connection that is there already.
            let ready = Client::new(&url, "").get("/ready").await;
            ready.status == 503 && ready.json()["status"] == "stopping"
        })
        .await;
        client.booked(user_id, event_id, 1).await;
        client.get("/health").await.expect(200);
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() >= DELAY, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_end() {
    let mut service = Service::start().await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    // A connection that is kept, and has nothing to say any more.
    client.get("/ready").await.expect(200);
    let holder = service.database.hold_event(event_id).await;
    let booking = tokio::spawn(client.book(user_id, event_id, 1).into_future());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let address = service.server.address();
    let told = Instant::now();
    let (status, ()) = join(service.server.terminate(), async {
        eventually("nobody is let in any more", async || {
            std::net::TcpStream::connect(address).is_err()
        })
        .await;
        assert!(!booking.is_finished());
        holder.run("COMMIT").await;
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    booking.await.expect("no panic").expect(201);
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_booking_whose_client_went_away_is_made_before_the_end() {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let mut service = builder.start().await;
    let user_id = service.client.register("alice@example.com").await;
    let event_id = service.client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    let (status, ()) = join(service.server.terminate(), async {
        // The stimulus, not a synchronisation: any delay will do.
        tokio::time::sleep(Duration::from_secs(1)).await;
        holder.run("COMMIT").await;
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    let sql = service.database.sql().await;
    let made = sql.number("SELECT count(*) FROM bookings").await;
    assert_eq!(made, 1, "{}", service.server.log());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn the_end_does_not_wait_longer_than_it_may() {
    let mut service = Service::builder()
        .await
        .setting("http.shutdown_timeout", "2s")
        .setting("database.lock_timeout", "1m")
        .setting("database.statement_timeout", "1m")
        .setting("gate.lease_ttl", "1h")
        .start()
        .await;
    let client = service.client.clone();
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    let booking = tokio::spawn(client.book(user_id, event_id, 1).try_send());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let told = Instant::now();
    let status = service.server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    assert!(booking.await.expect("no panic").is_err());
    holder.run("COMMIT").await;
    service.database.assert_seats_add_up(event_id).await;
}

/// A booking that waits for its event, at a server that would wait for it for a minute.
async fn held_up_service() -> (Service, i64, utsavam_tests::Sql) {
    let builder = Service::builder().await.setting("metrics.port", "0");
    let service = builder
        .setting("http.shutdown_timeout", "1m")
        .setting("database.lock_timeout", "1m")
        .setting("database.statement_timeout", "1m")
        .setting("database.acquire_timeout", "1m")
        .setting("gate.lease_ttl", "1h")
        .start()
        .await;
    let event_id = service.client.publish(5).await;
    let holder = service.database.hold_event(event_id).await;
    (service, event_id, holder)
}

async fn assert_ends_at_once(mut service: Service, event_id: i64, signal: &str) {
    let told = Instant::now();
    service.server.signal(signal);
    let status = service.server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", service.server.log());
    assert!(told.elapsed() < OVERHEAD, "{:?}", told.elapsed());
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn whoever_asks_a_second_time_does_not_wait_for_requests() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    let booking = tokio::spawn(service.client.book(user_id, event_id, 1).try_send());
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    let address = service.server.address();
    service.server.signal("TERM");
    eventually("nobody is let in any more", async || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
    assert_ends_at_once(service, event_id, "TERM").await;
    // Cut off, unless the queue went before the connection did.
    if let Ok(answer) = booking.await.expect("no panic") {
        answer.problem(503, "unavailable");
    }
}

#[tokio::test]
async fn whoever_asks_a_second_time_does_not_wait_for_what_is_queued() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    service.server.signal("INT");
    eventually("requests are over", async || {
        std::net::TcpStream::connect(service.server.address()).is_err()
    })
    .await;
    assert_ends_at_once(service, event_id, "INT").await;
}

#[tokio::test]
async fn sigquit_waits_for_nothing() {
    let (service, event_id, _holder) = held_up_service().await;
    let user_id = service.client.register("alice@example.com").await;
    leave_a_booking_behind(&service, user_id, event_id).await;
    assert_ends_at_once(service, event_id, "QUIT").await;
}

/// A booking that waits for its event, whose client has gone.
async fn leave_a_booking_behind(service: &Service, user_id: i64, event_id: i64) {
    let stream = service.send_booking(user_id, event_id).await;
    eventually("the booking waits", async || {
        service.database.sessions_waiting().await == 1
    })
    .await;
    // With a reset: a client that only has nothing more to say still waits for an answer.
    stream.set_zero_linger().expect("a socket");
    drop(stream);
    eventually("no request is left", async || {
        let shown = service.server.metrics().await;
        shown.sum("utsavam_http_requests_in_progress", &[]) == 0.0
    })
    .await;
}

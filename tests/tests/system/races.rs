//! Many buyers, few seats, and everything that can go on at the same time.

use futures::future::join_all;
use serde_json::json;
use utsavam_tests::concurrency::{self, Plan, Tally};
use utsavam_tests::{
    Client, PASSWORD, Service, ServiceBuilder, TestDatabase, TestServer, eventually,
};

async fn sell(service: &Service, servers: &[Client], requests: usize) {
    let plan = Plan {
        capacity: 5,
        requests,
        concurrency: requests,
    };
    let run = concurrency::run(servers, plan).await.expect("a sale");
    let expected = Tally {
        success: 5,
        conflict: requests - 5,
        errors: 0,
    };
    run.verify(&servers[0], plan).await.expect("a fair sale");
    assert_eq!(run.tally, expected);
    service.database.assert_seats_add_up(run.event_id).await;
}

#[tokio::test]
async fn fifty_buyers_at_once_get_five_seats() {
    let service = Service::start().await;
    sell(&service, std::slice::from_ref(&service.client), 50).await;
}

/// The buyers are one user, who may not ask so often.
fn unlimited(service: ServiceBuilder) -> ServiceBuilder {
    service.setting("rate_limit.enabled", "false")
}

#[tokio::test]
async fn two_thousand_buyers_at_once_get_five_seats() {
    let service = unlimited(Service::builder().await).start().await;
    sell(&service, std::slice::from_ref(&service.client), 2000).await;
}

#[tokio::test]
async fn fifty_buyers_at_once_get_five_seats_without_redis() {
    let service = Service::builder().await.without_redis().start().await;
    sell(&service, std::slice::from_ref(&service.client), 50).await;
}

#[tokio::test]
async fn two_thousand_buyers_at_once_get_five_seats_without_redis() {
    let service = unlimited(Service::builder().await.without_redis());
    let service = service.start().await;
    sell(&service, std::slice::from_ref(&service.client), 2000).await;
}

#[tokio::test]
async fn two_servers_on_one_database_sell_five_seats_between_them() {
    let service = Service::start().await;
    let other = service.another_server().await;
    sell(&service, &[service.client.clone(), other.client()], 200).await;
}

#[tokio::test]
async fn two_servers_that_know_of_no_redis_sell_five_seats_between_them() {
    let database = TestDatabase::migrated().await;
    let start = || {
        TestServer::builder(database.url())
            .without("REDIS_URL")
            .start()
    };
    let (one, two) = futures::join!(start(), start());
    let event_id = one.client().publish(5).await;
    let user_id = two.client().register("alice@example.com").await;
    let answers = futures::future::join_all((0..60).map(|number| {
        let server = if number % 2 == 0 { &one } else { &two };
        server.client().book(user_id, event_id, 1).into_future()
    }))
    .await;
    let (sold, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 201);
    assert_eq!(sold.len(), 5);
    for answer in refused {
        answer.problem(409, "not_enough_seats");
    }
    assert_eq!(one.client().seats_available(event_id).await, 0);
    database.assert_seats_add_up(event_id).await;
    // A gate in one of them would not know what the other one gave back.
    let booking_id = sold[0].id("booking_id");
    one.client().cancel(booking_id).await.expect(200);
    two.client().booked(user_id, event_id, 1).await;
    let ready = two.client().get("/ready").await.expect(200).json();
    assert_eq!(ready["dependencies"]["redis"], "off");
}

#[tokio::test]
async fn a_server_with_and_one_without_redis_sell_five_seats_between_them() {
    let service = Service::start().await;
    let other = utsavam_tests::TestServer::builder(service.database.url())
        .start()
        .await;
    sell(&service, &[service.client.clone(), other.client()], 200).await;
}

#[tokio::test]
async fn buyers_who_hang_up_in_mid_request_leave_nothing_half_done() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    // All transactions are held up at the event's row until everybody is gone.
    let holder = service.database.hold_event(event_id).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(service.send_booking(user_id, event_id).await);
    }
    eventually("a booking waits for the row", async || {
        service.database.sessions_waiting().await > 0
    })
    .await;
    drop(connections);
    holder.run("COMMIT").await;

    eventually("the gate has come to rest", async || {
        let left = client.seats_available(event_id).await;
        service.redis().tokens(event_id).await == Some(left.to_string())
            && service.database.sessions_waiting().await == 0
    })
    .await;
    service.database.assert_seats_add_up(event_id).await;
    // No connection or lock was lost: all that is left can be sold.
    let left = client.seats_available(event_id).await;
    for seats in [left - 1, 1] {
        client.booked(user_id, event_id, seats).await;
    }
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn sales_and_resizes_at_once_never_leave_less_seats_than_were_sold() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(20).await;
    let bookings = (0..40).map(|_| client.book(user_id, event_id, 1).into_future());
    let resizes = [15, 10, 5, 25, 1, 12].map(|capacity| {
        client
            .change(event_id, &json!({ "capacity": capacity }))
            .into_future()
    });
    let answers = futures::future::join_all(bookings.chain(resizes)).await;

    for answer in &answers[..40] {
        assert!([201, 409].contains(&answer.status), "{answer}");
    }
    for answer in &answers[40..] {
        if answer.status != 200 {
            answer.refuses("capacity");
        }
    }
    service.database.assert_seats_add_up(event_id).await;
    let event = client.event(event_id).await;
    let sold = answers[..40].iter().filter(|a| a.status == 201).count() as i64;
    let capacity = event["capacity"].as_i64().expect("a number");
    assert_eq!(event["seats_available"], capacity - sold);
    let left = (capacity - sold).to_string();
    eventually("the gate agrees", async || {
        service.redis().tokens(event_id).await.as_ref() == Some(&left)
    })
    .await;
}

#[tokio::test]
async fn whoever_books_while_the_event_is_deleted_has_a_cancelled_booking_or_none() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(100).await;
    let before = (0..15).map(|_| client.book(user_id, event_id, 1).into_future());
    let after = (0..15).map(|_| client.book(user_id, event_id, 1).into_future());
    let deletion = std::iter::once(client.delete_event(event_id).into_future());
    let answers = futures::future::join_all(before.chain(deletion).chain(after)).await;

    answers[15].expect(204);
    for (number, answer) in answers.iter().enumerate() {
        if number == 15 {
            continue;
        }
        if answer.status == 201 {
            let path = format!("/bookings/{}", answer.id("booking_id"));
            let booking = client.get(&path).await.expect(200).json();
            assert_eq!(booking["status"], "CANCELLED");
        } else {
            answer.problem(404, "event_not_found");
        }
    }
    let report = client.get("/admin/analytics").admin().await.json();
    assert_eq!(report["total_confirmed_bookings"], 0);
    assert_eq!(service.redis().tokens(event_id).await, None);
}

#[tokio::test]
async fn a_buyer_who_waited_in_line_past_the_beginning_is_too_late() {
    let service = Service::start().await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(5).await;
    let holder = service.database.sql().await;
    holder
        .run(&format!(
            "UPDATE events SET start_at = clock_timestamp() + interval '3 seconds' \
             WHERE id = {event_id}"
        ))
        .await;
    holder
        .run(&format!(
            "BEGIN; SELECT FROM events WHERE id = {event_id} FOR UPDATE"
        ))
        .await;
    let waiting = tokio::spawn(client.book(user_id, event_id, 1).into_future());
    eventually("the booking waits for the row", async || {
        service.database.sessions_waiting().await > 0
    })
    .await;
    let started = format!("SELECT clock_timestamp() >= start_at FROM events WHERE id = {event_id}");
    assert_eq!(
        holder.text(&started).await,
        "f",
        "it waited before the start"
    );
    eventually("the event starts", async || {
        holder.text(&started).await == "t"
    })
    .await;
    holder.run("COMMIT").await;
    let answer = waiting.await.expect("the request is not aborted");
    answer.problem(409, "event_started");
    assert_eq!(client.seats_available(event_id).await, 5);
}

#[tokio::test]
async fn cancellations_that_waited_in_line_together_return_the_seats_once() {
    // A reconciliation between a cancellation's commit and its tokens would
    // count them twice, until the next one.
    let service = Service::builder()
        .await
        .without_reconciliation()
        .start()
        .await;
    let client = &service.client;
    let user_id = client.register("alice@example.com").await;
    let event_id = client.publish(10).await;
    let booking_id = client.booked(user_id, event_id, 2).await;
    // Cancellations at one server share a transaction; those at another do not.
    let other = TestServer::builder(service.database.url())
        .redis(service.redis().url())
        .setting("gate.reconcile_interval", "1h")
        .start()
        .await;
    let other = other.client();
    // Both transactions are under way before the first can read the booking.
    let holder = service.database.hold_event(event_id).await;
    let cancellations = futures::future::join_all((0..8).map(|n| {
        let client = if n % 2 == 0 { client } else { &other };
        client.cancel(booking_id).into_future()
    }));
    let release = async {
        eventually("two of them stand in line", async || {
            service.database.sessions_waiting().await >= 2
        })
        .await;
        holder.run("COMMIT").await;
    };
    let (answers, ()) = futures::join!(cancellations, release);
    for answer in answers {
        assert_eq!(answer.expect(200).json()["status"], "CANCELLED");
    }
    assert_eq!(client.seats_available(event_id).await, 10);
    service.redis().assert_tokens(event_id, 10).await;
    service.database.assert_seats_add_up(event_id).await;
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_checked_begins_no_session() {
    let service = Service::start().await;
    let client = &service.client;
    let alice = client.signed_up("alice@example.com").await.id;
    let other = json!({ "email": "bob@example.com", "password": "staple battery horse" });
    let bob = client.post("/users", &other).await.expect(201).id("id");

    // Her row is held as a change of password holds it, so both logins have
    // checked what she had before and wait to begin.
    let holder = service.database.sql().await;
    holder
        .run(&format!(
            "BEGIN; UPDATE users SET password_hash = \
             (SELECT password_hash FROM users WHERE id = {bob}) WHERE id = {alice}"
        ))
        .await;
    let logins = (0..2).map(|_| client.login("alice@example.com", PASSWORD).into_future());
    let logins = tokio::spawn(join_all(logins));
    eventually("both wait for the row", async || {
        service.database.sessions_waiting().await == 2
    })
    .await;
    holder.run("COMMIT").await;
    for login in logins.await.expect("no panic") {
        login.problem(401, "login_failed");
    }
    let sql = service.database.sql().await;
    let sessions = format!("SELECT count(*) FROM sessions WHERE user_id = {alice}");
    assert_eq!(sql.number(&sessions).await, 1, "only that of signing up");
    let login = client.login("alice@example.com", "staple battery horse");
    login.await.expect(200);
}

//! What is kept beside the bookings, damaged and put right: by the command, and by
//! servers that sell meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::Value;
use utsavam_tests::{
    Client, Finished, Program, Service, ServiceBuilder, TestDatabase, TestServer, eventually,
};

/// What the log says of a difference.
const REPAIRED: &str = ": repaired";
const STANDING: &str = ": somebody has to see to it";

async fn reconcile(service: &Service, arguments: &[&str]) -> Finished {
    let arguments = [&["reconcile"], arguments].concat();
    Program::new(&arguments)
        .env("DATABASE_URL", service.database.url())
        .env("REDIS_URL", service.redis().url())
        .run()
        .await
}

/// An event of 10 seats, of which somebody has booked 3.
async fn booked_event(client: &Client) -> (i64, i64) {
    let user_id = client
        .register(&format!("u{}@example.com", client.publish(1).await))
        .await;
    let event_id = client.publish(10).await;
    client.booked(user_id, event_id, 3).await;
    (user_id, event_id)
}

fn json_lines(finished: &Finished) -> Vec<Value> {
    let lines = finished.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {finished}")))
        .collect()
}

#[tokio::test]
async fn a_check_tells_what_differs_and_the_command_repairs_it() {
    let service = Service::start_without_reconciliation().await;
    let (_, event_id) = booked_event(&service.client).await;
    let sql = service.database.sql().await;
    reconcile(&service, &["--check"]).await.expect_code(0);
    sql.run(&format!(
        "UPDATE events SET seats_available = 9 WHERE id = {event_id};
         DELETE FROM event_sales WHERE event_id = {event_id};
         UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + 5 WHERE slot = 0"
    ))
    .await;
    let seats = format!("SELECT seats_available FROM events WHERE id = {event_id}");
    let sentence = format!("event {event_id} is said to have 9 seats left, by its bookings 7");
    for _ in 0..2 {
        let checked = reconcile(&service, &["--check"]).await.expect_code(3);
        assert!(
            checked
                .stdout
                .contains(&format!("{sentence}: not repaired")),
            "{checked}"
        );
        assert!(
            checked.stdout.contains("0 repaired, 3 standing"),
            "{checked}"
        );
        assert_eq!(sql.number(&seats).await, 9);
    }
    let checked = reconcile(&service, &["--check", "--format", "json"]).await;
    let lines = json_lines(&checked);
    assert_eq!(lines[0]["difference"], "seats_available", "{checked}");
    assert_eq!(lines[0]["event_id"], event_id, "{checked}");
    assert_eq!(
        (&lines[0]["kept"], &lines[0]["due"]),
        (&9.into(), &7.into())
    );
    assert_eq!(lines[0]["repaired"], false);
    let summary = lines.iter().find(|line| line["compared"] == "figures");
    assert_eq!(summary.expect("a summary")["standing"], 3, "{checked}");

    let repaired = reconcile(&service, &[]).await.expect_code(0);
    assert!(
        repaired.stdout.contains(&format!("{sentence}{REPAIRED}")),
        "{repaired}"
    );
    assert_eq!(sql.number(&seats).await, 7);
    let report = service.client.get("/admin/analytics").admin().await.json();
    assert_eq!(report["total_confirmed_bookings"], 1);
    service.database.assert_seats_add_up(event_id).await;
    service.redis().assert_tokens(event_id, 7).await;
    for arguments in [&["--check"][..], &[]] {
        let again = reconcile(&service, arguments).await.expect_code(0);
        assert!(again.stdout.contains("0 differences"), "{again}");
    }
}

#[tokio::test]
async fn a_gate_that_is_wrong_is_told_and_left_as_it_is_by_a_check() {
    let service = Service::start_without_reconciliation().await;
    let (_, event_id) = booked_event(&service.client).await;
    let _: String = service
        .redis()
        .ask(&["SET", &format!("event:{event_id}:tokens"), "2"])
        .await;
    let checked = reconcile(&service, &["--check"]).await.expect_code(3);
    let sentence = format!("the gate of event {event_id} is wrong");
    assert!(checked.stdout.contains(&sentence), "{checked}");
    service.redis().assert_tokens(event_id, 2).await;
    reconcile(&service, &[]).await.expect_code(0);
    service.redis().assert_tokens(event_id, 7).await;
}

#[tokio::test]
async fn what_only_people_can_decide_is_told_and_sells_nothing_more() {
    let service = Service::start_without_reconciliation().await;
    let (user_id, event_id) = booked_event(&service.client).await;
    let sql = service.database.sql().await;
    sql.run(&format!(
        "INSERT INTO bookings (user_id, event_id, seats) VALUES ({user_id}, {event_id}, 9);
         INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
         VALUES ({user_id}, 'the text of a client', 777, {event_id}, 1)"
    ))
    .await;
    for _ in 0..2 {
        let told = reconcile(&service, &[]).await.expect_code(3);
        for sentence in [
            format!("event {event_id} is oversold: 12 seats of 10: not repaired"),
            format!("key of user {user_id} stands for booking 777, which does not exist"),
        ] {
            assert!(told.stdout.contains(&sentence), "{told}");
        }
        assert!(!told.stdout.contains("the text of a client"), "{told}");
        assert_eq!(service.client.seats_available(event_id).await, 0);
        let refused = service.client.book(user_id, event_id, 1).await;
        refused.problem(409, "not_enough_seats");
    }
}

#[tokio::test]
async fn the_embedded_store_is_reconciled_when_no_server_has_it() {
    let database = TestDatabase::embedded();
    let reconcile = async |arguments: &[&str]| {
        let arguments = [&["reconcile"], arguments].concat();
        let program = Program::new(&arguments).env("DATABASE_URL", database.url());
        program.run().await
    };
    let sentence = reconcile(&["--check"]).await.expect_failure();
    assert!(sentence.contains("there is no database"), "{sentence}");

    let builder = TestServer::builder(database.url()).without("REDIS_URL");
    let mut server = builder.start().await;
    let (_, event_id) = booked_event(&server.client()).await;
    let sentence = reconcile(&[]).await.expect_failure();
    assert!(sentence.contains("in use by another server"), "{sentence}");
    server.terminate().await;

    reconcile(&["--check"]).await.expect_code(0);
    let sql = database.sql().await;
    sql.run(&format!(
        "UPDATE events SET seats_available = 10 WHERE id = {event_id}"
    ))
    .await;
    drop(sql);
    for (arguments, code) in [(&["--check"][..], 3), (&[], 0), (&["--check"], 0)] {
        let finished = reconcile(arguments).await.expect_code(code);
        assert!(finished.stdout.contains("figures: 2 events"), "{finished}");
    }
    database.assert_seats_add_up(event_id).await;
}

/// Compares much more often than anybody has to.
fn eager(builder: ServiceBuilder) -> ServiceBuilder {
    builder.setting("reconciliation.interval", "20ms")
}

fn lines_with<'l>(logs: &'l [String], text: &str) -> Vec<&'l str> {
    let lines = logs.iter().flat_map(|log| log.lines());
    lines.filter(|line| line.contains(text)).collect()
}

/// Books, and cancels every other booking, until it is told to stop.
async fn sell(
    client: Client,
    user_id: i64,
    events: Vec<i64>,
    sold: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let answer = client
            .book(user_id, events[turn % events.len()], 1)
            .header("Idempotency-Key", format!("{user_id} {turn}"))
            .await;
        assert!([201, 409].contains(&answer.status), "{answer}");
        if answer.status == 201 {
            sold.fetch_add(1, Ordering::SeqCst);
            if turn % 2 == 0 {
                client.cancel(answer.id("booking_id")).await.expect(200);
            }
        }
    }
}

#[tokio::test]
async fn two_servers_that_sell_find_each_difference_once_and_none_that_is_none() {
    let service = eager(Service::builder().await).start().await;
    let other = TestServer::builder(service.database.url())
        .redis(service.redis().url())
        .setting("reconciliation.interval", "20ms")
        .start()
        .await;
    let clients = [service.client.clone(), other.client()];
    let (hot, warm) = (
        clients[0].publish(50_000).await,
        clients[0].publish(50_000).await,
    );
    let (sold, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let mut sellers = Vec::new();
    for number in 0..6 {
        let client = clients[number % 2].clone();
        let user_id = client.register(&format!("s{number}@example.com")).await;
        sellers.push(tokio::spawn(sell(
            client,
            user_id,
            vec![hot, warm],
            sold.clone(),
            stop.clone(),
        )));
    }
    let sells_on = async |count: usize| {
        let before = sold.load(Ordering::SeqCst);
        eventually("bookings go on", async || {
            sold.load(Ordering::SeqCst) >= before + count
        })
        .await;
    };
    let logs = || [service.server.log(), other.log()];
    sells_on(300).await;
    assert_eq!(lines_with(&logs(), REPAIRED), [""; 0]);
    assert_eq!(lines_with(&logs(), STANDING), [""; 0]);

    let sql = service.database.sql().await;
    sql.run(&format!(
        "UPDATE events SET seats_available = seats_available - 7 WHERE id = {hot};
         UPDATE event_sales SET confirmed_bookings = confirmed_bookings + 9 WHERE event_id = {warm}"
    ))
    .await;
    let told = [
        format!("event {hot} is said to have"),
        format!("event {warm} has"),
    ];
    for sentence in &told {
        eventually("it is found", async || {
            !lines_with(&logs(), sentence).is_empty()
        })
        .await;
    }
    sells_on(100).await;
    stop.store(true, Ordering::SeqCst);
    for seller in sellers {
        seller.await.expect("no seller panics");
    }
    for sentence in &told {
        assert_eq!(lines_with(&logs(), sentence).len(), 1, "{sentence}");
    }
    assert_eq!(lines_with(&logs(), STANDING), [""; 0]);
    for event_id in [hot, warm] {
        service.database.assert_seats_add_up(event_id).await;
    }
    eventually("the gate agrees too", async || {
        let checked = reconcile(&service, &["--check"]).await;
        checked.stdout.contains(", 0 differences") && checked.stdout.contains(", 0 wrong")
    })
    .await;
}

#[tokio::test]
async fn what_stays_is_logged_once() {
    let service = eager(Service::builder().await).start().await;
    let (user_id, event_id) = booked_event(&service.client).await;
    let sql = service.database.sql().await;
    sql.run(&format!(
        "INSERT INTO bookings (user_id, event_id, seats) VALUES ({user_id}, {event_id}, 9)"
    ))
    .await;
    let logs = || [service.server.log()];
    let oversold = format!("event {event_id} is oversold: 12 seats of 10{STANDING}");
    eventually("it is logged", async || {
        !lines_with(&logs(), &oversold).is_empty()
    })
    .await;
    // Other events are found wrong in later turns, which look at this one too.
    for _ in 0..3 {
        let (_, other) = booked_event(&service.client).await;
        sql.run(&format!("DELETE FROM event_sales WHERE event_id = {other}"))
            .await;
        eventually("it is repaired", async || {
            !lines_with(&logs(), &format!("event {other} has none")).is_empty()
        })
        .await;
    }
    assert_eq!(lines_with(&logs(), &oversold).len(), 1);
    assert_eq!(service.client.seats_available(event_id).await, 0);
}

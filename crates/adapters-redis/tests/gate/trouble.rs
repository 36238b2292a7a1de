//! Redis is away, silent, broken, crowded, or the URL is wrong.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_redis::{ConnectError, GateSettings, RedisSeatGate};
use domain::ports::{GateAnswer, GateGeneration, Probe, SeatGate};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::support::{
    BUCKET, Bench, EVENT, LEASED_SEATS, LEASES, Logs, Mode, Proxy, all, empty_database, event,
    ordinary, patient, reservation, seats, seats_left,
};

const TIMEOUT: Duration = Duration::from_millis(400);

/// What a busy machine may add to a timeout before a test doubts it.
const GRACE: Duration = Duration::from_secs(3);

/// Times out soon and then leaves Redis alone for longer than a test takes.
fn wary() -> GateSettings {
    GateSettings {
        response_timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        cool_down: Duration::from_secs(600),
        ..ordinary()
    }
}

fn wary_but_patient() -> GateSettings {
    GateSettings {
        cool_down: wary().cool_down,
        ..patient()
    }
}

/// Opens [`EVENT`] without any trouble.
async fn open_directly(url: &str) {
    gate(url, patient()).open(seats_left(5)).await;
}

fn gate(url: &str, settings: GateSettings) -> RedisSeatGate {
    RedisSeatGate::try_new(url, settings).expect("a good url")
}

async fn take(gate: &RedisSeatGate, bits: u128) -> GateAnswer {
    gate.take(event(EVENT), reservation(bits), seats(1)).await
}

/// Calls everything that must not wait for a Redis that is known to be lost.
async fn call_everything(gate: &RedisSeatGate) {
    assert_eq!(take(gate, 1).await, GateAnswer::Unknown);
    gate.settle(event(EVENT), reservation(1)).await;
    gate.release(event(EVENT), reservation(1)).await;
    gate.adjust(event(EVENT), 1).await;
    gate.open(seats_left(5)).await;
    gate.close(event(EVENT)).await;
    gate.check().await.expect_err("redis is away");
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        write!(text, "; {error}").expect("a string takes everything");
        next = error.source();
    }
    text
}

#[tokio::test]
async fn without_redis_everybody_is_sent_to_the_store() {
    // Bound but not listening: nobody else gets the port, and it is closed.
    let port = TcpSocket::new_v4().expect("a socket");
    port.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let url = format!("redis://{}/0", port.local_addr().expect("it is bound"));
    let logs = Logs::listen();
    let gate = gate(&url, wary());
    let start = Instant::now();
    call_everything(&gate).await;
    for _ in 0..50 {
        call_everything(&gate).await;
    }
    assert!(start.elapsed() < TIMEOUT + GRACE, "{:?}", start.elapsed());
    let event_ids = [event(EVENT)];
    gate.read(&event_ids).await.expect_err("redis is away");
    gate.rebuild(seats_left(5), GateGeneration(0))
        .await
        .expect_err("redis is away");
    assert_eq!((logs.count("WARN"), logs.count("ERROR")), (1, 0));
}

#[tokio::test]
async fn a_redis_that_never_answers_holds_nobody_up_for_long() {
    let proxy = Proxy::before(&empty_database().await, Mode::Silent).await;
    let gate = gate(&proxy.url, wary());
    let start = Instant::now();
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
    let first = start.elapsed();
    assert!(first < TIMEOUT + GRACE, "{first:?}");
    for _ in 0..50 {
        call_everything(&gate).await;
    }
    let others = start.elapsed() - first;
    assert!(others < TIMEOUT, "350 calls waited {others:?}");
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn connecting_is_not_waited_for_as_long_as_an_answer() {
    let proxy = Proxy::before(&empty_database().await, Mode::Silent).await;
    let settings = GateSettings {
        response_timeout: Duration::from_secs(60),
        ..wary()
    };
    let gate = gate(&proxy.url, settings);
    let start = Instant::now();
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
    assert!(start.elapsed() < TIMEOUT + GRACE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_answer_is_not_waited_for_as_long_as_a_connection() {
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let settings = GateSettings {
        connect_timeout: Duration::from_secs(60),
        ..wary()
    };
    let gate = gate(&proxy.url, settings);
    gate.check().await.expect("redis is there");
    proxy.set(Mode::Silent);
    let start = Instant::now();
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
    assert!(start.elapsed() < TIMEOUT + GRACE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn no_connection_to_a_redis_that_fell_silent_is_kept() {
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let gate = gate(&proxy.url, wary());
    let checks = tokio::join!(gate.check(), gate.check(), gate.check());
    assert!(matches!(checks, (Ok(()), Ok(()), Ok(()))), "{checks:?}");
    assert_eq!(proxy.connections_open(), 3);
    proxy.set(Mode::Silent);
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
    proxy.set(Mode::Forward);
    let all_closed = async {
        while proxy.connections_open() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let closed = tokio::time::timeout(GRACE, all_closed).await;
    assert!(closed.is_ok(), "{} are kept", proxy.connections_open());
}

#[tokio::test]
async fn who_queues_for_a_silent_redis_is_let_go_when_the_first_gives_up() {
    let proxy = Proxy::before(&empty_database().await, Mode::Silent).await;
    let settings = GateSettings {
        pool_size: 2,
        // Nobody leaves the queue because of its own limit.
        response_timeout: Duration::from_secs(3),
        connect_timeout: Duration::from_millis(500),
        ..wary()
    };
    let gate = Arc::new(gate(&proxy.url, settings));
    let mut takers = JoinSet::new();
    for bits in 0..100 {
        let gate = Arc::clone(&gate);
        takers.spawn(async move { take(&gate, bits).await });
    }
    let answers = takers.join_all().await;
    assert!(answers.iter().all(|answer| *answer == GateAnswer::Unknown));
    assert!(proxy.connections() <= 2, "{}", proxy.connections());
}

#[tokio::test]
async fn a_crowd_does_not_make_redis_look_lost() {
    let proxy = Proxy::before(&empty_database().await, Mode::Silent).await;
    let settings = GateSettings {
        pool_size: 1,
        response_timeout: TIMEOUT,
        connect_timeout: Duration::from_secs(60),
        ..wary()
    };
    let logs = Logs::listen();
    let gate = gate(&proxy.url, settings);
    let (first, second) = tokio::join!(gate.check(), async {
        let answer = gate.check().await;
        proxy.set(Mode::Forward);
        answer
    });
    second.expect_err("no connection was free");
    first.expect("the one connection was made");
    gate.check().await.expect("redis is there");
    assert_eq!(logs.count("WARN"), 0, "{}", logs.text());
}

#[tokio::test]
async fn whoever_looks_does_not_keep_a_connection_from_a_batch() {
    let url = empty_database().await;
    let proxy = Proxy::before(&url, Mode::Forward).await;
    let settings = GateSettings {
        pool_size: 1,
        ..patient()
    };
    let gate = gate(&proxy.url, settings);
    open_directly(&url).await;
    gate.check().await.expect("redis is there");
    proxy.set(Mode::Silent);
    let (checked, taken) = tokio::join!(gate.check(), async {
        // The check has the one connection and waits for its answer.
        tokio::task::yield_now().await;
        let (taken, ()) = tokio::join!(take(&gate, 1), async {
            while proxy.connections() < 2 {
                tokio::task::yield_now().await;
            }
            proxy.set(Mode::Forward);
        });
        taken
    });
    checked.expect("redis is there");
    assert_eq!(taken, GateAnswer::Granted);
}

#[tokio::test]
async fn what_waited_too_long_for_its_turn_is_not_done_any_more() {
    let url = empty_database().await;
    let proxy = Proxy::before(&url, Mode::Silent).await;
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        connect_timeout: Duration::from_secs(60),
        ..wary()
    };
    let logs = Logs::listen();
    let gate = gate(&proxy.url, settings);
    open_directly(&url).await;
    let (first, second, ()) = tokio::join!(
        take(&gate, 1),
        async {
            // Not in the same batch.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            take(&gate, 2).await
        },
        async {
            let start = Instant::now();
            while start.elapsed() < 2 * TIMEOUT {
                tokio::task::yield_now().await;
            }
            proxy.set(Mode::Forward);
        }
    );
    assert_eq!(first, GateAnswer::Granted, "its connection was made");
    assert_eq!(second, GateAnswer::Unknown, "it waited for too long");
    assert_eq!(take(&gate, 3).await, GateAnswer::Granted);
    let readings = all(gate.read(&[event(EVENT)]).await.expect("redis is there"));
    assert_eq!((readings[0].tokens, readings[0].leases), (Some(3), 2));
    assert_eq!(logs.count("WARN"), 0, "{}", logs.text());
}

#[tokio::test]
async fn the_return_of_redis_is_noticed_after_the_cool_down() {
    let url = empty_database().await;
    let proxy = Proxy::before(&url, Mode::Broken).await;
    let settings = GateSettings {
        cool_down: Duration::from_millis(20),
        ..patient()
    };
    let logs = Logs::listen();
    let gate = gate(&proxy.url, settings);
    open_directly(&url).await;
    while proxy.connections() < 3 {
        assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
        tokio::task::yield_now().await;
    }
    assert_eq!((logs.count("WARN"), logs.count("INFO")), (1, 0));
    proxy.set(Mode::Forward);
    while take(&gate, 1).await != GateAnswer::Granted {
        tokio::task::yield_now().await;
    }
    assert_eq!(take(&gate, 2).await, GateAnswer::Granted);
    assert_eq!((logs.count("WARN"), logs.count("INFO")), (1, 1));
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced_before_anybody_notices() {
    let url = empty_database().await;
    let proxy = Proxy::before(&url, Mode::Forward).await;
    let gate = gate(&proxy.url, patient());
    gate.open(seats_left(5)).await;
    proxy.set(Mode::Broken);
    while proxy.connections_open() > 0 {
        tokio::task::yield_now().await;
    }
    proxy.set(Mode::Forward);
    // What was used a moment ago is taken to be there.
    let unused_since = Instant::now();
    while unused_since.elapsed() < Duration::from_millis(100) {
        tokio::task::yield_now().await;
    }
    assert_eq!(take(&gate, 1).await, GateAnswer::Granted);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn reading_tries_redis_during_the_cool_down_and_brings_everybody_back() {
    let url = empty_database().await;
    let proxy = Proxy::before(&url, Mode::Broken).await;
    let logs = Logs::listen();
    let gate = gate(&proxy.url, wary_but_patient());
    open_directly(&url).await;
    let event_ids = [event(EVENT)];
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
    let error = gate.read(&event_ids).await.expect_err("redis is away");
    assert!(chain(&error).contains("the seat gate did not answer"));
    assert_eq!(proxy.connections(), 2);

    proxy.set(Mode::Forward);
    assert_eq!(take(&gate, 1).await, GateAnswer::Unknown, "cooling down");
    assert_eq!(proxy.connections(), 2);
    let readings = all(gate.read(&event_ids).await.expect("redis is back"));
    assert_eq!(readings[0].tokens, Some(5));
    assert_eq!(take(&gate, 1).await, GateAnswer::Granted);
    assert_eq!((logs.count("WARN"), logs.count("INFO")), (1, 1));
}

#[tokio::test]
async fn a_command_that_redis_refuses_does_not_make_it_look_lost() {
    let bench = Bench::with(wary_but_patient()).await;
    bench.gate.open(seats_left(5)).await;
    let logs = Logs::listen();
    for (damaged, kind) in [(LEASES, "HSET"), (LEASED_SEATS, "ZADD")] {
        let _: i64 = bench.redis(&["DEL", damaged]).await;
        let _: i64 = bench.redis(&[kind, damaged, "1", "x"]).await;
        assert_eq!(take(&bench.gate, 1).await, GateAnswer::Unknown);
        bench.settle(reservation(1)).await;
        bench.release(reservation(1)).await;
        bench.gate.check().await.expect("nobody goes around redis");
        assert_eq!(bench.redis::<String>(&["GET", BUCKET]).await, "5");
        bench.read().await;
        assert_eq!(take(&bench.gate, 1).await, GateAnswer::Granted);
        bench.release(reservation(1)).await;
    }
    // Whatever the reason why Redis refuses: here it is not allowed.
    let () = bench
        .redis(&[
            "ACL", "SETUSER", "reader", "on", ">s3cret", "+@all", "~*", "-evalsha", "-eval",
        ])
        .await;
    let place = bench.url.trim_start_matches("redis://");
    let reader = gate(
        &format!("redis://reader:s3cret@{place}"),
        wary_but_patient(),
    );
    for _ in 0..3 {
        assert_eq!(take(&reader, 1).await, GateAnswer::Unknown);
        reader.check().await.expect("nobody goes around redis");
    }
    assert_eq!(logs.count("WARN"), 0, "{}", logs.text());
    reader.read(&[event(EVENT)]).await.expect_err("refused");
    assert_eq!(logs.count("WARN"), 1, "{}", logs.text());
}

#[tokio::test]
async fn a_password_is_in_no_message() {
    const SECRET: &str = "s3cret";
    let database = empty_database().await;
    let place = database.trim_start_matches("redis://");
    let logs = Logs::listen();
    for user in ["", "nobody"] {
        let gate = gate(&format!("redis://{user}:{SECRET}@{place}"), patient());
        let mut said = format!("{gate:?}");
        let error = gate.check().await.expect_err("a wrong password");
        said += &chain(&error);
        let error = gate.read(&[event(EVENT)]).await.expect_err("the same");
        said += &chain(&error);
        assert_eq!(take(&gate, 1).await, GateAnswer::Unknown);
        assert!(!said.contains(SECRET), "{said}");
        assert!(said.contains(place), "says where: {said}");
    }
    let logs = logs.text();
    assert!(logs.contains("WARN") && logs.contains(place), "{logs}");
    assert!(!logs.contains(SECRET), "{logs}");
}

#[test]
fn a_url_that_is_not_one_of_redis_is_refused_without_being_quoted() {
    for (url, expected) in [
        ("", ConnectError::Url),
        ("s3cret", ConnectError::Url),
        ("http://:s3cret@localhost/", ConnectError::Url),
        ("redis://:s3cret@", ConnectError::Url),
        ("redis://:s3cret@localhost:notaport/", ConnectError::Url),
        ("redis://localhost/s3cret", ConnectError::Url),
        ("redis://localhost/?protocol=s3cret", ConnectError::Url),
        (
            "rediss://:s3cret@localhost/#insecure",
            ConnectError::Unverified,
        ),
    ] {
        let error = RedisSeatGate::try_new(url, ordinary()).expect_err(url);
        assert_eq!(error, expected, "{url}");
        assert!(!chain(&error).contains("s3cret"), "{url}");
    }
}

#[test]
fn a_gate_is_made_without_redis_and_without_a_runtime() {
    gate("redis://user:s3cret@localhost:1/7", ordinary());
}

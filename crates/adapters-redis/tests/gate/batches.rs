//! Commands that wait for Redis go together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisSeatGate};
use domain::ports::{GateAnswer, SeatGate};
use tokio::task::{JoinHandle, JoinSet, yield_now};

use crate::support::{
    Bench, EVENT, Logs, Mode, Proxy, all, event, ordinary, patient, reservation, seats, seats_left,
};

/// An event whose gate nothing is asked of.
const NOBODYS: i64 = 9;

/// What a busy machine may add to a timeout before a test doubts it.
const GRACE: Duration = Duration::from_secs(3);

/// A gate behind a proxy which holds back the answer to a first batch, so that
/// everything asked meanwhile goes in the next one. For a current-thread
/// runtime, on which tasks begin in the order in which they were spawned.
struct Held {
    bench: Bench,
    proxy: Proxy,
    gate: Arc<RedisSeatGate>,
}

impl Held {
    async fn new() -> Self {
        let bench = Bench::new().await;
        bench.gate.open(seats_left(10)).await;
        let proxy = Proxy::before(&bench.url, Mode::Forward).await;
        let gate = RedisSeatGate::try_new(&proxy.url, patient()).expect("a good url");
        let held = Self {
            bench,
            proxy,
            gate: Arc::new(gate),
        };
        // Makes the connection, and lets Redis know the script.
        held.ask(|gate| async move {
            gate.adjust(event(NOBODYS), 1).await;
        })
        .await
        .expect("no panic");
        held.proxy.set(Mode::Silent);
        held.ask(|gate| async move {
            gate.adjust(event(NOBODYS), 1).await;
        });
        all_have_begun().await;
        held
    }

    fn ask<T, F>(&self, question: impl FnOnce(Arc<RedisSeatGate>) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        tokio::spawn(question(Arc::clone(&self.gate)))
    }

    fn take(&self, id: i64, bits: u128, count: i64) -> JoinHandle<GateAnswer> {
        self.ask(
            move |gate| async move { gate.take(event(id), reservation(bits), seats(count)).await },
        )
    }

    /// Lets everything pass, once it waits.
    async fn let_go(&self) {
        all_have_begun().await;
        self.proxy.set(Mode::Forward);
    }
}

/// Lets the other tasks go on until they wait.
async fn all_have_begun() {
    for _ in 0..20 {
        yield_now().await;
    }
}

async fn answers(takes: Vec<JoinHandle<GateAnswer>>) -> Vec<GateAnswer> {
    let mut answers = Vec::new();
    for take in takes {
        answers.push(take.await.expect("no panic"));
    }
    answers
}

const fn refused(tokens_left: i64) -> GateAnswer {
    GateAnswer::Refused { tokens_left }
}

#[tokio::test]
async fn takes_that_wait_get_exactly_the_tokens_in_one_round_trip() {
    let held = Held::new().await;
    let before = held.proxy.turns();
    let takes = (0..600).map(|bits| held.take(EVENT, bits, 1)).collect();
    held.let_go().await;
    let answers = answers(takes).await;
    assert!(answers[..10].iter().all(|got| *got == GateAnswer::Granted));
    assert!(answers[10..].iter().all(|got| *got == refused(0)));
    // One for what was held back, one for the takes.
    let turns = held.proxy.turns() - before;
    assert!((1..=3).contains(&turns), "{turns} round trips");
    assert_eq!(held.bench.standing().await, (Some(0), 10));
}

#[tokio::test]
async fn in_a_batch_each_take_has_its_turn() {
    let held = Held::new().await;
    let takes = [
        (1, 4),
        (2, 7),
        (3, 3),
        (1, 4),
        (4, 4),
        (5, 3),
        (6, 1),
        (3, 9),
    ]
    .map(|(bits, count)| held.take(EVENT, bits, count));
    held.let_go().await;
    assert_eq!(
        answers(takes.into()).await,
        [
            GateAnswer::Granted,
            refused(6),
            GateAnswer::Granted,
            GateAnswer::Granted,
            refused(3),
            GateAnswer::Granted,
            refused(0),
            GateAnswer::Granted,
        ]
    );
    assert_eq!(held.bench.standing().await, (Some(0), 3));
}

#[tokio::test]
async fn in_a_batch_everything_happens_in_its_order() {
    let held = Held::new().await;
    held.bench.take(reservation(1), 10).await;
    let (taken_first, _) = (
        held.take(EVENT, 2, 1),
        held.ask(|gate| async move { gate.release(event(EVENT), reservation(1)).await }),
    );
    let taken_after = held.take(EVENT, 2, 8);
    held.ask(|gate| async move { gate.settle(event(EVENT), reservation(2)).await });
    // A reservation of its own again, and too many.
    let taken_anew = held.take(EVENT, 2, 8);
    held.ask(|gate| async move { gate.adjust(event(EVENT), 7).await });
    let taken_of_adjusted = held.take(EVENT, 2, 8);
    held.ask(|gate| async move { gate.close(event(EVENT)).await });
    let taken_of_none = held.take(EVENT, 2, 1);
    let opened_late = held.ask(|gate| async move { gate.open(seats_left(10)).await });
    let taken_of_closed = held.take(EVENT, 2, 1);
    held.let_go().await;
    assert_eq!(taken_first.await.expect("no panic"), refused(0));
    assert_eq!(taken_after.await.expect("no panic"), GateAnswer::Granted);
    assert_eq!(taken_anew.await.expect("no panic"), refused(2));
    let adjusted = taken_of_adjusted.await.expect("no panic");
    assert_eq!(adjusted, GateAnswer::Granted);
    assert_eq!(taken_of_none.await.expect("no panic"), GateAnswer::Unknown);
    opened_late.await.expect("no panic");
    let closed = taken_of_closed.await.expect("no panic");
    assert_eq!(closed, GateAnswer::Unknown);
    assert_eq!(held.bench.standing().await, (None, 0));
}

#[tokio::test]
async fn an_event_opened_and_adjusted_in_one_batch_counts_both_ways() {
    let held = Held::new().await;
    let (opened, adjusted) = (2, 3);
    for (id, opened_first) in [(opened, true), (adjusted, false)] {
        let open = move |gate: Arc<RedisSeatGate>| async move {
            let event = domain::model::EventSeats {
                event_id: event(id),
                ..seats_left(5)
            };
            gate.open(event).await;
        };
        let adjust = move |gate: Arc<RedisSeatGate>| async move { gate.adjust(event(id), 2).await };
        if opened_first {
            held.ask(open);
            held.ask(adjust);
        } else {
            held.ask(adjust);
            held.ask(open);
        }
    }
    held.let_go().await;
    let readings = held.gate.read(&[event(opened), event(adjusted)]).await;
    let readings = all(readings.expect("redis answers"));
    // Something had happened to the other one before it was opened.
    assert_eq!(readings[0].tokens, Some(7));
    assert_eq!(readings[1].tokens, None);
}

#[tokio::test]
async fn a_damaged_event_spoils_no_other_in_its_batch() {
    let held = Held::new().await;
    let damaged = [2, 3, 4];
    for (id, part) in damaged
        .into_iter()
        .zip(["tokens", "leases", "leased_seats"])
    {
        let tokens = format!("event:{id}:tokens");
        let () = held.bench.redis(&["SET", &tokens, "5"]).await;
        let key = match part {
            "tokens" => tokens,
            part => format!("{{{tokens}}}:{part}"),
        };
        let _: i64 = held.bench.redis(&["DEL", &key]).await;
        let _: i64 = held.bench.redis(&["LPUSH", &key, "x"]).await;
    }
    let before = held.take(EVENT, 1, 1);
    let lost = damaged.map(|id| held.take(id, 2, 1)).into();
    for id in damaged {
        held.ask(move |gate| async move {
            gate.settle(event(id), reservation(2)).await;
            gate.release(event(id), reservation(2)).await;
        });
    }
    let after = held.take(EVENT, 3, 2);
    held.let_go().await;
    assert_eq!(before.await.expect("no panic"), GateAnswer::Granted);
    assert_eq!(answers(lost).await, [GateAnswer::Unknown; 3]);
    assert_eq!(after.await.expect("no panic"), GateAnswer::Granted);
    assert_eq!(held.bench.standing().await, (Some(7), 2));
}

#[tokio::test]
async fn an_event_that_redis_refuses_spoils_no_other_in_its_batch() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(10)).await;
    // Another way to fail than `batch.lua` knows: the call as a whole is
    // refused.
    let () = bench
        .redis(&[
            "ACL",
            "SETUSER",
            "one-event",
            "on",
            ">s3cret",
            "+@all",
            "~event:1:*",
            "~{event:1:*",
        ])
        .await;
    let place = bench.url.trim_start_matches("redis://");
    let url = format!("redis://one-event:s3cret@{place}");
    let gate = RedisSeatGate::try_new(&url, patient()).expect("a good url");
    let (event_id, other_id) = (event(EVENT), event(2));
    for bits in 0..3 {
        let (granted, lost) = tokio::join!(
            gate.take(event_id, reservation(bits), seats(1)),
            gate.take(other_id, reservation(bits), seats(1)),
        );
        assert_eq!((granted, lost), (GateAnswer::Granted, GateAnswer::Unknown));
    }
}

#[tokio::test]
async fn a_script_that_is_forgotten_loses_and_doubles_no_adjustment() {
    let held = Held::new().await;
    let () = held.bench.redis(&["SCRIPT", "FLUSH"]).await;
    let adjustments: Vec<_> = (0..30)
        .map(|_| held.ask(|gate| async move { gate.adjust(event(EVENT), 2).await }))
        .collect();
    let taken = held.take(EVENT, 1, 70);
    held.let_go().await;
    for adjustment in adjustments {
        adjustment.await.expect("no panic");
    }
    assert_eq!(taken.await.expect("no panic"), GateAnswer::Granted);
    assert_eq!(held.bench.standing().await, (Some(0), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_forgotten_at_any_moment_loses_and_doubles_no_adjustment() {
    // Too many for Redis to read what is asked of all of them at once.
    const EVENTS: i64 = 400;
    let bench = Arc::new(Bench::new().await);
    for id in 1..=EVENTS {
        let () = bench
            .redis(&["SET", &format!("event:{id}:tokens"), "0"])
            .await;
    }
    let forgetting = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move {
            loop {
                let () = bench.redis(&["SCRIPT", "FLUSH"]).await;
            }
        }
    });
    let mut adjusting = JoinSet::new();
    for id in 1..=EVENTS {
        let bench = Arc::clone(&bench);
        adjusting.spawn(async move {
            for _ in 0..10 {
                bench.gate.adjust(event(id), 1).await;
            }
        });
    }
    adjusting.join_all().await;
    forgetting.abort();
    let event_ids: Vec<_> = (1..=EVENTS).map(event).collect();
    let readings = all(bench.gate.read(&event_ids).await.expect("redis answers"));
    let wrong: Vec<_> = readings
        .iter()
        .filter(|reading| reading.tokens != Some(10))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn what_was_asked_for_happens_although_nobody_waits_for_it() {
    let held = Held::new().await;
    let take = held.take(EVENT, 1, 3);
    let adjust = held.ask(|gate| async move { gate.adjust(event(EVENT), 5).await });
    let taken_after = held.take(EVENT, 2, 1);
    all_have_begun().await;
    take.abort();
    adjust.abort();
    held.let_go().await;
    assert!(take.await.expect_err("aborted").is_cancelled());
    assert_eq!(taken_after.await.expect("no panic"), GateAnswer::Granted);
    assert_eq!(held.bench.standing().await, (Some(11), 2));
}

#[tokio::test]
async fn settling_waits_for_nobody_and_is_seen_by_whoever_looks_next() {
    let held = Held::new().await;
    held.bench.take(reservation(1), 2).await;
    let settled = held.gate.settle(event(EVENT), reservation(1));
    tokio::time::timeout(GRACE, settled)
        .await
        .expect("it does not wait for redis");
    let look = held.ask(|gate| async move { gate.read(&[event(EVENT)]).await });
    all_have_begun().await;
    assert!(!look.is_finished(), "it waits for what was said before");
    held.let_go().await;
    let readings = all(look.await.expect("no panic").expect("redis answers"));
    assert_eq!((readings[0].tokens, readings[0].leases), (Some(8), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_that_wait_for_a_silent_redis_are_let_go_in_time() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let bench = Bench::new().await;
    let proxy = Proxy::before(&bench.url, Mode::Forward).await;
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        cool_down: Duration::from_secs(600),
        ..ordinary()
    };
    let gate = Arc::new(RedisSeatGate::try_new(&proxy.url, settings).expect("a good url"));
    gate.open(seats_left(5)).await;
    proxy.set(Mode::Silent);
    let start = Instant::now();
    let mut callers = JoinSet::new();
    // More than one batch.
    for bits in 0..1_500 {
        let gate = Arc::clone(&gate);
        callers.spawn(async move {
            // Waits on in the queue, for as long as that takes.
            gate.settle(event(EVENT), reservation(bits)).await;
            let answer = gate.take(event(EVENT), reservation(bits), seats(1)).await;
            assert_eq!(answer, GateAnswer::Unknown);
            gate.release(event(EVENT), reservation(bits)).await;
            gate.adjust(event(EVENT), 1).await;
        });
    }
    callers.join_all().await;
    // A second one only if the first had rested for too long to be trusted.
    assert!(proxy.connections() <= 2, "one batch found out for all");
    gate.read(&[event(EVENT)]).await.expect_err("redis is away");
    // Who asked, and who looked.
    let limit = 2 * (TIMEOUT + TIMEOUT) + GRACE;
    assert!(start.elapsed() < limit, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_crowd_beyond_all_bounds_is_turned_away_and_redis_is_not_lost() {
    let held = Held::new().await;
    let logs = Logs::listen();
    for bits in 0..20_000 {
        held.gate.settle(event(NOBODYS), reservation(bits)).await;
    }
    // At once: nothing moves.
    let answer = held.gate.take(event(EVENT), reservation(1), seats(1)).await;
    assert_eq!(answer, GateAnswer::Unknown);
    held.gate
        .read(&[event(EVENT)])
        .await
        .expect_err("what was told before would not be seen");
    held.let_go().await;
    while held.gate.read(&[event(EVENT)]).await.is_err() {
        yield_now().await;
    }
    let taken = held.take(EVENT, 1, 1).await.expect("no panic");
    assert_eq!(taken, GateAnswer::Granted);
    assert_eq!(logs.count("WARN"), 0, "{}", logs.text());
}

#[test]
fn callers_on_runtimes_that_end_share_the_connection_of_the_one_that_stays() {
    let main = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (bench, proxy, gate) = main.block_on(async {
        let bench = Bench::new().await;
        bench.gate.open(seats_left(5)).await;
        let proxy = Proxy::before(&bench.url, Mode::Forward).await;
        let gate = RedisSeatGate::try_new(&proxy.url, patient()).expect("a good url");
        (bench, proxy, Arc::new(gate))
    });
    for bits in 0..3 {
        let gate = Arc::clone(&gate);
        let answer = std::thread::spawn(move || {
            let worker = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            worker.block_on(gate.take(event(EVENT), reservation(bits), seats(1)))
        })
        .join()
        .expect("no panic");
        assert_eq!(answer, GateAnswer::Granted);
    }
    assert_eq!(proxy.connections(), 1);
    assert_eq!(main.block_on(bench.standing()), (Some(2), 3));
}

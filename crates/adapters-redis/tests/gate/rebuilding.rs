//! Reading many gates and rebuilding one, unless something happened between.

use std::time::Duration;

use adapters_redis::{GateSettings, RedisSeatGate};
use domain::model::EventSeats;
use domain::ports::{GateAnswer, GateGeneration, SeatGate};

use crate::support::{
    BUCKET, Bench, DAY_MS, EVENT, GENERATION, LEASES, Mode, Proxy, event, patient, reservation,
    seats_left,
};

impl Bench {
    async fn rebuild(&self, event: EventSeats, generation: GateGeneration) -> bool {
        self.gate
            .rebuild(event, generation)
            .await
            .expect("redis answers")
    }
}

#[tokio::test]
async fn a_missing_or_wrong_bucket_is_rebuilt() {
    for bucket in [None, Some("4"), Some("6"), Some("-1"), Some("abc")] {
        let bench = Bench::new().await;
        if let Some(value) = bucket {
            let () = bench.redis(&["SET", BUCKET, value]).await;
        }
        let before = bench.read().await;
        let event = seats_left(5);
        assert!(bench.rebuild(event, before.generation).await, "{bucket:?}");
        let after = bench.read().await;
        assert_eq!((after.tokens, after.leases), (Some(5), 0));
        assert_ne!(after.generation, before.generation);
        let leaves_at: i64 = bench.redis(&["PEXPIRETIME", BUCKET]).await;
        assert_eq!(leaves_at, event.start_at.timestamp_millis() + DAY_MS);
        assert_eq!(bench.take(reservation(1), 5).await, GateAnswer::Granted);
    }
}

#[tokio::test]
async fn a_gate_that_changed_since_it_was_read_is_not_rebuilt() {
    for change in ["settled", "released", "adjusted", "closed", "opened"] {
        let bench = Bench::new().await;
        if change != "opened" {
            bench.gate.open(seats_left(5)).await;
        }
        bench.take(reservation(1), 1).await;
        let before = bench.read().await;
        match change {
            "settled" => bench.settle(reservation(1)).await,
            "released" => bench.release(reservation(1)).await,
            "closed" => bench.gate.close(event(EVENT)).await,
            "opened" => bench.gate.open(seats_left(5)).await,
            _ => {
                bench.settle(reservation(1)).await;
                let settled = bench.read().await.generation;
                bench.gate.adjust(event(EVENT), 1).await;
                assert!(!bench.rebuild(seats_left(9), settled).await);
            }
        }
        let changed = bench.read().await;
        assert_eq!(changed.leases, 0);
        assert!(
            !bench.rebuild(seats_left(9), before.generation).await,
            "{change}"
        );
        assert_eq!(bench.read().await, changed, "{change}");
    }
}

#[tokio::test]
async fn a_booking_that_came_and_went_between_is_noticed() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let before = bench.read().await;
    bench.take(reservation(1), 1).await;
    bench.settle(reservation(1)).await;
    assert!(!bench.rebuild(seats_left(5), before.generation).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

#[tokio::test]
async fn an_event_deleted_between_gets_no_gate_although_it_had_none() {
    let bench = Bench::new().await;
    let before = bench.read().await;
    bench.gate.close(event(EVENT)).await;
    assert!(!bench.rebuild(seats_left(5), before.generation).await);
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn a_gate_with_a_lease_out_is_not_rebuilt() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 1).await;
    let reading = bench.read().await;
    assert!(!bench.rebuild(seats_left(9), reading.generation).await);
    assert_eq!(bench.read().await, reading);
    bench.settle(reservation(1)).await;
    let reading = bench.read().await;
    assert!(bench.rebuild(seats_left(9), reading.generation).await);
}

#[tokio::test]
async fn dropping_a_lease_counts_as_a_change() {
    let bench = Bench::with(GateSettings {
        lease_ttl: Duration::from_millis(1),
        ..patient()
    })
    .await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    let taken = GateGeneration(bench.redis(&["GET", GENERATION]).await);
    let runs_out_at: i64 = bench
        .redis(&["ZSCORE", LEASES, &reservation(1).to_string()])
        .await;
    bench.clock_passes(runs_out_at).await;
    // Another process drops it; its seats may have been sold or not.
    bench.read().await;
    assert!(!bench.rebuild(seats_left(5), taken).await);
}

#[tokio::test]
async fn a_rebuild_repeated_after_a_lost_answer_does_nothing() {
    let bench = Bench::new().await;
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(seats_left(5), generation).await);
    bench.take(reservation(1), 1).await;
    bench.settle(reservation(1)).await;
    assert!(!bench.rebuild(seats_left(5), generation).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

#[tokio::test]
async fn a_generation_that_was_lost_never_comes_back_to_a_number_read_before() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let before = bench.read().await.generation;
    // One change made it, so one change after the loss might make it again.
    let _: () = bench.redis(&["FLUSHDB"]).await;
    bench.gate.open(seats_left(5)).await;
    let after = bench.read().await.generation;
    assert!(after.0 > before.0, "{after:?} after {before:?}");
    assert!(!bench.rebuild(seats_left(9), before).await);
}

#[tokio::test]
async fn gates_are_read_in_the_order_of_the_question() {
    let bench = Bench::new().await;
    for id in [1, 2, 3] {
        let event = EventSeats {
            event_id: event(id),
            ..seats_left(id * 10)
        };
        bench.gate.open(event).await;
    }
    let readings = bench
        .gate
        .read(&[event(3), event(9), event(1), event(2), event(3)])
        .await
        .expect("redis answers");
    let tokens: Vec<_> = readings.iter().map(|reading| reading.tokens).collect();
    assert_eq!(tokens, [Some(30), None, Some(10), Some(20), Some(30)]);
    let nothing = bench.gate.read(&[]).await.expect("nothing to ask");
    assert_eq!(nothing, []);
}

#[tokio::test]
async fn many_gates_are_read_in_one_round_trip() {
    let bench = Bench::new().await;
    let proxy = Proxy::before(&bench.url, Mode::Forward).await;
    let gate = RedisSeatGate::try_new(&proxy.url, patient()).expect("a good url");
    let event_ids: Vec<_> = (1..=20).map(event).collect();
    // Connects, and makes sure that Redis knows the script.
    gate.read(&event_ids).await.expect("redis answers");
    let before = proxy.turns();
    let readings = gate.read(&event_ids).await.expect("redis answers");
    assert_eq!(readings.len(), event_ids.len());
    // One for the pool's check of its connection, one for the question, which
    // the sockets may cut in two.
    let turns = proxy.turns() - before;
    assert!((1..=4).contains(&turns), "{turns} round trips");
}

#[tokio::test]
async fn five_hundred_gates_are_read_at_once() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let event_ids: Vec<_> = (1..=500).map(event).collect();
    let readings = bench.gate.read(&event_ids).await.expect("redis answers");
    assert_eq!(readings.len(), 500);
    assert_eq!(readings[0].tokens, Some(5));
}

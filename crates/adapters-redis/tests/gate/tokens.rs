//! Taking tokens and giving them back.

use std::sync::Arc;

use adapters_redis::RedisSeatGate;
use domain::ports::{GateAnswer, Probe, SeatGate};
use tokio::task::JoinSet;

use crate::support::{
    BUCKET, Bench, EVENT, GENERATION, KEEP_MS, LEASED_SEATS, LEASES, event, patient, reservation,
    seats, seats_left,
};

#[tokio::test]
async fn the_bucket_of_an_open_gate_is_a_plain_integer() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    assert_eq!(bench.redis::<String>(&["GET", BUCKET]).await, "5");
    assert_eq!(bench.standing().await, (Some(5), 0));
}

#[tokio::test]
async fn a_gate_that_was_never_opened_is_unknown() {
    let bench = Bench::new().await;
    assert_eq!(bench.take(reservation(1), 1).await, GateAnswer::Unknown);
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn settled_tokens_are_spent() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    assert_eq!(bench.take(reservation(1), 2).await, GateAnswer::Granted);
    assert_eq!(bench.standing().await, (Some(3), 1));
    bench.settle(reservation(1)).await;
    assert_eq!(bench.standing().await, (Some(3), 0));
}

#[tokio::test]
async fn released_tokens_go_back() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    bench.take(reservation(2), 1).await;
    bench.release(reservation(1)).await;
    assert_eq!(bench.standing().await, (Some(4), 1));
}

#[tokio::test]
async fn taking_again_under_the_same_reservation_takes_nothing() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 5).await;
    let before = bench.read().await;
    assert_eq!(bench.take(reservation(1), 5).await, GateAnswer::Granted);
    assert_eq!(bench.read().await, before);
}

#[tokio::test]
async fn a_lease_ends_only_once() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(9)).await;
    for bits in 1..=3 {
        bench.take(reservation(bits), 3).await;
    }
    bench.release(reservation(1)).await;
    bench.settle(reservation(2)).await;
    bench.release(reservation(3)).await;
    let before = bench.read().await;
    assert_eq!((before.tokens, before.leases), (Some(6), 0));

    bench.release(reservation(1)).await;
    bench.settle(reservation(2)).await;
    bench.release(reservation(2)).await;
    bench.settle(reservation(3)).await;
    bench.release(reservation(4)).await;
    assert_eq!(bench.read().await, before);
    let kept: i64 = bench.redis(&["EXISTS", LEASES, LEASED_SEATS]).await;
    assert_eq!(kept, 0, "nothing is left of a lease that ended");
}

#[tokio::test]
async fn a_refusal_leaves_everything_as_it_was() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(2)).await;
    let before = bench.read().await;
    for bits in 1..=5 {
        assert_eq!(
            bench.take(reservation(bits), 3).await,
            GateAnswer::Refused { tokens_left: 2 }
        );
    }
    assert_eq!(bench.read().await, before);
    assert_eq!(bench.take(reservation(6), 2).await, GateAnswer::Granted);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_tokens_go_to_exactly_five_of_two_hundred_takers() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    // Two gates, as two processes would have.
    let gates: Vec<_> = (0..2)
        .map(|_| Arc::new(RedisSeatGate::try_new(&bench.url, patient()).expect("a good url")))
        .collect();
    let mut takers = JoinSet::new();
    for bits in 0..200 {
        let gate = Arc::clone(&gates[bits % gates.len()]);
        takers.spawn(async move {
            gate.take(event(EVENT), reservation(bits as u128), seats(1))
                .await
        });
    }
    let answers = takers.join_all().await;
    let count = |wanted: GateAnswer| answers.iter().filter(|got| **got == wanted).count();
    assert_eq!(count(GateAnswer::Granted), 5);
    assert_eq!(count(GateAnswer::Refused { tokens_left: 0 }), 195);
    assert_eq!(bench.standing().await, (Some(0), 5));
}

#[tokio::test]
async fn an_adjustment_adds_tokens_or_takes_them_away() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.gate.adjust(event(EVENT), 3).await;
    assert_eq!(bench.standing().await, (Some(8), 0));
    bench.gate.adjust(event(EVENT), -10).await;
    assert_eq!(bench.standing().await, (Some(-2), 0));
    assert_eq!(
        bench.take(reservation(1), 1).await,
        GateAnswer::Refused { tokens_left: -2 }
    );
}

#[tokio::test]
async fn an_adjustment_beyond_all_numbers_is_left_out() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.gate.adjust(event(EVENT), i64::MAX).await;
    // Nor does it look as if Redis had failed.
    assert_eq!(bench.take(reservation(1), 1).await, GateAnswer::Granted);
    bench.release(reservation(1)).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

#[tokio::test]
async fn an_adjustment_without_a_bucket_makes_none_but_counts_as_a_change() {
    let bench = Bench::new().await;
    let before = bench.read().await;
    bench.gate.adjust(event(EVENT), 3).await;
    let after = bench.read().await;
    assert_eq!(after.tokens, None);
    assert_ne!(after.generation, before.generation);
}

#[tokio::test]
async fn a_gate_that_stands_open_is_not_opened_again() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    let before = bench.read().await;
    bench.gate.open(seats_left(5)).await;
    assert_eq!(bench.read().await, before);
}

#[tokio::test]
async fn a_gate_leaves_within_minutes_unless_it_is_read() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let left_ms: i64 = bench.redis(&["PTTL", BUCKET]).await;
    assert!((1..=KEEP_MS).contains(&left_ms), "{left_ms}");
    bench.take(reservation(1), 2).await;
    bench.release(reservation(1)).await;
    bench.gate.adjust(event(EVENT), 1).await;
    let left_ms: i64 = bench.redis(&["PTTL", BUCKET]).await;
    assert!((1..=KEEP_MS).contains(&left_ms), "{left_ms}");

    let less_than_half = (KEEP_MS / 2 - 1).to_string();
    let _: i64 = bench.redis(&["PEXPIRE", BUCKET, &less_than_half]).await;
    bench.read().await;
    let left_ms: i64 = bench.redis(&["PTTL", BUCKET]).await;
    assert!(left_ms > KEEP_MS / 2, "{left_ms}");
}

#[tokio::test]
async fn a_gate_that_was_closed_is_not_opened_by_a_late_call() {
    let bench = Bench::new().await;
    for _ in 0..2 {
        bench.gate.close(event(EVENT)).await;
        bench.gate.open(seats_left(5)).await;
        assert_eq!(bench.standing().await, (None, 0));
        assert_eq!(bench.take(reservation(1), 1).await, GateAnswer::Unknown);
    }
}

#[tokio::test]
async fn a_closed_gate_leaves_nothing_but_its_generation() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    let before = bench.read().await;
    for _ in 0..2 {
        bench.gate.close(event(EVENT)).await;
        let keys: i64 = bench.redis(&["EXISTS", BUCKET, LEASES, LEASED_SEATS]).await;
        assert_eq!(keys, 0);
    }
    let after = bench.read().await;
    assert_eq!((after.tokens, after.leases), (None, 0));
    assert!(after.generation.0 > before.generation.0);
    // A booking that was under way ends its lease later.
    bench.release(reservation(1)).await;
    assert_eq!(bench.standing().await, (None, 0));
    assert_eq!(
        bench.redis::<Vec<String>>(&["KEYS", "*"]).await,
        [GENERATION]
    );
}

#[tokio::test]
async fn a_gate_that_is_there_passes_the_check() {
    let bench = Bench::new().await;
    bench.gate.check().await.expect("redis is there");
}

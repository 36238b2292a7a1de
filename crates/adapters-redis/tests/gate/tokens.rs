//! Taking tokens and giving them back.

use std::sync::Arc;

use adapters_redis::RedisSeatGate;
use chrono::{DateTime, Utc};
use domain::ports::{GateAnswer, Probe, SeatGate};
use tokio::task::JoinSet;

use crate::support::{
    BUCKET, Bench, DAY_MS, EVENT, GENERATION, LEASED_SEATS, LEASES, event, patient, reservation,
    seats, seats_left, seats_left_until,
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
async fn a_gate_leaves_a_day_after_its_event_whatever_is_taken_meanwhile() {
    let bench = Bench::new().await;
    let event_of_2100 = seats_left(5);
    bench.gate.open(event_of_2100).await;
    bench.take(reservation(1), 2).await;
    bench.release(reservation(1)).await;
    bench.gate.adjust(event(EVENT), 1).await;
    let leaves_at: i64 = bench.redis(&["PEXPIRETIME", BUCKET]).await;
    assert_eq!(
        leaves_at,
        event_of_2100.start_at.timestamp_millis() + DAY_MS
    );
}

#[tokio::test]
async fn the_gate_of_a_past_event_leaves_a_day_from_now() {
    let bench = Bench::new().await;
    let before = bench.clock_ms().await;
    bench
        .gate
        .open(seats_left_until(5, DateTime::<Utc>::MIN_UTC))
        .await;
    let after = bench.clock_ms().await;
    let leaves_at: i64 = bench.redis(&["PEXPIRETIME", BUCKET]).await;
    assert!(
        (before + DAY_MS..=after + DAY_MS).contains(&leaves_at),
        "{leaves_at}"
    );
}

#[tokio::test]
async fn an_event_at_the_end_of_time_has_a_gate() {
    let bench = Bench::new().await;
    bench
        .gate
        .open(seats_left_until(5, DateTime::<Utc>::MAX_UTC))
        .await;
    assert_eq!(bench.take(reservation(1), 5).await, GateAnswer::Granted);
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

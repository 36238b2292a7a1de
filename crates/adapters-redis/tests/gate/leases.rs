//! Leases that nobody ends.

use std::time::Duration;

use adapters_redis::GateSettings;
use domain::ports::{GateAnswer, SeatGate};

use crate::support::{Bench, DAY_MS, LEASED_SEATS, LEASES, patient, reservation, seats_left};

/// A gate with 5 tokens whose leases run out at once.
async fn hasty_bench() -> Bench {
    let bench = Bench::with(GateSettings {
        lease_ttl: Duration::from_millis(1),
        ..patient()
    })
    .await;
    bench.gate.open(seats_left(5)).await;
    bench
}

/// Takes two tokens and lets the lease run out.
async fn take_and_vanish(bench: &Bench, bits: u128) {
    assert_eq!(bench.take(reservation(bits), 2).await, GateAnswer::Granted);
    let now = bench.clock_ms().await;
    bench.clock_passes(now + 1).await;
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_it_was_set() {
    let settings = patient();
    let bench = Bench::with(settings).await;
    bench.gate.open(seats_left(5)).await;
    let before = bench.clock_ms().await;
    bench.take(reservation(0xabc), 2).await;
    let after = bench.clock_ms().await;
    let name = reservation(0xabc).to_string();
    let runs_out_at: i64 = bench.redis(&["ZSCORE", LEASES, &name]).await;
    let ttl = i64::try_from(settings.lease_ttl.as_millis()).expect("short");
    assert!(
        (before + ttl..=after + ttl).contains(&runs_out_at),
        "{runs_out_at}"
    );
    assert_eq!(bench.standing().await, (Some(3), 1), "still out");
}

#[tokio::test]
async fn reading_drops_leases_that_ran_out_and_keeps_their_tokens() {
    let bench = hasty_bench().await;
    let opened = bench.read().await;
    take_and_vanish(&bench, 1).await;
    let held: i64 = bench.redis(&["ZCARD", LEASES]).await;
    assert_eq!(held, 1, "nothing drops it before");

    let first = bench.read().await;
    assert_eq!((first.tokens, first.leases), (Some(3), 0));
    assert_eq!(first.seats_leased, 0);
    assert_eq!(first.generation, opened.generation, "bookings do not count");
    assert_eq!(bench.read().await, first, "dropped once");
    let kept: i64 = bench.redis(&["EXISTS", LEASES, LEASED_SEATS]).await;
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_lease_that_was_dropped_gives_nothing_back() {
    let bench = hasty_bench().await;
    take_and_vanish(&bench, 1).await;
    let dropped = bench.read().await;
    bench.release(reservation(1)).await;
    bench.settle(reservation(1)).await;
    assert_eq!(bench.read().await, dropped);
}

#[tokio::test]
async fn a_lease_that_ran_out_unnoticed_can_still_be_released() {
    let bench = hasty_bench().await;
    take_and_vanish(&bench, 1).await;
    bench.release(reservation(1)).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

#[tokio::test]
async fn a_lease_that_ran_out_is_raised_for_and_gives_nothing_back_after() {
    let bench = hasty_bench().await;
    take_and_vanish(&bench, 1).await;
    // Without reading first, which would drop the lease.
    let raised = bench.gate.raise(seats_left(5)).await;
    assert!(raised.expect("redis answers"));
    bench.release(reservation(1)).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

#[tokio::test]
async fn no_key_stays_for_ever() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    let keys: Vec<String> = bench.redis(&["KEYS", "*"]).await;
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in &keys {
        let left_ms: i64 = bench.redis(&["PTTL", key]).await;
        assert!((1..=DAY_MS).contains(&left_ms), "{key}: {left_ms}");
    }
}

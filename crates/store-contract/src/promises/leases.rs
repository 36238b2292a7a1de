//! Leases that nobody ends.

use domain::ports::{GateAnswer, GateReading};

use crate::GateBench;
use crate::values::{event_id, reservation, seats, seats_of};

pub async fn a_lease_that_has_not_run_out_is_kept(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    for _ in 0..3 {
        assert_eq!(bench.standing().await, (Some(3), 1));
    }
    bench.release(1).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn looking_drops_leases_that_ran_out_and_returns_no_tokens(bench: GateBench) {
    bench.open(9).await;
    bench.take(1, 2).await;
    bench.take(2, 3).await;
    assert_eq!(bench.read().await.seats_leased, 5);
    bench.expire_leases().await;
    // Taken after the others ran out.
    bench.take(3, 1).await;
    let dropped = bench.read().await;
    assert_eq!((dropped.tokens, dropped.leases), (Some(3), 1));
    assert_eq!(dropped.seats_leased, 1);
    assert_eq!(bench.read().await, dropped, "dropped once");
}

pub async fn a_lease_that_was_dropped_ends_no_second_time(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.expire_leases().await;
    let dropped = bench.read().await;
    bench.release(1).await;
    bench.settle(1).await;
    assert_eq!(bench.read().await, dropped);
}

pub async fn a_gate_whose_leases_ran_out_is_raised_by_what_they_held(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.expire_leases().await;
    // Without looking first. Half of it was sold, says the store.
    assert!(bench.raise(4).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

pub async fn a_late_release_adds_nothing_to_a_gate_that_was_raised(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.expire_leases().await;
    assert!(bench.raise(5).await);
    bench.release(1).await;
    bench.settle(1).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn a_reservation_whose_lease_was_dropped_takes_anew(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.expire_leases().await;
    assert_eq!(bench.standing().await, (Some(3), 0));
    assert_eq!(bench.take(1, 2).await, GateAnswer::Granted);
    assert_eq!(bench.standing().await, (Some(1), 1));
}

pub async fn a_lease_that_ran_out_unnoticed_is_released_wholly_or_not_at_all(bench: GateBench) {
    for event in [1, 2] {
        bench.gate().open(seats_of(event, 5)).await;
        bench
            .gate()
            .take(event_id(event), reservation(1), seats(2))
            .await;
    }
    bench.expire_leases().await;
    assert_eq!(bench.standing().await, (Some(3), 0));
    // Nobody has looked at the other gate: whether its lease still gives its
    // tokens back is left to the adapter.
    bench.gate().release(event_id(2), reservation(1)).await;
    let reading = bench.read_event(2).await;
    assert!(
        matches!(
            reading,
            GateReading {
                tokens: Some(3 | 5),
                leases: 0,
                ..
            }
        ),
        "{reading:?}"
    );
}

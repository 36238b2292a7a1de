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
    let taken = bench.read().await;
    bench.expire_leases().await;
    // Taken after the others ran out.
    bench.take(3, 1).await;
    let dropped = bench.read().await;
    assert_eq!((dropped.tokens, dropped.leases), (Some(3), 1));
    assert!(dropped.generation.0 > taken.generation.0);
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

pub async fn dropping_a_lease_stops_a_rebuild_from_before(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    let taken = bench.read().await;
    bench.expire_leases().await;
    // Somebody else looks; whether the seats were sold only the store knows.
    bench.read().await;
    assert!(!bench.rebuild(5, taken.generation).await);
}

pub async fn a_gate_whose_leases_ran_out_can_be_rebuilt(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.expire_leases().await;
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(4, generation).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

pub async fn a_late_release_adds_nothing_to_a_gate_that_was_rebuilt(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    let taken = bench.read().await;
    bench.expire_leases().await;
    // Without looking first: it may be refused or swept clean, never both.
    if !bench.rebuild(5, taken.generation).await {
        let generation = bench.read().await.generation;
        assert!(bench.rebuild(5, generation).await);
    }
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

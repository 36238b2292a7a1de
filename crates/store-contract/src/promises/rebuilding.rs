//! Putting a gate right, unless something happened since it was looked at.

use domain::ports::{GateAnswer, GateGeneration};

use crate::GateBench;
use crate::parallel::parallel;
use crate::values::{event_id, reservation, seats, seats_of};

pub async fn everything_that_changes_a_gate_moves_its_generation_up(bench: GateBench) {
    let mut last = bench.read().await.generation;
    for what in [
        "open",
        "take",
        "settle",
        "take",
        "release",
        "adjust",
        "take",
        "expire",
        "rebuild",
        "close",
        "adjust a missing one",
        "close a missing one",
        "open",
    ] {
        match what {
            "open" => bench.open(5).await,
            "take" => assert_eq!(bench.take(1, 1).await, GateAnswer::Granted),
            "settle" => bench.settle(1).await,
            "release" => bench.release(1).await,
            "expire" => bench.expire_leases().await,
            "rebuild" => assert!(bench.rebuild(7, last).await),
            "close" | "close a missing one" => bench.close().await,
            _ => bench.adjust(1).await,
        }
        let generation = bench.read().await.generation;
        assert!(
            generation.0 > last.0,
            "{what}: {generation:?} after {last:?}"
        );
        last = generation;
    }
}

pub async fn looking_and_being_refused_do_not_stop_a_rebuild(bench: GateBench) {
    bench.open(2).await;
    let generation = bench.read().await.generation;
    bench.take(1, 3).await;
    bench.settle(1).await;
    bench.release(1).await;
    bench.open(9).await;
    bench.read().await;
    assert!(bench.rebuild(5, generation).await);
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn a_missing_or_wrong_bucket_is_rebuilt(bench: GateBench) {
    for (number, wrong) in [None, Some(0), Some(4), Some(6), Some(-3)]
        .into_iter()
        .enumerate()
    {
        let event = number as i64 + 1;
        if let Some(wrong) = wrong {
            bench.gate().open(seats_of(event, 0)).await;
            bench.gate().adjust(event_id(event), wrong).await;
        }
        let generation = bench.read_event(event).await.generation;
        let rebuilt = bench.gate().rebuild(seats_of(event, 5), generation).await;
        assert!(rebuilt.expect("an answer"), "{wrong:?}");
        let reading = bench.read_event(event).await;
        assert_eq!((reading.tokens, reading.leases), (Some(5), 0));
        let answer = bench
            .gate()
            .take(event_id(event), reservation(1), seats(5))
            .await;
        assert_eq!(answer, GateAnswer::Granted);
    }
}

pub async fn a_gate_with_a_lease_out_is_not_rebuilt(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 1).await;
    let reading = bench.read().await;
    assert!(!bench.rebuild(9, reading.generation).await);
    assert_eq!(bench.read().await, reading);
    bench.settle(1).await;
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(9, generation).await);
    assert_eq!(bench.standing().await, (Some(9), 0));
}

pub async fn a_gate_that_changed_since_it_was_looked_at_is_not_rebuilt(bench: GateBench) {
    for (number, change) in ["settle", "release", "adjust", "close", "open", "booking"]
        .into_iter()
        .enumerate()
    {
        let event = number as i64 + 1;
        let (gate, id) = (bench.gate(), event_id(event));
        if change != "open" {
            gate.open(seats_of(event, 5)).await;
        }
        if ["settle", "release"].contains(&change) {
            gate.take(id, reservation(1), seats(1)).await;
        }
        let before = bench.read_event(event).await;
        match change {
            "settle" => gate.settle(id, reservation(1)).await,
            "release" => gate.release(id, reservation(1)).await,
            "adjust" => gate.adjust(id, 1).await,
            "close" => gate.close(id).await,
            "open" => gate.open(seats_of(event, 5)).await,
            // One that came and went: the bucket is at rest again.
            _ => {
                gate.take(id, reservation(1), seats(1)).await;
                gate.release(id, reservation(1)).await;
            }
        }
        let changed = bench.read_event(event).await;
        assert_eq!(changed.leases, 0);
        let rebuilt = gate.rebuild(seats_of(event, 9), before.generation).await;
        assert!(!rebuilt.expect("an answer"), "{change}");
        assert_eq!(bench.read_event(event).await, changed, "{change}");
    }
}

pub async fn what_happens_to_a_missing_gate_stops_its_rebuild_too(bench: GateBench) {
    // Deleted between looking and rebuilding, the event must not get a gate;
    // and seats sold or freed meanwhile make the number to rebuild from stale.
    for close in [true, false] {
        let generation = bench.read().await.generation;
        if close {
            bench.close().await;
        } else {
            bench.adjust(1).await;
        }
        assert!(!bench.rebuild(5, generation).await, "close: {close}");
        assert_eq!(bench.standing().await, (None, 0));
    }
}

pub async fn a_generation_does_not_come_back_after_a_gate_was_closed(bench: GateBench) {
    bench.open(5).await;
    let old = bench.read().await.generation;
    for _ in 0..5 {
        bench.close().await;
        bench.open(5).await;
        assert!(!bench.rebuild(9, old).await);
    }
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn a_rebuild_works_once_per_look(bench: GateBench) {
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(5, generation).await);
    assert!(!bench.rebuild(9, generation).await);
    assert_eq!(bench.standing().await, (Some(5), 0));
    let unseen = GateGeneration(bench.read().await.generation.0 + 1_000_000);
    assert!(!bench.rebuild(9, unseen).await);
}

pub async fn of_parallel_rebuilds_after_one_look_exactly_one_works(bench: GateBench) {
    for _ in 0..5 {
        let generation = bench.read().await.generation;
        let rebuilt = parallel(16, |number| {
            let bench = bench.clone();
            async move { bench.rebuild(number as i64, generation).await }
        })
        .await;
        let works: Vec<_> = (0..16).filter(|number| rebuilt[*number]).collect();
        assert_eq!(works.len(), 1, "{works:?}");
        assert_eq!(bench.standing().await, (Some(works[0] as i64), 0));
    }
}

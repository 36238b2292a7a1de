//! Putting a gate right: raising it at any time, and rebuilding it unless seats
//! were freed or the event was deleted since it was looked at.

use domain::ports::{GateAnswer, GateGeneration};

use crate::GateBench;
use crate::parallel::parallel;
use crate::values::{event_id, reservation, seats, seats_of};

pub async fn all_that_changes_a_gate_but_bookings_moves_its_generation_up(bench: GateBench) {
    let mut last = bench.read().await.generation;
    for what in [
        "open",
        "adjust",
        "raise",
        "rebuild",
        "close",
        "adjust a missing one",
        "close a missing one",
        "rebuild a missing one",
    ] {
        match what {
            "open" => bench.open(5).await,
            "raise" => assert!(bench.raise(8).await),
            "rebuild" => assert!(bench.rebuild(7, last).await),
            "rebuild a missing one" => assert!(bench.rebuild(5, last).await),
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

pub async fn neither_looking_nor_bookings_stop_a_rebuild(bench: GateBench) {
    bench.open(9).await;
    let generation = bench.read().await.generation;
    bench.take(1, 10).await;
    for number in 1..=3 {
        bench.take(number, 1).await;
    }
    bench.settle(1).await;
    bench.release(2).await;
    bench.open(9).await;
    bench.read().await;
    assert!(bench.rebuild(5, generation).await);
    assert_eq!(bench.standing().await, (Some(5), 1));
}

pub async fn a_bucket_that_is_missing_or_holds_too_many_is_rebuilt(bench: GateBench) {
    for (number, wrong) in [None, Some(6), Some(900)].into_iter().enumerate() {
        let event = number as i64 + 1;
        if let Some(wrong) = wrong {
            bench.gate().open(seats_of(event, wrong)).await;
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

pub async fn a_rebuild_adds_nothing_to_a_bucket(bench: GateBench) {
    // It may lack what was sold since the seats were counted.
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.settle(1).await;
    let before = bench.read().await;
    assert!(bench.rebuild(5, before.generation).await);
    assert_eq!(bench.read().await, before);
}

pub async fn a_bucket_is_raised_to_what_is_left_and_not_leased(bench: GateBench) {
    for (number, tokens) in [0, -3, 2, 3, 4].into_iter().enumerate() {
        let event = number as i64 + 1;
        let (gate, id) = (bench.gate(), event_id(event));
        gate.open(seats_of(event, 2)).await;
        gate.take(id, reservation(1), seats(2)).await;
        gate.adjust(id, tokens).await;
        let before = bench.read_event(event).await;
        assert_eq!((before.tokens, before.seats_leased), (Some(tokens), 2));
        let raised = gate.raise(seats_of(event, 5)).await.expect("an answer");
        assert_eq!(raised, tokens < 3, "{tokens}");
        let after = bench.read_event(event).await;
        assert_eq!((after.tokens, after.leases), (Some(tokens.max(3)), 1));
        // What was leased comes back, and no more.
        gate.release(id, reservation(1)).await;
        let tokens_left = bench.read_event(event).await.tokens;
        assert_eq!(tokens_left, Some(tokens.max(3) + 2));
    }
}

pub async fn a_gate_may_be_raised_whatever_happened_since_it_was_looked_at(bench: GateBench) {
    bench.open(1).await;
    bench.adjust(1).await;
    bench.take(1, 1).await;
    assert!(bench.raise(9).await);
    assert!(!bench.raise(9).await, "it is right now");
    assert_eq!(bench.standing().await, (Some(8), 1));
}

pub async fn raising_makes_no_gate_where_there_is_none(bench: GateBench) {
    assert!(!bench.raise(5).await);
    assert_eq!(bench.standing().await, (None, 0));
    bench.open(5).await;
    bench.close().await;
    assert!(!bench.raise(5).await);
    assert_eq!(bench.standing().await, (None, 0));
}

pub async fn a_gate_that_was_closed_is_not_opened_by_a_late_call(bench: GateBench) {
    for opened in [true, false] {
        if opened {
            bench.open(5).await;
        }
        bench.close().await;
        bench.open(5).await;
        assert_eq!(bench.standing().await, (None, 0));
        assert_eq!(bench.take(1, 1).await, GateAnswer::Unknown);
    }
}

pub async fn a_rebuild_keeps_the_leases_that_are_out(bench: GateBench) {
    bench.open(9).await;
    bench.take(1, 1).await;
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(5, generation).await);
    assert_eq!(bench.standing().await, (Some(5), 1));
    bench.settle(1).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn a_gate_that_changed_since_it_was_looked_at_is_not_rebuilt(bench: GateBench) {
    for (number, change) in ["adjust", "close", "open", "raise", "rebuild"]
        .into_iter()
        .enumerate()
    {
        let event = number as i64 + 1;
        let (gate, id) = (bench.gate(), event_id(event));
        if change != "open" {
            gate.open(seats_of(event, 5)).await;
        }
        let before = bench.read_event(event).await;
        match change {
            "adjust" => gate.adjust(id, 1).await,
            "close" => gate.close(id).await,
            "open" => gate.open(seats_of(event, 5)).await,
            "raise" => assert!(gate.raise(seats_of(event, 6)).await.expect("an answer")),
            _ => {
                let rebuilt = gate.rebuild(seats_of(event, 4), before.generation).await;
                assert!(rebuilt.expect("an answer"));
            }
        }
        let changed = bench.read_event(event).await;
        let rebuilt = gate.rebuild(seats_of(event, 2), before.generation).await;
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
        assert!(!bench.rebuild(3, old).await);
        let generation = bench.read().await.generation;
        assert!(bench.rebuild(5, generation).await);
        assert!(!bench.rebuild(3, old).await);
    }
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn a_rebuild_works_once_per_look(bench: GateBench) {
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(5, generation).await);
    assert!(!bench.rebuild(3, generation).await);
    assert_eq!(bench.standing().await, (Some(5), 0));
    let unseen = GateGeneration(bench.read().await.generation.0 + 1_000_000);
    assert!(!bench.rebuild(3, unseen).await);
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn of_parallel_rebuilds_after_one_look_exactly_one_works(bench: GateBench) {
    for _ in 0..5 {
        bench.close().await;
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

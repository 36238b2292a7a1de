//! Many at a gate at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ports::{GateAnswer, GateFault, GateReading};
use tokio::sync::Mutex;

use crate::GateBench;
use crate::parallel::parallel;
use crate::seed::{Seeded, steps};
use crate::values::{event_id, reservation, seats, seats_of};

pub async fn as_many_tokens_are_granted_as_there_are(bench: GateBench) {
    bench.open(5).await;
    let answers = parallel(100, |number| {
        let bench = bench.clone();
        async move { bench.take(number as u128, 1).await }
    })
    .await;
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!(count(GateAnswer::Granted), 5);
    assert_eq!(count(GateAnswer::Refused { tokens_left: 0 }), 95);
    assert_eq!(bench.standing().await, (Some(0), 5));
}

pub async fn a_reservation_in_parallel_takes_once_and_ends_once(bench: GateBench) {
    bench.open(9).await;
    let answers = parallel(16, |_| {
        let bench = bench.clone();
        async move { bench.take(1, 2).await }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == GateAnswer::Granted));
    assert_eq!(bench.standing().await, (Some(7), 1));
    bench.take(2, 3).await;
    parallel(16, |_| {
        let bench = bench.clone();
        async move { bench.release(1).await }
    })
    .await;
    assert_eq!(bench.standing().await, (Some(6), 1));
}

pub async fn whatever_sizes_are_asked_for_no_token_is_granted_twice(bench: GateBench) {
    const TOKENS: i64 = 137;
    bench.open(TOKENS).await;
    let size = |number: usize| 1 + (number * 7 % 9) as i64;
    let answers = parallel(120, |number| {
        let bench = bench.clone();
        async move { bench.take(number as u128, size(number)).await }
    })
    .await;
    let granted: Vec<_> = (0..answers.len())
        .filter(|&number| answers[number] == GateAnswer::Granted)
        .collect();
    let taken: i64 = granted.iter().map(|&number| size(number)).sum();
    assert!(taken <= TOKENS, "{taken} tokens of {TOKENS}");
    assert_eq!(
        bench.standing().await,
        (Some(TOKENS - taken), granted.len() as u64)
    );
    for (number, answer) in answers.into_iter().enumerate() {
        if let GateAnswer::Refused { tokens_left } = answer {
            assert!((TOKENS - taken..size(number)).contains(&tokens_left));
        }
    }
}

pub async fn reservations_repeated_in_a_crowd_take_once_each(bench: GateBench) {
    bench.open(50).await;
    let answers = parallel(200, |number| {
        let bench = bench.clone();
        async move { bench.take(number as u128 % 40, 1).await }
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == GateAnswer::Granted));
    assert_eq!(bench.standing().await, (Some(10), 40));
}

pub async fn what_was_settled_is_seen_by_whoever_looks_or_takes_next(bench: GateBench) {
    bench.open(400).await;
    parallel(10, |number| {
        let bench = bench.clone();
        async move {
            let (event, name) = (number as i64 + 2, 1);
            bench.gate().open(seats_of(event, 40)).await;
            for turn in 1..=20 {
                let (event_id, reservation) = (event_id(event), reservation(name));
                let answer = bench.gate().take(event_id, reservation, seats(2)).await;
                assert_eq!(answer, GateAnswer::Granted);
                bench.gate().settle(event_id, reservation).await;
                // A crowd at another event changes nothing.
                bench.take((number * 100 + turn) as u128, 1).await;
                if turn % 2 == 0 {
                    let reading = bench.read_event(event).await;
                    let left = 40 - 2 * turn as i64;
                    assert_eq!((reading.tokens, reading.leases), (Some(left), 0));
                }
            }
        }
    })
    .await;
    assert_eq!(bench.standing().await, (Some(200), 200));
}

pub async fn a_lease_that_is_settled_and_released_at_once_ends_one_way(bench: GateBench) {
    for round in 0..8 {
        bench.open_again(5).await;
        bench.take(round, 2).await;
        parallel(8, |number| {
            let bench = bench.clone();
            async move {
                match number % 2 {
                    0 => bench.settle(round).await,
                    _ => bench.release(round).await,
                }
            }
        })
        .await;
        let reading = bench.read().await;
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
        bench.close().await;
    }
}

pub async fn parallel_adjustments_add_up(bench: GateBench) {
    bench.open(100).await;
    parallel(40, |number| {
        let bench = bench.clone();
        async move { bench.adjust([3, -2][number % 2]).await }
    })
    .await;
    assert_eq!(bench.standing().await, (Some(120), 0));
}

pub async fn of_parallel_openings_one_counts(bench: GateBench) {
    for event in 1..=5 {
        parallel(16, |number| {
            let bench = bench.clone();
            async move {
                let gate = bench.gate();
                gate.open(seats_of(event, 10)).await;
                let reservation = reservation(number as u128);
                gate.take(event_id(event), reservation, seats(1)).await;
            }
        })
        .await;
        let reading = bench.read_event(event).await;
        assert_eq!((reading.tokens, reading.leases), (Some(0), 10));
    }
}

pub async fn mending_beside_bookings_never_leaves_a_right_gate_too_low(bench: GateBench) {
    let seeded = Seeded::new();
    // The store: what it sells is decided under its own lock.
    let store = Arc::new(Mutex::new(40_i64));
    bench.open(40).await;
    let chances: Vec<_> = (0..12).map(|number| seeded.chance(number)).collect();
    parallel(12, |number| {
        let (bench, store, mut chance) =
            (bench.clone(), Arc::clone(&store), chances[number].clone());
        async move {
            for turn in 0..20 {
                if number % 4 == 0 {
                    let reading = bench.read().await;
                    let left = *store.lock().await;
                    match reading.fault(&seats_of(1, left)) {
                        None => {}
                        Some(GateFault::TooLow) => panic!("{reading:?} for {left} seats"),
                        Some(GateFault::TooHigh) => {
                            bench.rebuild(left, reading.generation).await;
                        }
                    }
                    continue;
                }
                let reservation = (number * 100 + turn) as u128;
                if bench.take(reservation, 1).await != GateAnswer::Granted {
                    continue;
                }
                if chance.u32(0..3) == 0 {
                    bench.release(reservation).await;
                } else {
                    *store.lock().await -= 1;
                    bench.settle(reservation).await;
                }
            }
        }
    })
    .await;
    let left = *store.lock().await;
    assert!(left >= 0, "the gate granted {} tokens too many", -left);
    assert_eq!(bench.standing().await, (Some(left), 0));
}

/// What a gate should hold, as plain numbers.
#[derive(Debug, Default)]
struct Expected {
    tokens: Option<i64>,
    leases: BTreeMap<u128, i64>,
    /// Something but bookings happened to it, so it is not new any more.
    changed: bool,
}

pub async fn a_random_sequence_leaves_the_tokens_and_leases_it_should(bench: GateBench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let mut expected = Expected::default();
    for step in 1..=steps(300) {
        let (what, number, count) = (
            chance.u32(0..100),
            u128::from(chance.u32(0..6)),
            chance.i64(1..5),
        );
        seeded.doing(format!(
            "step {step}: {what} {number} {count} at {expected:?}"
        ));
        apply(&bench, &mut expected, what, number, count).await;
        let leases = expected.leases.len() as u64;
        assert_eq!(bench.standing().await, (expected.tokens, leases));
    }
}

async fn apply(bench: &GateBench, expected: &mut Expected, what: u32, number: u128, count: i64) {
    let leases = &mut expected.leases;
    match what {
        0..45 => {
            let answer = match expected.tokens {
                _ if leases.contains_key(&number) => GateAnswer::Granted,
                None => GateAnswer::Unknown,
                Some(tokens_left) if tokens_left < count => GateAnswer::Refused { tokens_left },
                Some(tokens_left) => {
                    expected.tokens = Some(tokens_left - count);
                    leases.insert(number, count);
                    GateAnswer::Granted
                }
            };
            assert_eq!(bench.take(number, count).await, answer);
        }
        45..60 => {
            leases.remove(&number);
            bench.settle(number).await;
        }
        60..75 => {
            let back = leases.remove(&number).unwrap_or(0);
            expected.tokens = expected.tokens.map(|tokens| tokens + back);
            bench.release(number).await;
        }
        75..82 => {
            let count = if what.is_multiple_of(2) {
                count
            } else {
                -count
            };
            expected.tokens = expected.tokens.map(|tokens| tokens + count);
            expected.changed = true;
            bench.adjust(count).await;
        }
        82..88 => {
            if !expected.changed {
                expected.tokens = Some(count);
                expected.changed = true;
            }
            bench.open(count).await;
        }
        88..90 => {
            *expected = Expected {
                changed: true,
                ..Expected::default()
            };
            bench.close().await;
        }
        90..92 => {
            leases.clear();
            bench.expire_leases().await;
        }
        92..96 => {
            let floor = count - leases.values().sum::<i64>();
            let raised = expected.tokens.is_some_and(|tokens| tokens < floor);
            expected.tokens = expected.tokens.map(|tokens| tokens.max(floor));
            assert_eq!(bench.raise(count).await, raised);
        }
        _ => {
            let generation = bench.read().await.generation;
            expected.tokens = Some(expected.tokens.unwrap_or(count).min(count));
            expected.changed = true;
            assert!(bench.rebuild(count, generation).await);
        }
    }
}

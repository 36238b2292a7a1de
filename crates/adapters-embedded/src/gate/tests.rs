use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use domain::model::Capacity;
use futures::executor::block_on;

use super::*;

const LEASE: Duration = Duration::from_secs(10);
const HOUR: u64 = 60 * 60;

/// A gate whose time passes only when a test says so.
struct Stage {
    gate: InProcessSeatGate,
    seconds: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&seconds);
        let elapsed = move || Duration::from_secs(clock.load(Ordering::Relaxed));
        Self {
            gate: InProcessSeatGate::with_clock(LEASE, elapsed),
            seconds,
        }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn open(&self, event: i64, seats: i64) {
        block_on(self.gate.open(event_seats(event, seats, TimeDelta::zero())));
    }

    fn take(&self, reservation: u128, seats: i64) -> GateAnswer {
        let seats = SeatCount::try_new(seats).expect("in range");
        block_on(self.gate.take(event(1), name(reservation), seats))
    }

    fn read(&self) -> GateReading {
        block_on(self.gate.read(&[event(1)])).expect("always answers")[0]
    }

    fn rebuild(&self, seats: i64, generation: GateGeneration) -> bool {
        let event = event_seats(1, seats, TimeDelta::zero());
        block_on(self.gate.rebuild(event, generation)).expect("always answers")
    }

    fn gates(&self) -> usize {
        self.gate.lock().0.buckets.len()
    }
}

fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

fn name(bits: u128) -> ReservationId {
    ReservationId::from_random_bits(bits)
}

fn event_seats(id: i64, seats: i64, begins_in: TimeDelta) -> EventSeats {
    EventSeats {
        event_id: event(id),
        seats_available: Capacity::try_new(seats).expect("in range"),
        start_at: clock::now() + begins_in,
    }
}

#[test]
fn a_lease_counts_until_it_runs_out_and_its_tokens_stay_away() {
    let stage = Stage::new();
    stage.open(1, 5);
    assert_eq!(stage.take(1, 2), GateAnswer::Granted);
    stage.pass(9);
    let before = stage.read();
    assert_eq!((before.tokens, before.leases), (Some(3), 1));
    stage.pass(1);
    let after = stage.read();
    assert_eq!((after.tokens, after.leases), (Some(3), 0));
    assert_ne!(before.generation, after.generation);
    // Dropped is dropped: neither end of it does anything now.
    block_on(stage.gate.release(event(1), name(1)));
    block_on(stage.gate.settle(event(1), name(1)));
    assert_eq!(stage.read(), after);
}

#[test]
fn a_lease_that_ran_out_unseen_still_gives_its_tokens_back() {
    let stage = Stage::new();
    stage.open(1, 5);
    stage.take(1, 2);
    stage.pass(11);
    block_on(stage.gate.release(event(1), name(1)));
    assert_eq!(stage.read().tokens, Some(5));
}

#[test]
fn a_rebuild_waits_for_leases_and_forgets_those_that_ran_out() {
    let stage = Stage::new();
    stage.open(1, 5);
    stage.take(1, 2);
    let generation = stage.read().generation;
    assert!(!stage.rebuild(5, generation), "a lease is out");
    stage.pass(10);
    assert!(stage.rebuild(5, generation), "it ran out");
    block_on(stage.gate.release(event(1), name(1)));
    assert_eq!(stage.read().tokens, Some(5), "given back once already");
    assert!(!stage.rebuild(4, generation), "the gate has changed since");
}

#[test]
fn a_change_behind_a_closed_gate_stops_a_rebuild() {
    let stage = Stage::new();
    let never = stage.read();
    assert_eq!(never, NO_GATE);
    block_on(stage.gate.adjust(event(1), 1));
    assert!(!stage.rebuild(5, never.generation));
    let adjusted = stage.read();
    block_on(stage.gate.close(event(1)));
    assert!(!stage.rebuild(5, adjusted.generation));
    assert_eq!(stage.read().tokens, None);
    assert!(stage.rebuild(5, stage.read().generation));
    assert_eq!(stage.take(1, 6), GateAnswer::Refused { tokens_left: 5 });
}

#[test]
fn a_gate_leaves_a_day_after_its_event_and_never_returns_to_an_old_generation() {
    let stage = Stage::new();
    let tomorrow = event_seats(1, 5, TimeDelta::hours(24));
    block_on(stage.gate.open(tomorrow));
    let generation = stage.read().generation;
    stage.pass(47 * HOUR);
    assert_eq!(stage.read().tokens, Some(5), "kept for its event");
    stage.pass(2 * HOUR);
    assert_eq!(stage.read(), NO_GATE, "over");
    assert_eq!(stage.take(1, 1), GateAnswer::Unknown);
    stage.open(1, 5);
    assert_ne!(stage.read().generation, generation);
}

#[test]
fn the_memory_follows_the_events_on_sale() {
    let stage = Stage::new();
    for id in 1..=10 * PRUNE_FROM as i64 {
        stage.open(id, 1);
        stage.pass(60);
        assert!(stage.gates() <= 2 * (24 * 60 + PRUNE_FROM), "{id}");
    }
    stage.pass(25 * HOUR);
    for id in 1..=2 * PRUNE_FROM as i64 {
        block_on(stage.gate.close(event(1_000_000 + id)));
    }
    assert!(stage.gates() <= 2 * PRUNE_FROM, "{}", stage.gates());
}

#[test]
fn an_absurd_adjustment_changes_no_token() {
    let stage = Stage::new();
    stage.open(1, 5);
    block_on(stage.gate.adjust(event(1), i64::MAX));
    assert_eq!(stage.read().tokens, Some(5));
    block_on(stage.gate.adjust(event(1), -7));
    assert_eq!(stage.take(1, 1), GateAnswer::Refused { tokens_left: -2 });
}

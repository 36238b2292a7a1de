use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use domain::model::Capacity;
use futures::executor::block_on;

use super::*;

const LEASE: Duration = Duration::from_secs(10);
const MINUTE: u64 = 60;

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
        block_on(self.gate.open(event_seats(event, seats)));
    }

    fn take(&self, reservation: u128, seats: i64) -> GateAnswer {
        let seats = SeatCount::try_new(seats).expect("in range");
        block_on(self.gate.take(event(1), name(reservation), seats))
    }

    fn read(&self) -> GateReading {
        let readings = block_on(self.gate.read(&[event(1)]));
        readings.expect("always answers")[0].expect("always there")
    }

    fn rebuild(&self, seats: i64, generation: GateGeneration) -> bool {
        let event = event_seats(1, seats);
        block_on(self.gate.rebuild(event, generation)).expect("always answers")
    }

    fn raise(&self, seats: i64) -> bool {
        block_on(self.gate.raise(event_seats(1, seats))).expect("always answers")
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

fn event_seats(id: i64, seats: i64) -> EventSeats {
    EventSeats {
        event_id: event(id),
        seats_available: Capacity::try_new(seats).expect("in range"),
        start_at: DateTime::UNIX_EPOCH,
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
    assert_eq!((before.seats_leased, after.seats_leased), (2, 0));
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
fn a_gate_is_raised_to_what_is_neither_sold_nor_leased() {
    let stage = Stage::new();
    stage.open(1, 5);
    stage.take(1, 2);
    block_on(stage.gate.adjust(event(1), -3));
    assert!(stage.raise(5));
    assert_eq!(stage.read().tokens, Some(3), "two are leased");
    stage.pass(10);
    assert!(stage.raise(5), "the lease ran out");
    block_on(stage.gate.release(event(1), name(1)));
    assert_eq!(stage.read().tokens, Some(5), "given back once already");
    assert!(!stage.raise(4), "nothing is taken away");
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
fn a_gate_that_nobody_looks_at_leaves_and_never_returns_to_an_old_generation() {
    let stage = Stage::new();
    stage.open(1, 5);
    let generation = stage.read().generation;
    for _ in 0..10 {
        stage.pass(4 * MINUTE);
        assert_eq!(stage.read().tokens, Some(5), "looked at");
    }
    stage.pass(4 * MINUTE);
    assert_eq!(stage.take(1, 1), GateAnswer::Granted);
    stage.pass(6 * MINUTE);
    assert_eq!(stage.take(2, 1), GateAnswer::Unknown);
    assert_eq!(stage.read(), NO_GATE);
    stage.open(1, 5);
    assert_ne!(stage.read().generation, generation);
}

#[test]
fn the_memory_follows_the_events_on_sale() {
    let stage = Stage::new();
    for id in 1..=10 * PRUNE_FROM as i64 {
        stage.open(id, 1);
        stage.pass(1);
        assert!(stage.gates() <= 2 * (5 * 60 + PRUNE_FROM), "{id}");
    }
    stage.pass(6 * MINUTE);
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

//! The gate of one event: its tokens and the leases on them. Knows no clock
//! and no lock; both are its holder's.

use std::collections::HashMap;
use std::time::Duration;

use domain::model::{ReservationId, SeatCount};
use domain::ports::{GateGeneration, GateReading};

/// Invariant: a closed gate has no tokens to lease, and so no leases.
#[derive(Debug)]
pub(super) struct Bucket {
    /// `None` while the gate is closed; negative while a resize catches up.
    tokens: Option<i64>,
    leases: HashMap<ReservationId, Lease>,
    generation: GateGeneration,
    /// By the holder's clock.
    keep_until: Duration,
}

#[derive(Debug)]
struct Lease {
    seats: SeatCount,
    runs_out: Duration,
}

impl Bucket {
    pub(super) fn closed() -> Self {
        Self {
            tokens: None,
            leases: HashMap::new(),
            generation: GateGeneration(0),
            keep_until: Duration::ZERO,
        }
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.keep_until <= now
    }

    pub(super) fn tokens(&self) -> Option<i64> {
        self.tokens
    }

    pub(super) fn has_lease(&self, reservation: ReservationId) -> bool {
        self.leases.contains_key(&reservation)
    }

    pub(super) fn seats_leased(&self) -> i64 {
        let seats = self
            .leases
            .values()
            .map(|lease| i64::from(lease.seats.get()));
        seats.sum()
    }

    pub(super) fn reading(&self) -> GateReading {
        GateReading {
            tokens: self.tokens,
            leases: self.leases.len() as u64,
            seats_leased: self.seats_leased(),
            generation: self.generation,
        }
    }

    /// Notes a change, the `count`th of all.
    pub(super) fn changed(&mut self, count: u64) {
        self.generation = GateGeneration(count);
    }

    pub(super) fn keep_until(&mut self, until: Duration) {
        self.keep_until = self.keep_until.max(until);
    }

    pub(super) fn set(&mut self, tokens: i64) {
        self.tokens = Some(tokens);
    }

    pub(super) fn close(&mut self) {
        self.tokens = None;
        self.leases = HashMap::new();
    }

    pub(super) fn lease(
        &mut self,
        reservation: ReservationId,
        seats: SeatCount,
        runs_out: Duration,
    ) {
        self.add(-i64::from(seats.get()));
        self.leases.insert(reservation, Lease { seats, runs_out });
    }

    /// A lease that ran out but was not dropped yet still ends, and its tokens
    /// may go back: the bucket lacks them as long as the lease is there.
    pub(super) fn end_lease(&mut self, reservation: ReservationId) -> Option<SeatCount> {
        self.leases.remove(&reservation).map(|lease| lease.seats)
    }

    /// Adds tokens to an open gate. A sum beyond 64 bits leaves it as it is;
    /// the next reconciliation finds that.
    pub(super) fn add(&mut self, seats: i64) {
        if let Some(tokens) = &mut self.tokens {
            *tokens = tokens.checked_add(seats).unwrap_or(*tokens);
        }
    }

    /// Drops the leases that ran out, whose tokens do not go back: whether the
    /// seats were sold only the store knows.
    pub(super) fn drop_leases_run_out(&mut self, now: Duration) {
        self.leases.retain(|_, lease| lease.runs_out > now);
    }
}

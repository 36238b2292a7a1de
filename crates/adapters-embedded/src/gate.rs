//! The seat gate of a server that is alone: all of it in this process.
//!
//! One lock over all events, held for the few instructions of a method and
//! never while anything waits. What a gate is and does is in `bucket`.

mod bucket;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{GateAnswer, GateError, GateGeneration, GateReading, SeatGate};

use self::bucket::Bucket;
use crate::clock;

/// How long a gate is kept after its event began, and after it last changed.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Fewer gates than this are never searched for old ones.
const PRUNE_FROM: usize = 1_024;

/// A [`SeatGate`] in the memory of this process, for a server that has its
/// store to itself. It is empty after a start, until it is reconciled.
///
/// A gate leaves a day after its event began, or a day after its last change if
/// that is later, so the memory follows the number of events on sale.
pub struct InProcessSeatGate {
    gates: Mutex<Gates>,
    lease_ttl: Duration,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

struct Gates {
    buckets: HashMap<EventId, Bucket>,
    /// Counts the changes of all gates, so that a gate which left and came back
    /// never has a generation that somebody has read before.
    changes: u64,
    /// With how many gates the next search for old ones begins.
    prune_at: usize,
}

impl InProcessSeatGate {
    /// A gate without any event. `lease_ttl` is how long tokens stay leased to
    /// a booking that never reports back; it must be longer than a booking
    /// can take.
    pub fn new(lease_ttl: Duration) -> Self {
        let start = Instant::now();
        Self::with_clock(lease_ttl, move || start.elapsed())
    }

    /// As [`new`](Self::new), with a clock of one's own: the time since some
    /// instant, which never goes back. For tests, in which nobody waits for a
    /// lease to run out.
    pub fn with_clock(
        lease_ttl: Duration,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            gates: Mutex::new(Gates {
                buckets: HashMap::new(),
                changes: 0,
                prune_at: PRUNE_FROM,
            }),
            lease_ttl,
            clock: Box::new(clock),
        }
    }

    /// The gates and the time. No method panics halfway through a change, so
    /// a lock that says so is only the trace of a panic somewhere else.
    fn lock(&self) -> (MutexGuard<'_, Gates>, Duration) {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        (gates, (self.clock)())
    }

    /// How long from now a gate is kept for its event's sake. Bookings end with
    /// the beginning, but clocks differ and a beginning can be moved.
    fn keep_for(event: &EventSeats) -> Duration {
        let ahead = event.start_at - clock::now();
        ahead.to_std().unwrap_or(Duration::ZERO) + KEEP
    }
}

impl Gates {
    /// The gate of an event, if it has one that is not too old.
    fn find(&mut self, event_id: EventId, now: Duration) -> Option<&mut Bucket> {
        if self
            .buckets
            .get(&event_id)
            .is_some_and(|bucket| bucket.is_over(now))
        {
            self.buckets.remove(&event_id);
        }
        self.buckets.get_mut(&event_id)
    }

    /// Changes the gate of an event; one that is not there is made, closed.
    /// It has a generation even so: what was sold or freed in the store makes
    /// stale what a rebuild under way has read there.
    fn change(&mut self, event_id: EventId, now: Duration) -> &mut Bucket {
        self.prune(now);
        if self.find(event_id, now).is_none() {
            self.buckets.insert(event_id, Bucket::closed());
        }
        self.changes += 1;
        let bucket = self.buckets.entry(event_id).or_insert_with(Bucket::closed);
        bucket.changed(self.changes, now + KEEP);
        bucket
    }

    /// Drops old gates whenever their number has doubled: a little for each
    /// gate that is opened, nothing for a booking.
    fn prune(&mut self, now: Duration) {
        if self.buckets.len() < self.prune_at {
            return;
        }
        self.buckets.retain(|_, bucket| !bucket.is_over(now));
        self.buckets.shrink_to(2 * self.buckets.len());
        self.prune_at = PRUNE_FROM.max(2 * self.buckets.len());
    }
}

#[async_trait]
impl SeatGate for InProcessSeatGate {
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer {
        let (mut gates, now) = self.lock();
        let Some(bucket) = gates.find(event_id, now) else {
            return GateAnswer::Unknown;
        };
        if bucket.has_lease(reservation) {
            return GateAnswer::Granted;
        }
        match bucket.tokens() {
            None => GateAnswer::Unknown,
            Some(tokens_left) if tokens_left < i64::from(seats.get()) => {
                GateAnswer::Refused { tokens_left }
            }
            Some(_) => {
                let runs_out = now.saturating_add(self.lease_ttl);
                gates
                    .change(event_id, now)
                    .lease(reservation, seats, runs_out);
                GateAnswer::Granted
            }
        }
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.end_lease(event_id, reservation);
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        if let Some((mut gates, now, seats)) = self.end_lease(event_id, reservation) {
            gates.change(event_id, now).add(i64::from(seats.get()));
        }
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        let (mut gates, now) = self.lock();
        gates.change(event_id, now).add(seats);
    }

    async fn open(&self, event: EventSeats) {
        let (mut gates, now) = self.lock();
        let is_open = gates
            .find(event.event_id, now)
            .is_some_and(|bucket| bucket.tokens().is_some());
        if !is_open {
            let keep_until = now + Self::keep_for(&event);
            gates
                .change(event.event_id, now)
                .open(event.seats_available, keep_until);
        }
    }

    async fn close(&self, event_id: EventId) {
        let (mut gates, now) = self.lock();
        gates.change(event_id, now).close();
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<GateReading>, GateError> {
        let (mut gates, now) = self.lock();
        let readings = event_ids.iter().map(|&event_id| {
            let ran_out = gates
                .find(event_id, now)
                .is_some_and(|bucket| bucket.drop_leases_run_out(now));
            if ran_out {
                gates.change(event_id, now);
            }
            gates
                .find(event_id, now)
                .map_or(NO_GATE, |bucket| bucket.reading())
        });
        Ok(readings.collect())
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let (mut gates, now) = self.lock();
        let bucket = gates.find(event.event_id, now);
        let (current, in_use) = bucket.map_or((NO_GATE.generation, false), |bucket| {
            (bucket.reading().generation, bucket.is_in_use(now))
        });
        if current != generation || in_use {
            return Ok(false);
        }
        let keep_until = now + Self::keep_for(&event);
        let bucket = gates.change(event.event_id, now);
        // Leases that ran out go too: released later, they would give back
        // tokens that the bucket no longer lacks.
        bucket.close();
        bucket.open(event.seats_available, keep_until);
        Ok(true)
    }
}

/// How the gate of an event stands that has none.
const NO_GATE: GateReading = GateReading {
    tokens: None,
    leases: 0,
    generation: GateGeneration(0),
};

impl InProcessSeatGate {
    /// Ends a lease, which counts as a change; `None` without one.
    fn end_lease(
        &self,
        event_id: EventId,
        reservation: ReservationId,
    ) -> Option<(MutexGuard<'_, Gates>, Duration, SeatCount)> {
        let (mut gates, now) = self.lock();
        let seats = gates.find(event_id, now)?.end_lease(reservation)?;
        gates.change(event_id, now);
        Some((gates, now, seats))
    }
}

impl fmt::Debug for InProcessSeatGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessSeatGate")
            .field("gates", &self.lock().0.buckets.len())
            .field("lease_ttl", &self.lease_ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

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

/// How long a gate is kept after it last changed or was looked at. Whoever
/// reconciles looks at those of all upcoming events.
const KEEP: Duration = Duration::from_secs(5 * 60);

/// Fewer gates than this are never searched for old ones.
const PRUNE_FROM: usize = 1_024;

/// A [`SeatGate`] in the memory of this process, for a server that has its
/// store to itself. It is empty after a start, until it is reconciled.
///
/// A gate that nobody changes or reads leaves after five minutes, so the memory
/// follows the number of events on sale.
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

    /// Changes the gate of an event otherwise than by a booking; one that is
    /// not there is made, closed. It has a generation even so: what was freed
    /// or deleted in the store makes stale what a rebuild under way has read.
    fn change(&mut self, event_id: EventId, now: Duration) -> &mut Bucket {
        self.prune(now);
        if self.find(event_id, now).is_none() {
            self.buckets.insert(event_id, Bucket::closed());
        }
        self.changes += 1;
        let bucket = self.buckets.entry(event_id).or_insert_with(Bucket::closed);
        bucket.changed(self.changes);
        bucket.keep_until(now + KEEP);
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
                bucket.lease(reservation, seats, now.saturating_add(self.lease_ttl));
                bucket.keep_until(now + KEEP);
                GateAnswer::Granted
            }
        }
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        let (mut gates, now) = self.lock();
        if let Some(bucket) = gates.find(event_id, now) {
            bucket.end_lease(reservation);
        }
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        let (mut gates, now) = self.lock();
        if let Some(bucket) = gates.find(event_id, now)
            && let Some(seats) = bucket.end_lease(reservation)
        {
            bucket.add(i64::from(seats.get()));
        }
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        let (mut gates, now) = self.lock();
        gates.change(event_id, now).add(seats);
    }

    async fn open(&self, event: EventSeats) {
        let (mut gates, now) = self.lock();
        if gates.find(event.event_id, now).is_none() {
            gates
                .change(event.event_id, now)
                .set(event.seats_available.get().into());
        }
    }

    async fn close(&self, event_id: EventId) {
        let (mut gates, now) = self.lock();
        gates.change(event_id, now).close();
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        let (mut gates, now) = self.lock();
        let readings = event_ids.iter().map(|&event_id| {
            gates.find(event_id, now).map_or(NO_GATE, |bucket| {
                bucket.drop_leases_run_out(now);
                bucket.keep_until(now + KEEP);
                bucket.reading()
            })
        });
        Ok(readings.map(Some).collect())
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        let (mut gates, now) = self.lock();
        let Some(bucket) = gates.find(event.event_id, now) else {
            return Ok(false);
        };
        bucket.drop_leases_run_out(now);
        let floor = i64::from(event.seats_available.get()) - bucket.seats_leased();
        let is_too_low = bucket.tokens().is_some_and(|tokens| tokens < floor);
        if is_too_low {
            gates.change(event.event_id, now).set(floor);
        }
        Ok(is_too_low)
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let (mut gates, now) = self.lock();
        let reading = gates
            .find(event.event_id, now)
            .map_or(NO_GATE, |bucket| bucket.reading());
        if reading.generation != generation {
            return Ok(false);
        }
        let seats_left = i64::from(event.seats_available.get());
        if reading.tokens.is_none_or(|tokens| tokens > seats_left) {
            gates.change(event.event_id, now).set(seats_left);
        }
        Ok(true)
    }
}

/// How the gate of an event stands that has none.
const NO_GATE: GateReading = GateReading {
    tokens: None,
    leases: 0,
    seats_leased: 0,
    generation: GateGeneration(0),
};

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

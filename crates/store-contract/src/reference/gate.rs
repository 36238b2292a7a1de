//! A seat gate in memory: one mutex around a map.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::model::{EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{GateAnswer, GateError, GateGeneration, GateReading, SeatGate};

/// A seat gate that lasts as long as the value does.
#[derive(Debug)]
pub struct MemoryGate {
    buckets: Mutex<BTreeMap<EventId, Bucket>>,
    lease_time: Duration,
}

#[derive(Debug, Default)]
struct Bucket {
    tokens: Option<i64>,
    leases: HashMap<ReservationId, Lease>,
    generation: u64,
}

#[derive(Debug)]
struct Lease {
    seats: i64,
    ends: Instant,
}

impl MemoryGate {
    /// A gate without events whose leases last that long.
    pub fn leasing_for(lease_time: Duration) -> Self {
        Self {
            buckets: Mutex::default(),
            lease_time,
        }
    }

    /// Makes all leases run out now.
    pub fn expire_leases(&self) {
        let now = Instant::now();
        for bucket in self.buckets().values_mut() {
            bucket
                .leases
                .values_mut()
                .for_each(|lease| lease.ends = now);
        }
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<EventId, Bucket>> {
        self.buckets.lock().expect("no holder panics")
    }

    /// Does something to the bucket of an event. `change` says whether the
    /// bucket is another one now.
    fn change(&self, event_id: EventId, change: impl FnOnce(&mut Bucket) -> bool) -> bool {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(event_id).or_default();
        let changed = change(bucket);
        bucket.generation += u64::from(changed);
        changed
    }
}

#[async_trait]
impl SeatGate for MemoryGate {
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer {
        let seats = i64::from(seats.get());
        let ends = Instant::now() + self.lease_time;
        let mut answer = GateAnswer::Granted;
        self.change(event_id, |bucket| match bucket.tokens {
            _ if bucket.leases.contains_key(&reservation) => false,
            None => {
                answer = GateAnswer::Unknown;
                false
            }
            Some(tokens_left) if tokens_left < seats => {
                answer = GateAnswer::Refused { tokens_left };
                false
            }
            Some(tokens_left) => {
                bucket.tokens = Some(tokens_left - seats);
                bucket.leases.insert(reservation, Lease { seats, ends });
                true
            }
        });
        answer
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.change(event_id, |bucket| {
            bucket.leases.remove(&reservation).is_some()
        });
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        self.change(event_id, |bucket| {
            match bucket.leases.remove(&reservation) {
                Some(lease) => {
                    bucket.tokens = bucket.tokens.map(|tokens| tokens + lease.seats);
                    true
                }
                None => false,
            }
        });
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        self.change(event_id, |bucket| {
            bucket.tokens = bucket.tokens.map(|tokens| tokens.saturating_add(seats));
            true
        });
    }

    async fn open(&self, event: EventSeats) {
        self.change(event.event_id, |bucket| {
            let is_new = bucket.tokens.is_none();
            if is_new {
                bucket.tokens = Some(event.seats_available.get().into());
            }
            is_new
        });
    }

    async fn close(&self, event_id: EventId) {
        self.change(event_id, |bucket| {
            bucket.tokens = None;
            bucket.leases.clear();
            true
        });
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<GateReading>, GateError> {
        let now = Instant::now();
        let mut readings = Vec::new();
        for event_id in event_ids {
            self.change(*event_id, |bucket| {
                let before = bucket.leases.len();
                bucket.leases.retain(|_, lease| lease.ends > now);
                before != bucket.leases.len()
            });
            let buckets = self.buckets();
            let bucket = &buckets[event_id];
            readings.push(GateReading {
                tokens: bucket.tokens,
                leases: bucket.leases.len() as u64,
                generation: GateGeneration(bucket.generation),
            });
        }
        Ok(readings)
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let now = Instant::now();
        Ok(self.change(event.event_id, |bucket| {
            let at_rest = bucket.leases.values().all(|lease| lease.ends <= now);
            if bucket.generation != generation.0 || !at_rest {
                return false;
            }
            bucket.leases.clear();
            bucket.tokens = Some(event.seats_available.get().into());
            true
        }))
    }
}

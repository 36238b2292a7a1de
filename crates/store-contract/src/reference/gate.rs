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

impl Bucket {
    fn drop_leases_run_out(&mut self) {
        let now = Instant::now();
        self.leases.retain(|_, lease| lease.ends > now);
    }

    fn seats_leased(&self) -> i64 {
        self.leases.values().map(|lease| lease.seats).sum()
    }
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
        self.book(event_id, |bucket| {
            let changed = change(bucket);
            bucket.generation += u64::from(changed);
            changed
        })
    }

    /// Does what bookings do, which does not count as a change.
    fn book<T>(&self, event_id: EventId, work: impl FnOnce(&mut Bucket) -> T) -> T {
        work(self.buckets().entry(event_id).or_default())
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
        self.book(event_id, |bucket| match bucket.tokens {
            _ if bucket.leases.contains_key(&reservation) => GateAnswer::Granted,
            None => GateAnswer::Unknown,
            Some(tokens_left) if tokens_left < seats => GateAnswer::Refused { tokens_left },
            Some(tokens_left) => {
                bucket.tokens = Some(tokens_left - seats);
                bucket.leases.insert(reservation, Lease { seats, ends });
                GateAnswer::Granted
            }
        })
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.book(event_id, |bucket| bucket.leases.remove(&reservation));
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        self.book(event_id, |bucket| {
            if let Some(lease) = bucket.leases.remove(&reservation) {
                bucket.tokens = bucket.tokens.map(|tokens| tokens + lease.seats);
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
            let is_new = bucket.tokens.is_none() && bucket.generation == 0;
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

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        let readings = event_ids.iter().map(|event_id| {
            self.book(*event_id, |bucket| {
                bucket.drop_leases_run_out();
                GateReading {
                    tokens: bucket.tokens,
                    leases: bucket.leases.len() as u64,
                    seats_leased: bucket.seats_leased(),
                    generation: GateGeneration(bucket.generation),
                }
            })
        });
        Ok(readings.map(Some).collect())
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        Ok(self.change(event.event_id, |bucket| {
            bucket.drop_leases_run_out();
            let floor = i64::from(event.seats_available.get()) - bucket.seats_leased();
            let is_too_low = bucket.tokens.is_some_and(|tokens| tokens < floor);
            if is_too_low {
                bucket.tokens = Some(floor);
            }
            is_too_low
        }))
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        let seats_left = i64::from(event.seats_available.get());
        Ok(self.book(event.event_id, |bucket| {
            if bucket.generation != generation.0 {
                return false;
            }
            if bucket.tokens.is_none_or(|tokens| tokens > seats_left) {
                bucket.tokens = Some(seats_left);
                bucket.generation += 1;
            }
            true
        }))
    }
}

//! A server: its gate, its store and its reconciliation, and the calls that it
//! serves, each as one of the use cases.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::model::{
    BookSeats, BookingId, Capacity, EventChange, EventId, EventSeats, IdempotencyKey, PublishEvent,
    ReservationId, SeatCount, UserId,
};
use domain::ports::{
    BookError, CancelError, ChangeEventError, DeleteEventError, GateAnswer, GateError,
    GateGeneration, GateReading, SeatGate, StoreError,
};
use domain::rules::BookingPolicy;
use domain::usecases::{self, GateReconciler};

use crate::database::{self, BatchSizes, SimulatedStore};
use crate::executor::{self, PROCESSES_MAX, as_owner, living, spawn};
use crate::gate::RedisSeatGate;
use crate::settings::GateSettings;
use crate::{network, watch};

/// Times of the gate, shorter than a server's so that they pass within a history.
const GATE: GateSettings = GateSettings {
    lease_ttl: Duration::from_millis(2_000),
    response_timeout: Duration::from_millis(60),
    connect_timeout: Duration::from_millis(60),
    pool_size: 4,
    cool_down: Duration::from_millis(200),
};

/// How long a block gives.
const BLOCK_LIFE: Duration = Duration::from_millis(40);

/// One life of a server.
#[derive(Clone)]
struct Server {
    gate: Arc<WatchedGate>,
    store: Arc<SimulatedStore>,
}

thread_local! {
    static SERVERS: RefCell<[Option<Server>; PROCESSES_MAX]> = const { RefCell::new([const { None }; PROCESSES_MAX]) };
    /// What remembers the events of earlier rounds; taken while a round runs.
    static RECONCILERS: RefCell<[Option<GateReconciler>; PROCESSES_MAX]> = const { RefCell::new([const { None }; PROCESSES_MAX]) };
}

fn server(process: usize) -> Option<Server> {
    SERVERS.with_borrow(|servers| servers[process].clone())
}

/// Whether it runs.
pub(crate) fn is_up(process: usize) -> bool {
    SERVERS.with_borrow(|servers| servers[process].is_some())
}

pub(crate) fn start(process: usize, sizes: BatchSizes) {
    if is_up(process) {
        return;
    }
    let server = as_owner(living(process), || Server {
        gate: Arc::new(WatchedGate(
            RedisSeatGate::try_with_block_life("redis://simulated", GATE, BLOCK_LIFE)
                .expect("settings that can work"),
        )),
        store: Arc::new(SimulatedStore::new(sizes)),
    });
    SERVERS.with_borrow_mut(|servers| servers[process] = Some(server));
    RECONCILERS.with_borrow_mut(|all| all[process] = Some(GateReconciler::default()));
}

/// Stops a process between any two of its steps.
pub(crate) fn crash(process: usize) {
    if !is_up(process) {
        return;
    }
    executor::crash(process);
    drop(SERVERS.with_borrow_mut(|servers| servers[process].take()));
    RECONCILERS.with_borrow_mut(|all| all[process] = None);
    network::forget(process);
    watch::crashed(process);
}

/// Ends all of them, without anybody's notice.
pub(crate) fn reset() {
    executor::reset();
    drop(SERVERS.take());
    drop(RECONCILERS.take());
}

/// A wish for seats. Somebody with a key may say it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) user_id: UserId,
    pub(crate) event_id: EventId,
    pub(crate) seats: SeatCount,
    pub(crate) has_key: bool,
}

pub(crate) fn book(process: usize, wish: Wish) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    let Wish {
        user_id,
        event_id,
        seats,
        has_key,
    } = wish;
    let call = watch::begin_booking(process, event_id, user_id, seats, has_key);
    watch::trace(|| format!("call {call} at process {process}: {wish:?}"));
    let command = BookSeats {
        user_id,
        event_id,
        seats,
        idempotency_key: has_key.then(|| IdempotencyKey::parse("key").expect("a key")),
    };
    // Nobody wishes for too many.
    let policy = BookingPolicy {
        seats_per_booking_max: seats,
    };
    let reservation = ReservationId::from_random_bits(call as u128);
    let is_published = database::seats_left(event_id).is_some();
    spawn(living(process), async move {
        let answer = usecases::book(&*store, &*gate, &policy, reservation, command).await;
        watch::trace(|| format!("call {call} ends: {answer:?}"));
        match answer {
            Ok(booked) => watch::booked(call, booked.booking_id, booked.replayed),
            Err(BookError::NotEnoughSeats { .. }) => watch::refused(call),
            Err(BookError::Store(trouble)) => watch::troubled(call, &trouble),
            Err(BookError::EventNotFound(_))
                if !is_published || database::seats_left(event_id).is_none() =>
            {
                watch::answered(call);
            }
            Err(BookError::EventStarted(_)) => watch::answered(call),
            Err(error) => watch::wrong(&format!("call {call} is told: {error}")),
        }
    });
}

pub(crate) fn cancel(process: usize, booking_id: BookingId) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    let Some(booking) = database::booking(booking_id) else {
        return;
    };
    let call = watch::begin_other(process, booking.event_id);
    watch::trace(|| format!("call {call} at process {process}: cancel booking {booking_id}"));
    spawn(living(process), async move {
        let answer = usecases::cancel(&*store, &*gate, booking_id).await;
        watch::trace(|| format!("call {call} ends: {answer:?}"));
        match answer {
            Ok(cancelled) => watch::cancelled(call, booking_id, cancelled.seats_returned),
            Err(CancelError::Store(trouble)) => watch::troubled(call, &trouble),
            Err(error) => watch::wrong(&format!("call {call} is told: {error}")),
        }
    });
}

pub(crate) fn publish(process: usize, details: PublishEvent) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    spawn(living(process), async move {
        let published = usecases::publish_event(&*store, &*gate, details).await;
        watch::trace(|| format!("published: {published:?}"));
        if let Err(StoreError::Failed(cause)) = published {
            watch::wrong(&format!("publishing fails: {cause}"));
        }
    });
}

pub(crate) fn resize(process: usize, event_id: EventId, capacity: Capacity) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    let call = watch::begin_other(process, event_id);
    watch::trace(|| {
        format!("call {call} at process {process}: resize event {event_id} to {capacity}")
    });
    let change = EventChange {
        capacity: Some(capacity),
        ..EventChange::default()
    };
    spawn(living(process), async move {
        let answer = usecases::change_event(&*store, &*gate, event_id, change).await;
        watch::trace(|| format!("call {call} ends: {answer:?}"));
        match answer {
            Err(ChangeEventError::Store(trouble)) => watch::troubled(call, &trouble),
            Ok(_) | Err(_) => watch::answered(call),
        }
    });
}

pub(crate) fn delete(process: usize, event_id: EventId) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    let call = watch::begin_other(process, event_id);
    watch::trace(|| format!("call {call} at process {process}: delete event {event_id}"));
    spawn(living(process), async move {
        match usecases::delete_event(&*store, &*gate, event_id).await {
            Err(DeleteEventError::Store(trouble)) => watch::troubled(call, &trouble),
            Ok(()) | Err(DeleteEventError::EventNotFound(_)) => watch::answered(call),
        }
    });
}

/// A round of reconciliation, unless one is under way there.
pub(crate) fn reconcile(process: usize) {
    let Some(Server { gate, store }) = server(process) else {
        return;
    };
    let taken = RECONCILERS.with_borrow_mut(|all| all[process].take());
    let Some(mut reconciler) = taken else { return };
    watch::trace(|| format!("process {process} reconciles"));
    spawn(living(process), async move {
        let round = watch::begin_round();
        let report = reconciler.round(&*store, &*gate).await;
        watch::trace(|| format!("process {process} reconciled: {report:?}"));
        let is_done = report.is_ok_and(|report| report.gates_busy == 0);
        watch::end_round(&round, is_done);
        RECONCILERS.with_borrow_mut(|all| all[process] = Some(reconciler));
    });
}

/// The gate, with a look at what it grants.
struct WatchedGate(RedisSeatGate);

#[async_trait]
impl SeatGate for WatchedGate {
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer {
        let answer = self.0.take(event_id, reservation, seats).await;
        if answer != GateAnswer::Granted {
            watch::untaken(reservation);
        }
        answer
    }

    async fn settle(&self, event_id: EventId, reservation: ReservationId) {
        self.0.settle(event_id, reservation).await;
    }

    async fn release(&self, event_id: EventId, reservation: ReservationId) {
        self.0.release(event_id, reservation).await;
    }

    async fn adjust(&self, event_id: EventId, seats: i64) {
        self.0.adjust(event_id, seats).await;
        watch::adjusted(event_id, seats);
    }

    async fn open(&self, event: EventSeats) {
        self.0.open(event).await;
    }

    async fn close(&self, event_id: EventId) {
        self.0.close(event_id).await;
    }

    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        self.0.read(event_ids).await
    }

    async fn raise(&self, event: EventSeats) -> Result<bool, GateError> {
        self.0.raise(event).await
    }

    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError> {
        self.0.rebuild(event, generation).await
    }
}

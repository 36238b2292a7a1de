//! What an adapter says about itself so that the suite can run on it.

use std::time::Duration;

use async_trait::async_trait;
use domain::model::{BookingId, EventId, UserId};
use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BookingRecords, BookingStore, DemoStore, EventCatalogue,
    EventStore, Maintenance, Probe, RateLimiter, Reconciliation, SalesControl, SalesReports,
    SeatGate, SessionStore, UserStore,
};

/// How a store is to be set up for a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long idempotency keys are kept at least.
    pub keep_keys: Duration,
}

/// A store under test. Each promise gets one of its own; many exist at the
/// same time.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// An empty store that no other test uses.
    async fn start(settings: StoreSettings) -> Self
    where
        Self: Sized;

    /// Gives every user and every booking one and the same `created_at`, as a
    /// clock that is too coarse would have done. No port can do that, and
    /// lists must be right in spite of it.
    async fn level_times(&self);

    /// Removes what [`start`](Self::start) made outside the program. Called
    /// after the promise, kept or broken.
    async fn stop(&self) {}

    /// The port of that name.
    fn bookings(&self) -> &dyn BookingStore;
    /// The port of that name.
    fn records(&self) -> &dyn BookingRecords;
    /// The port of that name.
    fn events(&self) -> &dyn EventStore;
    /// The port of that name.
    fn catalogue(&self) -> &dyn EventCatalogue;
    /// The port of that name.
    fn users(&self) -> &dyn UserStore;
    /// The port of that name.
    fn sales(&self) -> &dyn SalesReports;
    /// The port of that name.
    fn control(&self) -> &dyn SalesControl;
    /// The port of that name.
    fn maintenance(&self) -> &dyn Maintenance;
    /// The port of that name.
    fn demo(&self) -> &dyn DemoStore;
    /// The port of that name.
    fn probe(&self) -> &dyn Probe;
}

/// A store under test that keeps accounts too: the ports around users beside
/// those of [`Backend`].
#[async_trait]
pub trait AccountsBackend: Backend {
    /// Puts every time that is stored with sessions, their secrets and password
    /// tokens back by so much, as if it had passed: beginnings, refreshes and
    /// ends. Times of users, bookings, keys and the audit log stay.
    async fn age(&self, by: Duration);

    /// Gives every key of a service one and the same `created_at`, as
    /// [`level_times`](Backend::level_times) does with users and bookings.
    async fn level_key_times(&self);

    /// Tries to change and to remove an entry of the audit log behind the
    /// port's back, as somebody could who has the store's own credentials (an
    /// UPDATE and a DELETE, say). Says whether the store refused both. There is
    /// an entry when this is called.
    async fn tamper_with_audit(&self) -> bool;

    /// The port of that name.
    fn accounts(&self) -> &dyn AccountStore;
    /// The port of that name.
    fn sessions(&self) -> &dyn SessionStore;
    /// The port of that name.
    fn api_keys(&self) -> &dyn ApiKeyStore;
    /// The port of that name.
    fn audit(&self) -> &dyn AuditLog;
}

/// A store under test that is compared with its bookings.
#[async_trait]
pub trait ReconciliationBackend: Backend {
    /// Does that to the store behind the back of its ports.
    async fn damage(&self, damage: Damage);

    /// The port of that name.
    fn reconciliation(&self) -> &dyn Reconciliation;
}

/// What somebody who has the store's own credentials may do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Says that an event has so many seats left.
    SeatsAvailable(EventId, u32),
    /// Says that an event has so many confirmed bookings, or nothing at all.
    Figure(EventId, Option<u32>),
    /// Says that there are so many more confirmed bookings in all.
    Total(u32),
    /// Adds a confirmed booking of so many seats, and counts it nowhere.
    Booking(UserId, EventId, u32),
    /// Forgets that the bookings of a deleted event are still to be marked.
    Marking(EventId),
    /// Has a key of that user stand for a booking, as if one seat of the event
    /// had been asked for.
    Key(UserId, BookingId, EventId),
}

impl Damage {
    /// Statements that do it in tables as this workspace's stores have them.
    pub fn to_sql(self) -> String {
        match self {
            Self::SeatsAvailable(event_id, seats) => {
                format!("UPDATE events SET seats_available = {seats} WHERE id = {event_id}")
            }
            Self::Figure(event_id, figure) => {
                let forget = format!("DELETE FROM event_sales WHERE event_id = {event_id}");
                let Some(figure) = figure else {
                    return forget;
                };
                format!(
                    "{forget}; INSERT INTO event_sales (event_id, confirmed_bookings)
                     VALUES ({event_id}, {figure})"
                )
            }
            Self::Total(more) => format!(
                "UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + {more}
                 WHERE slot = 0"
            ),
            Self::Booking(user_id, event_id, seats) => format!(
                "INSERT INTO bookings (user_id, event_id, seats)
                 VALUES ({user_id}, {event_id}, {seats})"
            ),
            Self::Marking(event_id) => {
                format!("DELETE FROM deletions_pending WHERE event_id = {event_id}")
            }
            Self::Key(user_id, booking_id, event_id) => format!(
                "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
                 VALUES ({user_id}, 'damage', {booking_id}, {event_id}, 1)"
            ),
        }
    }
}

/// A seat gate under test. Each promise gets one of its own; many exist at the
/// same time.
#[async_trait]
pub trait GateBackend: Send + Sync + 'static {
    /// A gate that knows no event. A lease of it lasts `lease_time`.
    async fn start(lease_time: Duration) -> Self
    where
        Self: Sized;

    /// Makes all leases that are out run out now, without dropping them: by
    /// setting a clock ahead, or the ends of the leases back.
    async fn expire_leases(&self);

    /// Removes what [`start`](Self::start) made outside the program. Called
    /// after the promise, kept or broken.
    async fn stop(&self) {}

    /// The gate.
    fn gate(&self) -> &dyn SeatGate;
}

/// A rate limiter under test. Each promise gets one of its own; many exist at
/// the same time.
#[async_trait]
pub trait LimiterBackend: Send + Sync + 'static {
    /// A limiter that has seen nobody.
    async fn start() -> Self
    where
        Self: Sized;

    /// Lets so much time pass for the limiter: by setting its clocks ahead, or
    /// what it remembers back.
    async fn pass(&self, time: Duration);

    /// Removes what [`start`](Self::start) made outside the program. Called
    /// after the promise, kept or broken.
    async fn stop(&self) {}

    /// The limiter.
    fn limiter(&self) -> &dyn RateLimiter;
}

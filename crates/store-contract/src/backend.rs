//! What an adapter says about itself so that the suite can run on it.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BookingRecords, BookingStore, DemoStore, EventCatalogue,
    EventStore, Maintenance, Probe, RateLimiter, SalesReports, SeatGate, SessionStore, UserStore,
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

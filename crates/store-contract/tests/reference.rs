//! The suite on the reference store, gate and limiter: it must hold for what is right
//! by construction.

use std::time::Duration;

use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BookingRecords, BookingStore, DemoStore, EventCatalogue,
    EventStore, Maintenance, Probe, RateLimiter, Reconciliation, SalesControl, SalesReports,
    SeatGate, SessionStore, UserStore,
};
use store_contract::reference::{MemoryGate, MemoryLimiter, MemoryStore};
use store_contract::{
    AccountsBackend, Backend, Damage, GateBackend, LimiterBackend, ReconciliationBackend,
    StoreSettings, async_trait,
};

struct Store(MemoryStore);

#[async_trait]
impl Backend for Store {
    async fn start(settings: StoreSettings) -> Self {
        Self(MemoryStore::keeping_keys(settings.keep_keys))
    }

    async fn level_times(&self) {
        self.0.level_times();
    }

    fn bookings(&self) -> &dyn BookingStore {
        &self.0
    }

    fn records(&self) -> &dyn BookingRecords {
        &self.0
    }

    fn events(&self) -> &dyn EventStore {
        &self.0
    }

    fn catalogue(&self) -> &dyn EventCatalogue {
        &self.0
    }

    fn users(&self) -> &dyn UserStore {
        &self.0
    }

    fn sales(&self) -> &dyn SalesReports {
        &self.0
    }

    fn control(&self) -> &dyn SalesControl {
        &self.0
    }

    fn maintenance(&self) -> &dyn Maintenance {
        &self.0
    }

    fn demo(&self) -> &dyn DemoStore {
        &self.0
    }

    fn probe(&self) -> &dyn Probe {
        &self.0
    }
}

#[async_trait]
impl AccountsBackend for Store {
    async fn age(&self, by: Duration) {
        self.0.age(by);
    }

    async fn level_key_times(&self) {
        self.0.level_key_times();
    }

    /// Nobody can reach the log but through the port.
    async fn tamper_with_audit(&self) -> bool {
        true
    }

    fn accounts(&self) -> &dyn AccountStore {
        &self.0
    }

    fn sessions(&self) -> &dyn SessionStore {
        &self.0
    }

    fn api_keys(&self) -> &dyn ApiKeyStore {
        &self.0
    }

    fn audit(&self) -> &dyn AuditLog {
        &self.0
    }
}

#[async_trait]
impl ReconciliationBackend for Store {
    async fn damage(&self, damage: Damage) {
        self.0.damage(damage);
    }

    fn reconciliation(&self) -> &dyn Reconciliation {
        &self.0
    }
}

struct Gate(MemoryGate);

#[async_trait]
impl GateBackend for Gate {
    async fn start(lease_time: Duration) -> Self {
        Self(MemoryGate::leasing_for(lease_time))
    }

    async fn expire_leases(&self) {
        self.0.expire_leases();
    }

    fn gate(&self) -> &dyn SeatGate {
        &self.0
    }
}

struct Limiter(MemoryLimiter);

#[async_trait]
impl LimiterBackend for Limiter {
    async fn start() -> Self {
        Self(MemoryLimiter::default())
    }

    async fn pass(&self, time: Duration) {
        self.0.pass(time);
    }

    fn limiter(&self) -> &dyn RateLimiter {
        &self.0
    }
}

store_contract::store_contract!(Store);
store_contract::accounts_contract!(Store);
store_contract::reconciliation_contract!(Store);
store_contract::gate_contract!(Gate);
store_contract::limiter_contract!(Limiter);

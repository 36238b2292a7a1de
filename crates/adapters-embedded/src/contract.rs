//! The promises of the ports, kept by a file, by memory, by the gate and by the
//! rate limiter.
//!
//! Not a test from outside, because one step of it is none of the ports': rows
//! with equal times, which only the crate itself can make in memory.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BookingRecords, BookingStore, DemoStore, EventCatalogue,
    EventStore, Maintenance, Probe, RateLimiter, Reconciliation, SalesControl, SalesReports,
    SeatGate, SessionStore, StoreError, UserStore,
};
use store_contract::{
    AccountsBackend, Backend, Damage, GateBackend, LimiterBackend, ReconciliationBackend,
    StoreSettings, async_trait,
};
use tempfile::TempDir;

use crate::error::before_commit;
use crate::{
    Database, InProcessRateLimiter, InProcessSeatGate, SqliteAccountStore, SqliteApiKeyStore,
    SqliteAuditLog, SqliteBookingRecords, SqliteBookingStore, SqliteDemoStore, SqliteEventStore,
    SqliteLocation, SqliteMaintenance, SqliteProbe, SqliteReconciliation, SqliteSalesControl,
    SqliteSalesReports, SqliteSessionStore, SqliteSettings, SqliteUserStore,
};

/// Where a store under test keeps its data.
trait Place: Send + Sync + Sized + 'static {
    fn make() -> (SqliteLocation, Option<TempDir>);
}

struct File;

impl Place for File {
    fn make() -> (SqliteLocation, Option<TempDir>) {
        let folder = tempfile::tempdir().expect("a folder");
        let location = SqliteLocation::File(folder.path().join("data/utsavam.db"));
        (location, Some(folder))
    }
}

struct Memory;

impl Place for Memory {
    fn make() -> (SqliteLocation, Option<TempDir>) {
        (SqliteLocation::Memory, None)
    }
}

/// The database goes before the folder that it is in.
struct Store<P> {
    bookings: SqliteBookingStore,
    records: SqliteBookingRecords,
    events: SqliteEventStore,
    users: SqliteUserStore,
    sales: SqliteSalesReports,
    control: SqliteSalesControl,
    maintenance: SqliteMaintenance,
    demo: SqliteDemoStore,
    probe: SqliteProbe,
    accounts: SqliteAccountStore,
    sessions: SqliteSessionStore,
    api_keys: SqliteApiKeyStore,
    audit: SqliteAuditLog,
    reconciliation: SqliteReconciliation,
    database: Database,
    _folder: Option<TempDir>,
    _place: PhantomData<P>,
}

impl<P: Place> Store<P> {
    /// What no port can do.
    async fn by_hand(&self, statements: String) -> Result<(), StoreError> {
        self.database
            .write("by_hand", move |connection| {
                connection.batch_execute(&statements).map_err(before_commit)
            })
            .await
    }
}

#[async_trait]
impl<P: Place> Backend for Store<P> {
    async fn start(settings: StoreSettings) -> Self {
        let (location, folder) = P::make();
        let settings = SqliteSettings {
            keep_keys: settings.keep_keys,
            // A busy machine with many tests is no reason to turn away a booking.
            busy_timeout: Duration::from_secs(60),
            ..SqliteSettings::new(location)
        };
        let database = Database::open(&settings).expect("a new database opens");
        let db = || database.clone();
        Self {
            bookings: SqliteBookingStore::new(db()),
            records: SqliteBookingRecords::new(db()),
            events: SqliteEventStore::new(db()),
            users: SqliteUserStore::new(db()),
            sales: SqliteSalesReports::new(db()),
            control: SqliteSalesControl::new(db()),
            maintenance: SqliteMaintenance::new(db()),
            demo: SqliteDemoStore::new(db()),
            probe: SqliteProbe::new(db()),
            accounts: SqliteAccountStore::new(db()),
            sessions: SqliteSessionStore::new(db()),
            api_keys: SqliteApiKeyStore::new(db()),
            audit: SqliteAuditLog::new(db()),
            reconciliation: SqliteReconciliation::new(db()),
            database,
            _folder: folder,
            _place: PhantomData,
        }
    }

    async fn level_times(&self) {
        const LEVEL: &str = "UPDATE users SET created_at = 1; UPDATE bookings SET created_at = 1";
        self.by_hand(LEVEL.to_owned()).await.expect("levelled");
    }

    fn bookings(&self) -> &dyn BookingStore {
        &self.bookings
    }

    fn records(&self) -> &dyn BookingRecords {
        &self.records
    }

    fn events(&self) -> &dyn EventStore {
        &self.events
    }

    fn catalogue(&self) -> &dyn EventCatalogue {
        &self.events
    }

    fn users(&self) -> &dyn UserStore {
        &self.users
    }

    fn sales(&self) -> &dyn SalesReports {
        &self.sales
    }

    fn control(&self) -> &dyn SalesControl {
        &self.control
    }

    fn maintenance(&self) -> &dyn Maintenance {
        &self.maintenance
    }

    fn demo(&self) -> &dyn DemoStore {
        &self.demo
    }

    fn probe(&self) -> &dyn Probe {
        &self.probe
    }
}

#[async_trait]
impl<P: Place> AccountsBackend for Store<P> {
    async fn age(&self, by: Duration) {
        let by = by.as_micros();
        self.by_hand(format!(
            "UPDATE sessions SET
                 access_until = access_until - {by}, refresh_until = refresh_until - {by},
                 created_at = created_at - {by}, refreshed_at = refreshed_at - {by};
             UPDATE spent_refresh_secrets SET refresh_until = refresh_until - {by};
             UPDATE password_tokens SET good_until = good_until - {by};"
        ))
        .await
        .expect("aged");
    }

    async fn level_key_times(&self) {
        let level = "UPDATE api_keys SET created_at = 1".to_owned();
        self.by_hand(level).await.expect("levelled");
    }

    async fn tamper_with_audit(&self) -> bool {
        let change = "UPDATE audit_log SET action = 'none of this'".to_owned();
        let remove = "DELETE FROM audit_log".to_owned();
        let replace = "REPLACE INTO audit_log (id, at, actor_kind, action, request_id)
                       SELECT id, at, 'system', action, request_id FROM audit_log";
        let changed = self.by_hand(change).await;
        let removed = self.by_hand(remove).await;
        let replaced = self.by_hand(replace.to_owned()).await;
        changed.is_err() && removed.is_err() && replaced.is_err()
    }

    fn accounts(&self) -> &dyn AccountStore {
        &self.accounts
    }

    fn sessions(&self) -> &dyn SessionStore {
        &self.sessions
    }

    fn api_keys(&self) -> &dyn ApiKeyStore {
        &self.api_keys
    }

    fn audit(&self) -> &dyn AuditLog {
        &self.audit
    }
}

#[async_trait]
impl<P: Place> ReconciliationBackend for Store<P> {
    async fn damage(&self, damage: Damage) {
        self.by_hand(damage.to_sql()).await.expect("damaged");
    }

    fn reconciliation(&self) -> &dyn Reconciliation {
        &self.reconciliation
    }
}

/// A gate whose clock goes by itself and can be set ahead.
struct Gate {
    gate: InProcessSeatGate,
    ahead_ms: Arc<AtomicU64>,
    lease_time: Duration,
}

#[async_trait]
impl GateBackend for Gate {
    async fn start(lease_time: Duration) -> Self {
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let (start, ahead) = (Instant::now(), Arc::clone(&ahead_ms));
        let clock = move || start.elapsed() + Duration::from_millis(ahead.load(Ordering::SeqCst));
        Self {
            gate: InProcessSeatGate::with_clock(lease_time, clock),
            ahead_ms,
            lease_time,
        }
    }

    async fn expire_leases(&self) {
        let lease_ms = u64::try_from(self.lease_time.as_millis()).expect("not that long");
        self.ahead_ms.fetch_add(lease_ms + 1, Ordering::SeqCst);
    }

    fn gate(&self) -> &dyn SeatGate {
        &self.gate
    }
}

/// A limiter whose clock goes by itself and can be set ahead.
struct Limiter {
    limiter: InProcessRateLimiter,
    ahead_ms: Arc<AtomicU64>,
}

#[async_trait]
impl LimiterBackend for Limiter {
    async fn start() -> Self {
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let (start, ahead) = (Instant::now(), Arc::clone(&ahead_ms));
        let clock = move || start.elapsed() + Duration::from_millis(ahead.load(Ordering::SeqCst));
        Self {
            limiter: InProcessRateLimiter::with_clock(clock),
            ahead_ms,
        }
    }

    async fn pass(&self, time: Duration) {
        // A rest of a millisecond counts as a whole one.
        let time_ms = u64::try_from(time.as_millis()).expect("not that long") + 1;
        self.ahead_ms.fetch_add(time_ms, Ordering::SeqCst);
    }

    fn limiter(&self) -> &dyn RateLimiter {
        &self.limiter
    }
}

mod file {
    store_contract::store_contract!(super::Store<super::File>);
    store_contract::accounts_contract!(super::Store<super::File>);
    store_contract::reconciliation_contract!(super::Store<super::File>);
}

mod memory {
    store_contract::store_contract!(super::Store<super::Memory>);
    store_contract::accounts_contract!(super::Store<super::Memory>);
    store_contract::reconciliation_contract!(super::Store<super::Memory>);
}

mod in_process {
    store_contract::gate_contract!(super::Gate);
    store_contract::limiter_contract!(super::Limiter);
}

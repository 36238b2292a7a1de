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
    BookingRecords, BookingStore, DemoStore, EventCatalogue, EventStore, Maintenance, Probe,
    RateLimiter, SalesReports, SeatGate, UserStore,
};
use store_contract::{Backend, GateBackend, LimiterBackend, StoreSettings, async_trait};
use tempfile::TempDir;

use crate::error::before_commit;
use crate::{
    Database, InProcessRateLimiter, InProcessSeatGate, SqliteBookingRecords, SqliteBookingStore,
    SqliteDemoStore, SqliteEventStore, SqliteLocation, SqliteMaintenance, SqliteProbe,
    SqliteSalesReports, SqliteSettings, SqliteUserStore,
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
    maintenance: SqliteMaintenance,
    demo: SqliteDemoStore,
    probe: SqliteProbe,
    database: Database,
    _folder: Option<TempDir>,
    _place: PhantomData<P>,
}

#[async_trait]
impl<P: Place> Backend for Store<P> {
    async fn start(settings: StoreSettings) -> Self {
        let (location, folder) = P::make();
        let settings = SqliteSettings {
            keep_keys: settings.keep_keys,
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
            maintenance: SqliteMaintenance::new(db()),
            demo: SqliteDemoStore::new(db()),
            probe: SqliteProbe::new(db()),
            database,
            _folder: folder,
            _place: PhantomData,
        }
    }

    async fn level_times(&self) {
        const LEVEL: &str = "UPDATE users SET created_at = 1; UPDATE bookings SET created_at = 1";
        self.database
            .write(|connection| connection.batch_execute(LEVEL).map_err(before_commit))
            .await
            .expect("levelled");
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
}

mod memory {
    store_contract::store_contract!(super::Store<super::Memory>);
}

mod in_process {
    store_contract::gate_contract!(super::Gate);
    store_contract::limiter_contract!(super::Limiter);
}

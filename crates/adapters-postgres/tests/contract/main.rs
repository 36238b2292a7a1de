//! The contract of every store, on PostgreSQL (`DATABASE_URL`), and what is
//! promised of its batches. Each promise has a database of its own.

mod batches;
mod support;

use adapters_postgres::{
    PgBookingRecords, PgBookingStore, PgDemoStore, PgEventStore, PgMaintenance, PgProbe,
    PgSalesReports, PgUserStore,
};
use domain::ports::{
    BookingRecords, BookingStore, DemoStore, EventCatalogue, EventStore, Maintenance, Probe,
    SalesReports, UserStore,
};
use store_contract::{Backend, StoreSettings, async_trait, store_contract};

struct Postgres {
    name: String,
    bookings: PgBookingStore,
    records: PgBookingRecords,
    events: PgEventStore,
    users: PgUserStore,
    sales: PgSalesReports,
    maintenance: PgMaintenance,
    demo: PgDemoStore,
    probe: PgProbe,
}

#[async_trait]
impl Backend for Postgres {
    async fn start(settings: StoreSettings) -> Self {
        let name = support::unique_name();
        let database = support::database(&name, settings.keep_keys).await;
        Self {
            name,
            bookings: PgBookingStore::new(database.clone()),
            records: PgBookingRecords::new(database.clone()),
            events: PgEventStore::new(database.clone()),
            users: PgUserStore::new(database.clone()),
            sales: PgSalesReports::new(database.clone()),
            maintenance: PgMaintenance::new(database.clone()),
            demo: PgDemoStore::new(database.clone()),
            probe: PgProbe::new(database),
        }
    }

    async fn level_times(&self) {
        let now = "date_trunc('milliseconds', now())";
        let level =
            format!("UPDATE users SET created_at = {now}; UPDATE bookings SET created_at = {now}");
        support::run(Some(&self.name), &level).await;
    }

    /// FORCE ends the sessions of the pool.
    async fn stop(&self) {
        support::run(None, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
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

store_contract!(Postgres);

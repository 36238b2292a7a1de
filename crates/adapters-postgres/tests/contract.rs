//! The contract of every store, on PostgreSQL (`DATABASE_URL`). Each promise
//! has a database of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters_postgres::{
    Database, Limits, PgBookingRecords, PgBookingStore, PgDemoStore, PgEventStore, PgMaintenance,
    PgProbe, PgSalesReports, PgSettings, PgUserStore,
};
use domain::ports::{
    BookingRecords, BookingStore, DemoStore, EventCatalogue, EventStore, Maintenance, Probe,
    SalesReports, UserStore,
};
use store_contract::{Backend, StoreSettings, async_trait, store_contract};
use tokio_postgres::{Config, NoTls};

/// A busy machine with many tests is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let name = unique_name();
        run(None, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        let settings = PgSettings {
            url: url_of(&name),
            pool_size: 4,
            acquire_timeout: PATIENCE,
            connect_timeout: PATIENCE,
            lock_timeout: PATIENCE,
            statement_timeout: PATIENCE,
            keep_keys: settings.keep_keys,
            batches: Limits::default(),
        };
        adapters_postgres::migrate(&settings)
            .await
            .expect("migrated");
        let database = Database::connect(&settings, PATIENCE)
            .await
            .expect("connected");
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
        run(Some(&self.name), &level).await;
    }

    /// FORCE ends the sessions of the pool.
    async fn stop(&self) {
        run(None, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
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

fn admin_url() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL: run through make test")
}

/// The same server, another database.
fn url_of(database: &str) -> String {
    let url = admin_url();
    let (url, options) = match url.split_once('?') {
        Some((url, options)) => (url, format!("?{options}")),
        None => (url.as_str(), String::new()),
    };
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let server = match url[authority..].find('/') {
        Some(slash) => &url[..authority + slash],
        None => url,
    };
    format!("{server}/{database}{options}")
}

fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let process = std::process::id();
    format!("contract_{process}_{count}_{}", now.as_nanos())
}

/// Runs statements in that database, or in the one of `DATABASE_URL`.
async fn run(database: Option<&str>, statements: &str) {
    let url = database.map_or_else(admin_url, url_of);
    let config: Config = url.parse().expect("DATABASE_URL is a URL");
    let (client, connection) = config.connect(NoTls).await.expect("PostgreSQL is there");
    tokio::spawn(connection);
    let ran = client.batch_execute(statements).await;
    ran.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

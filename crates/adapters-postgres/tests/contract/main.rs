//! The contract of every store, on PostgreSQL (`DATABASE_URL`), and what is
//! promised of its batches and its migrations. Each promise has a database of
//! its own.

mod after_the_row;
mod audit_batches;
mod batches;
mod line;
mod migrations;
mod pause_and_bookings;
mod shop;
mod silence;
mod standing;
mod support;

use std::time::Duration;

use adapters_postgres::{
    PgAccountStore, PgApiKeyStore, PgAuditLog, PgBookingRecords, PgBookingStore, PgDemoStore,
    PgEventStore, PgMaintenance, PgProbe, PgReconciliation, PgSalesControl, PgSalesReports,
    PgSessionStore, PgUserStore,
};
use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BookingRecords, BookingStore, DemoStore, EventCatalogue,
    EventStore, Maintenance, Probe, Reconciliation, SalesControl, SalesReports, SessionStore,
    UserStore,
};
use store_contract::{
    AccountsBackend, Backend, Damage, ReconciliationBackend, StoreSettings, accounts_contract,
    async_trait, reconciliation_contract, store_contract,
};

struct Postgres {
    name: String,
    bookings: PgBookingStore,
    records: PgBookingRecords,
    events: PgEventStore,
    users: PgUserStore,
    sales: PgSalesReports,
    control: PgSalesControl,
    maintenance: PgMaintenance,
    demo: PgDemoStore,
    probe: PgProbe,
    accounts: PgAccountStore,
    sessions: PgSessionStore,
    api_keys: PgApiKeyStore,
    audit: PgAuditLog,
    reconciliation: PgReconciliation,
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
            control: PgSalesControl::new(database.clone()),
            maintenance: PgMaintenance::new(database.clone()),
            demo: PgDemoStore::new(database.clone()),
            probe: PgProbe::new(database.clone()),
            accounts: PgAccountStore::new(database.clone()),
            sessions: PgSessionStore::new(database.clone()),
            api_keys: PgApiKeyStore::new(database.clone()),
            audit: PgAuditLog::new(database.clone()),
            reconciliation: PgReconciliation::new(database),
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
impl AccountsBackend for Postgres {
    async fn age(&self, by: Duration) {
        let by = format!("interval '{} seconds'", by.as_secs_f64());
        let age = format!(
            "UPDATE sessions SET access_until = access_until - {by},
                 refresh_until = refresh_until - {by}, refreshed_at = refreshed_at - {by};
             UPDATE spent_refresh_secrets SET good_until = good_until - {by};
             UPDATE password_tokens SET good_until = good_until - {by}"
        );
        support::run(Some(&self.name), &age).await;
    }

    async fn level_key_times(&self) {
        let level = "UPDATE api_keys SET created_at = date_trunc('milliseconds', now())";
        support::run(Some(&self.name), level).await;
    }

    async fn tamper_with_audit(&self) -> bool {
        let session = support::session(Some(&self.name)).await;
        let attempts = [
            "UPDATE audit_log SET action = 'nothing'",
            "DELETE FROM audit_log",
            "TRUNCATE audit_log",
            "SET session_replication_role = replica; DELETE FROM audit_log",
        ];
        for attempt in attempts {
            if session.batch_execute(attempt).await.is_ok() {
                return false;
            }
        }
        true
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
impl ReconciliationBackend for Postgres {
    async fn damage(&self, damage: Damage) {
        support::run(Some(&self.name), &damage.to_sql()).await;
    }

    fn reconciliation(&self) -> &dyn Reconciliation {
        &self.reconciliation
    }
}

store_contract!(Postgres);
accounts_contract!(Postgres);
reconciliation_contract!(Postgres);

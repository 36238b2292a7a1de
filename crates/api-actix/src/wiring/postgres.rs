//! The stores on PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::{
    ConnectError, Database, Limits, MigrateError, Migrated, PgAccountStore, PgApiKeyStore,
    PgArchive, PgAuditLog, PgBookingRecords, PgBookingStore, PgDemoStore, PgEventStore,
    PgMaintenance, PgProbe, PgReconciliation, PgReplicaCatalogue, PgReplicaReports, PgSalesControl,
    PgSalesReports, PgSessionStore, PgSettings, PgUserStore, Pooler, Replica,
};

use domain::ports::{EventCatalogue, SalesReports};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::failure::{Failure, with_causes};
use crate::metrics::Metrics;
use crate::redact::redact_url;
use crate::settings::{self, Settings};

use super::{Queue, Schema, Stores, escaping, meters};

pub(super) struct Plan {
    settings: PgSettings,
    wait: Duration,
    replica: Option<ReplicaPlan>,
}

/// The replica of the settings.
struct ReplicaPlan {
    settings: PgSettings,
    lag_max: Duration,
}

impl Plan {
    pub(super) fn try_new(settings: &Settings) -> Result<Self, Failure> {
        let database = &settings.database;
        let pg = PgSettings {
            url: database.url.clone(),
            pooler: match database.pooler {
                settings::Pooler::None => Pooler::None,
                settings::Pooler::Session => Pooler::Session,
            },
            pool_size: database.pool_size,
            acquire_timeout: database.acquire_timeout,
            connect_timeout: database.connect_timeout,
            answer_timeout: database.answer_timeout,
            lock_timeout: database.lock_timeout,
            statement_timeout: database.statement_timeout,
            commit_timeout: database.commit_timeout,
            keep_keys: settings.idempotency.keep,
            batches: batches(settings),
        };
        let replica = database.replica_url.as_ref().map(|url| ReplicaPlan {
            settings: PgSettings {
                url: url.clone(),
                ..pg.clone()
            },
            lag_max: database.replica_lag_max,
        });
        if let Some(replica) = &replica {
            let checked = replica.settings.check();
            checked.map_err(|error| replica.refused(&error))?;
        }
        Ok(Self {
            settings: pg,
            wait: database.wait,
            replica,
        })
    }

    /// Waits for the server, sees to the schema, and opens a pool.
    pub(super) async fn open(
        self,
        schema: Schema,
        metrics: &Metrics,
    ) -> Result<(Stores, String), Failure> {
        let database = self.connect().await?;
        let migrated = match schema {
            Schema::Migrate => adapters_postgres::migrate(&self.settings)
                .await
                .map_err(not_migrated)?,
            Schema::MustBeCurrent => Migrated::Nothing,
        };
        require_current(&database).await?;
        let place = format!("PostgreSQL at {}", redact_url(&self.settings.url));
        let database = database.observed(Arc::new(metrics.transaction_observer()));
        let replica = self.replica.map(|replica| replica.follow(&database));
        let replica = replica.transpose()?;
        Ok((
            stores(database, replica, place, metrics),
            describe(migrated),
        ))
    }

    async fn connect(&self) -> Result<Database, Failure> {
        Database::connect(&self.settings, self.wait)
            .await
            .map_err(|error| {
                let hint = escaping::hint(&self.settings.url);
                Failure::new(match error {
                    ConnectError::Unreachable(_) => {
                        format!(
                            "{error} (setting database.url, waited {:?}){hint}",
                            self.wait
                        )
                    }
                    error => format!("the setting database.url (DATABASE_URL) {error}{hint}"),
                })
            })
    }
}

impl ReplicaPlan {
    /// Does not wait for it: without it everything works.
    fn follow(self, primary: &Database) -> Result<Replica, Failure> {
        let followed = Replica::follow(&self.settings, self.lag_max, primary);
        followed.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &ConnectError) -> Failure {
        let hint = escaping::hint(&self.settings.url);
        Failure::new(format!(
            "the setting database.replica_url (REPLICA_URL) {error}{hint}"
        ))
    }
}

async fn require_current(database: &Database) -> Result<(), Failure> {
    let current = adapters_postgres::schema_is_current(database)
        .await
        .map_err(|error| {
            Failure::new(format!(
                "the schema cannot be checked: {}",
                with_causes(&error)
            ))
        })?;
    if current {
        return Ok(());
    }
    Err(Failure::new(
        "the schema of the database is not current: run `utsavam migrate`, \
         or allow it with the setting database.migrate_on_start=true",
    ))
}

fn not_migrated(error: MigrateError) -> Failure {
    match error {
        MigrateError::Refused(_) => Failure::new(error.to_string()),
        error => Failure::new(format!("the database was not migrated: {error}")),
    }
}

fn describe(migrated: Migrated) -> String {
    match migrated {
        Migrated::Nothing => "the schema is current".to_owned(),
        Migrated::Applied(1) => "1 migration applied".to_owned(),
        Migrated::Applied(n) => format!("{n} migrations applied"),
        Migrated::Adopted {
            users,
            events,
            bookings,
        } => format!(
            "database of the Python service taken over: {users} users, {events} events, {bookings} bookings"
        ),
    }
}

impl Queue for PgBookingStore {
    fn drain(&self) -> BoxFuture<'_, ()> {
        PgBookingStore::drain(self).boxed()
    }
}

fn stores(
    database: Database,
    replica: Option<Replica>,
    place: String,
    metrics: &Metrics,
) -> Stores {
    let events = Arc::new(PgEventStore::new(database.clone()));
    let observer = |queue| Some(metrics.batches.observer(queue));
    let bookings = PgBookingStore::observed(
        database.clone(),
        observer(meters::BOOKINGS),
        Some(metrics.hottest.clone()),
    );
    let audit = PgAuditLog::observed(database.clone(), observer(meters::AUDIT));
    let (bookings, audit) = (Arc::new(bookings), Arc::new(audit));
    meters::watch_postgres(metrics, &database, &bookings, &audit);
    let sales = PgSalesReports::new(database.clone());
    let (catalogue, sales): (Arc<dyn EventCatalogue>, Arc<dyn SalesReports>) = match replica {
        Some(replica) => {
            let replica = Arc::new(replica);
            meters::watch_replica(metrics, &replica);
            let catalogue = PgReplicaCatalogue::new(events.clone(), replica.clone());
            (
                Arc::new(catalogue),
                Arc::new(PgReplicaReports::new(sales, replica)),
            )
        }
        None => (events.clone(), Arc::new(sales)),
    };
    Stores {
        bookings: bookings.clone(),
        records: Arc::new(PgBookingRecords::new(database.clone())),
        events,
        catalogue,
        users: Arc::new(PgUserStore::new(database.clone())),
        accounts: Arc::new(PgAccountStore::new(database.clone())),
        sessions: Arc::new(PgSessionStore::new(database.clone())),
        api_keys: Arc::new(PgApiKeyStore::new(database.clone())),
        audit,
        sales,
        control: Arc::new(PgSalesControl::new(database.clone())),
        demo: Arc::new(PgDemoStore::new(database.clone())),
        maintenance: Arc::new(PgMaintenance::new(database.clone())),
        reconciliation: Arc::new(PgReconciliation::new(database.clone())),
        archive: Arc::new(PgArchive::new(database.clone())),
        probe: Arc::new(PgProbe::new(database)),
        queue: Some(bookings),
        let_go: None,
        place,
    }
}

/// How bookings share transactions. As many events as there are commands.
fn batches(settings: &Settings) -> Limits {
    let booking = &settings.booking;
    Limits {
        commands_per_batch_max: booking.batch_max,
        keys_per_batch_max: booking.batch_max,
        batches_max: booking.batches_max,
        batches_alone_max: booking.batches_max,
        waiting_per_key_max: booking.queue_per_event_max,
        waiting_max: booking.queue_max,
    }
}

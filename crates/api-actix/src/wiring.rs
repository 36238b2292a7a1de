//! Which adapter stands behind which port, going by the settings.

use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::{
    ConnectError, Database, PgArchive, PgBookingRecords, PgBookingStore, PgDemoStore, PgEventStore,
    PgMaintenance, PgProbe, PgSalesReports, PgSettings, PgUserStore,
};
use adapters_redis::RedisSeatGate;
use domain::model::SeatCount;
use domain::ports::{
    Archive, BookingRecords, BookingStore, DemoStore, EventCatalogue, EventStore, Maintenance,
    NoGate, Probe, SalesReports, SeatGate, UserStore,
};
use domain::rules::BookingPolicy;

use crate::commands::Failure;
use crate::settings::Settings;

/// Everything that use cases and handlers need, behind ports.
pub(crate) struct Services {
    pub(crate) bookings: Arc<dyn BookingStore>,
    pub(crate) records: Arc<dyn BookingRecords>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) catalogue: Arc<dyn EventCatalogue>,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) sales: Arc<dyn SalesReports>,
    pub(crate) demo: Arc<dyn DemoStore>,
    pub(crate) maintenance: Arc<dyn Maintenance>,
    pub(crate) archive: Arc<dyn Archive>,
    pub(crate) gate: Arc<dyn SeatGate>,
    /// Without it nothing works.
    pub(crate) database_probe: Arc<dyn Probe>,
    /// Without it everything works, slower; `None` when there is no gate.
    pub(crate) gate_probe: Option<Arc<dyn Probe>>,
    pub(crate) policy: BookingPolicy,
}

/// The adapters that the settings ask for, before anything is connected: a
/// wrong setting is found before a start waits for anybody.
pub(crate) struct Plan {
    pub(crate) database: PgSettings,
    wait: Duration,
    gate: Arc<dyn SeatGate>,
    gate_probe: Option<Arc<dyn Probe>>,
    policy: BookingPolicy,
}

impl Plan {
    pub(crate) fn try_new(settings: &Settings) -> Result<Self, Failure> {
        let (gate, gate_probe) = gate(settings)?;
        let seats_per_booking_max = SeatCount::try_new(settings.booking.seats_max.into())
            .map_err(|invalid| Failure::new(format!("the setting booking.seats_max {invalid}")))?;
        Ok(Self {
            database: pg_settings(settings)?,
            wait: settings.database.wait,
            gate,
            gate_probe,
            policy: BookingPolicy {
                seats_per_booking_max,
            },
        })
    }

    /// Waits for the database and opens a pool.
    pub(crate) async fn connect(&self) -> Result<Database, Failure> {
        Database::connect(&self.database, self.wait)
            .await
            .map_err(|error| {
                Failure::new(match error {
                    ConnectError::Unreachable(_) => {
                        format!("{error} (setting database.url, waited {:?})", self.wait)
                    }
                    error => format!("the setting database.url {error}"),
                })
            })
    }

    /// Puts the adapters behind their ports.
    pub(crate) fn services(self, database: Database) -> Services {
        let events = Arc::new(PgEventStore::new(database.clone()));
        Services {
            bookings: Arc::new(PgBookingStore::new(database.clone())),
            records: Arc::new(PgBookingRecords::new(database.clone())),
            events: events.clone(),
            catalogue: events,
            users: Arc::new(PgUserStore::new(database.clone())),
            sales: Arc::new(PgSalesReports::new(database.clone())),
            demo: Arc::new(PgDemoStore::new(database.clone())),
            maintenance: Arc::new(PgMaintenance::new(database.clone())),
            archive: Arc::new(PgArchive::new(database.clone())),
            database_probe: Arc::new(PgProbe::new(database)),
            gate: self.gate,
            gate_probe: self.gate_probe,
            policy: self.policy,
        }
    }
}

/// Services for a command that needs no more than that.
pub(crate) async fn services(settings: &Settings) -> Result<Services, Failure> {
    let plan = Plan::try_new(settings)?;
    let database = plan.connect().await?;
    Ok(plan.services(database))
}

fn pg_settings(settings: &Settings) -> Result<PgSettings, Failure> {
    let database = &settings.database;
    if database.url.is_empty() {
        return Err(Failure::new(
            "the setting database.url (DATABASE_URL) is missing: \
             give it a URL such as postgres://user:password@host:5432/database",
        ));
    }
    Ok(PgSettings {
        url: database.url.clone(),
        pool_size: database.pool_size,
        acquire_timeout: database.acquire_timeout,
        connect_timeout: database.connect_timeout,
        lock_timeout: database.lock_timeout,
        statement_timeout: database.statement_timeout,
        keep_keys: settings.idempotency.keep,
    })
}

type Gate = (Arc<dyn SeatGate>, Option<Arc<dyn Probe>>);

fn gate(settings: &Settings) -> Result<Gate, Failure> {
    let Some(url) = &settings.redis.url else {
        tracing::info!("no setting redis.url (REDIS_URL): running without a seat gate");
        return Ok((Arc::new(NoGate), None));
    };
    let gate = adapters_redis::GateSettings {
        lease_ttl: settings.gate.lease_ttl,
        response_timeout: settings.redis.response_timeout,
        connect_timeout: settings.redis.connect_timeout,
        pool_size: settings.redis.pool_size.get(),
        cool_down: settings.redis.cool_down,
    };
    let gate = RedisSeatGate::try_new(url, gate)
        .map_err(|error| Failure::new(format!("the setting redis.url (REDIS_URL): {error}")))?;
    let gate = Arc::new(gate);
    Ok((gate.clone(), Some(gate)))
}

/// An error with everything that caused it, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! Which adapter stands behind which port, going by the settings alone.
//!
//! | settings | store | seat gate | rate limiter |
//! |---|---|---|---|
//! | nothing | SQLite, a file of this process | in this process | in this process |
//! | `database.url` is PostgreSQL's | PostgreSQL | none: the store decides | in this process |
//! | and `redis.url` | as above | Redis | Redis, or else in this process |
//!
//! A PostgreSQL that does not answer is a failure, never a reason to fall back.

mod counted_gate;
mod embedded;
mod escaping;
mod limiter;
mod meters;
mod postgres;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters_embedded::{InProcessRateLimiter, InProcessSeatGate, SqliteSettings};
use adapters_postgres::PgSettings;
use adapters_redis::{RedisRateLimiter, RedisSeatGate};
use domain::model::SeatCount;
use domain::ports::{
    AccountStore, ApiKeyStore, Archive, AuditLog, BookingRecords, BookingStore, DemoStore,
    EventCatalogue, EventStore, Maintenance, NoGate, Probe, RateLimiter, Reconciliation,
    SalesControl, SalesReports, SeatGate, SessionStore, UserStore,
};
use domain::rules::BookingPolicy;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use self::counted_gate::CountedGate;
use self::limiter::SharedLimiter;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::reconciliation::ReconciliationCounts;
use crate::settings::{RatePolicies, Settings};

/// Everything that use cases and handlers need, behind ports.
pub(crate) struct Services {
    pub(crate) stores: Stores,
    pub(crate) gate: Gate,
    pub(crate) policy: BookingPolicy,
    /// Unless nobody is limited.
    pub(crate) rates: Option<Rates>,
    pub(crate) metrics: Arc<Metrics>,
    /// What comparing with the bookings has found.
    pub(crate) reconciliation: Arc<ReconciliationCounts>,
}

/// Who may call how often, and who counts.
#[derive(Clone)]
pub(crate) struct Rates {
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) policies: RatePolicies,
}

/// Every store port, all on one database.
pub(crate) struct Stores {
    pub(crate) bookings: Arc<dyn BookingStore>,
    pub(crate) records: Arc<dyn BookingRecords>,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) catalogue: Arc<dyn EventCatalogue>,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) api_keys: Arc<dyn ApiKeyStore>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) sales: Arc<dyn SalesReports>,
    pub(crate) control: Arc<dyn SalesControl>,
    pub(crate) demo: Arc<dyn DemoStore>,
    pub(crate) maintenance: Arc<dyn Maintenance>,
    pub(crate) reconciliation: Arc<dyn Reconciliation>,
    pub(crate) archive: Arc<dyn Archive>,
    /// Without it nothing works.
    pub(crate) probe: Arc<dyn Probe>,
    /// What still has work when the last answer has left; nothing for a store
    /// that waits for its own work when it is dropped.
    pub(crate) queue: Option<Arc<dyn Queue>>,
    /// Waits until everybody has let go of the store, where it matters: its files are
    /// in order only then.
    pub(crate) let_go: Option<Shared<BoxFuture<'static, ()>>>,
    /// Where the data are, for people.
    pub(crate) place: String,
}

/// Work that goes on although nobody may be waiting for it any more.
pub(crate) trait Queue: Send + Sync {
    /// Takes nothing new, and is done when what was taken is.
    fn drain(&self) -> BoxFuture<'_, ()>;
}

/// The seat gate.
pub(crate) struct Gate {
    pub(crate) port: Arc<dyn SeatGate>,
    /// Where the gate is elsewhere. Without it everything works, slower.
    pub(crate) probe: Option<Arc<dyn Probe>>,
    /// Whether there is anything to keep in step with the store.
    pub(crate) kept: bool,
    /// What it still has to do when the last answer has left, if it is elsewhere.
    pub(crate) queue: Option<Arc<dyn Queue>>,
}

impl Services {
    /// Does what is still queued: bookings first, since they have to do with
    /// the gate.
    pub(crate) async fn drain(&self) {
        for queue in [&self.stores.queue, &self.gate.queue].into_iter().flatten() {
            queue.drain().await;
        }
    }
}

impl Queue for RedisSeatGate {
    fn drain(&self) -> BoxFuture<'_, ()> {
        RedisSeatGate::drain(self).boxed()
    }
}

/// Whether opening the store may change its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Bring it to what this version needs.
    Migrate,
    /// It must be that already.
    MustBeCurrent,
}

/// What was done to the schema, in words.
pub(crate) struct Opened {
    pub(crate) services: Services,
    pub(crate) migration: String,
}

/// The adapters that the settings ask for, before anything is opened: a wrong
/// setting is found before a start waits for anybody.
pub(crate) struct Plan {
    store: StorePlan,
    gate: Gate,
    policy: BookingPolicy,
    rates: Option<Rates>,
    metrics: Arc<Metrics>,
}

enum StorePlan {
    Postgres(Box<postgres::Plan>),
    Embedded(SqliteSettings),
}

impl Plan {
    pub(crate) fn try_new(settings: &Settings) -> Result<Self, Failure> {
        let store = if PgSettings::is_postgres(&settings.database.url) {
            StorePlan::Postgres(Box::new(postgres::Plan::try_new(settings)?))
        } else if settings.database.replica_url.is_some() {
            return Err(Failure::new(
                "the setting database.replica_url (REPLICA_URL) needs a PostgreSQL in \
                 database.url (DATABASE_URL), of which it is a replica",
            ));
        } else {
            StorePlan::Embedded(embedded::settings(settings)?)
        };
        let metrics = Arc::new(Metrics::new());
        let (mut gate, limiter) = gate_and_limiter(settings, &store, &metrics)?;
        if gate.kept {
            gate.port = Arc::new(CountedGate::new(gate.port, metrics.gate.clone()));
        }
        let policies = settings.rate_limit.policies();
        let policies = policies.map_err(|error| Failure::new(error.to_string()))?;
        let rates = Rates { limiter, policies };
        let seats_per_booking_max = SeatCount::try_new(settings.booking.seats_max.into())
            .map_err(|invalid| Failure::new(format!("the setting booking.seats_max {invalid}")))?;
        Ok(Self {
            store,
            gate,
            policy: BookingPolicy {
                seats_per_booking_max,
            },
            rates: settings.rate_limit.enabled.then_some(rates),
            metrics,
        })
    }

    /// For commands that make no sense without data: opening the embedded store
    /// would make an empty one.
    pub(crate) fn require_data(&self) -> Result<(), Failure> {
        match &self.store {
            StorePlan::Postgres(_) => Ok(()),
            StorePlan::Embedded(settings) => embedded::require_data(settings).map(|_| ()),
        }
    }

    /// The file of the embedded store, which is not opened.
    pub(crate) fn embedded_file(&self) -> Result<PathBuf, Failure> {
        match &self.store {
            StorePlan::Embedded(settings) => embedded::require_data(settings).map(PathBuf::from),
            StorePlan::Postgres(_) => Err(Failure::new(
                "this backs up the embedded store; PostgreSQL is backed up by its own programs, \
                 such as pg_dump: docs/operations.md shows how",
            )),
        }
    }

    /// The file that is the store, if one is, whether it exists or not.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.store {
            StorePlan::Embedded(settings) => embedded::file(settings),
            StorePlan::Postgres(_) => None,
        }
    }

    /// Whether the store is a file that one process may have open.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.store, StorePlan::Embedded(_))
    }

    /// Opens the store, waiting for it if need be.
    pub(crate) async fn open(self, schema: Schema) -> Result<Opened, Failure> {
        let (stores, migration) = match self.store {
            StorePlan::Postgres(plan) => plan.open(schema, &self.metrics).await?,
            StorePlan::Embedded(settings) => embedded::open(settings, &self.metrics).await?,
        };
        let reconciliation = Arc::new(ReconciliationCounts::default());
        meters::watch_reconciliation(&self.metrics, &reconciliation);
        let services = Services {
            stores,
            gate: self.gate,
            policy: self.policy,
            rates: self.rates,
            metrics: self.metrics,
            reconciliation,
        };
        Ok(Opened {
            services,
            migration,
        })
    }
}

fn gate_and_limiter(
    settings: &Settings,
    store: &StorePlan,
    metrics: &Metrics,
) -> Result<(Gate, Arc<dyn RateLimiter>), Failure> {
    let Some(url) = &settings.redis.url else {
        let gate = match store {
            StorePlan::Embedded(_) => {
                let port = Arc::new(InProcessSeatGate::new(settings.gate.lease_ttl));
                Gate {
                    port,
                    probe: None,
                    kept: true,
                    queue: None,
                }
            }
            // Several processes may share the database: a gate in one of them
            // would know nothing of what the others sell.
            StorePlan::Postgres(_) => Gate {
                port: Arc::new(NoGate),
                probe: None,
                kept: false,
                queue: None,
            },
        };
        return Ok((gate, Arc::new(InProcessRateLimiter::new())));
    };
    let settings = adapters_redis::GateSettings {
        lease_ttl: settings.gate.lease_ttl,
        response_timeout: settings.redis.response_timeout,
        connect_timeout: settings.redis.connect_timeout,
        pool_size: settings.redis.pool_size.get(),
        cool_down: settings.redis.cool_down,
    };
    let observer = metrics.batches.observer(meters::SEAT_GATE);
    let gate = RedisSeatGate::try_observed(url, settings, observer).map_err(|error| {
        let hint = escaping::hint(url);
        Failure::new(format!("the setting redis.url (REDIS_URL): {error}{hint}"))
    })?;
    let limiter = SharedLimiter::new(RedisRateLimiter::beside(&gate));
    let gate = Arc::new(gate);
    meters::watch_redis(metrics, &gate);
    let gate = Gate {
        port: gate.clone(),
        probe: Some(gate.clone()),
        kept: true,
        queue: Some(gate),
    };
    Ok((gate, Arc::new(limiter)))
}

//! What an operator can choose, and where it comes from: defaults, then a TOML
//! file, then the environment variables that operators already use, then
//! `UTSAVAM__SECTION__KEY`. Later ones win.
//!
//! Adding a setting: a field here with its documentation and default, its use
//! in `wiring` or `http`, a line in the README's table.

mod auth;
mod check;
mod choice;
mod defaults;
mod file;
mod list;
mod misspelt;
mod names;
mod networks;
mod rate_limit;
mod refusal;
#[cfg(test)]
mod tests;
mod traces;
mod variables;

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{File, FileFormat};
use serde::{Deserialize, Serialize};

use self::file::SettingsFile;
use self::refusal::{unreadable, unreadable_source};
use self::variables::Variables;
use crate::redact::redact_url;

pub(crate) use auth::GOOD_KEY_CHARACTERS;
pub use auth::{AdminSettings, AuthMode, AuthSettings};
pub use networks::{Network, Networks, NotANetwork};
pub(crate) use rate_limit::RatePolicies;
pub use rate_limit::{RateLimitSettings, RateSettings};
pub use traces::TracesSettings;

/// The admin key of an installation that nobody has configured.
pub(crate) const DEFAULT_ADMIN_KEY: &str = "change_me_admin_key";

/// The variable that names one.
pub(crate) const CONFIG_VARIABLE: &str = "UTSAVAM_CONFIG";

/// All settings, by section.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Listening, and limits on requests.
    pub http: HttpSettings,
    /// Where the data are, and PostgreSQL.
    pub database: DatabaseSettings,
    /// The embedded store.
    pub sqlite: SqliteSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// The seat gate.
    pub gate: GateSettings,
    /// Comparing what is kept with the bookings.
    pub reconciliation: ReconciliationSettings,
    /// Rules of booking.
    pub booking: BookingSettings,
    /// Idempotency keys.
    pub idempotency: IdempotencySettings,
    /// Who may do what.
    pub auth: AuthSettings,
    /// Rate limits.
    pub rate_limit: RateLimitSettings,
    /// Administration.
    pub admin: AdminSettings,
    /// Logging.
    pub log: LogSettings,
    /// Figures for Prometheus.
    pub metrics: MetricsSettings,
    /// Traces for OpenTelemetry.
    pub traces: TracesSettings,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address to listen on (`HOST`).
    pub host: String,
    /// Port to listen on (`PORT`); 0 picks a free one.
    pub port: u16,
    /// Worker threads; unset means one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// The most connections at the same time; more wait until one ends. Each
    /// worker has its share.
    pub connections_max: NonZeroUsize,
    /// The most requests that wait for an answer of a store or gate at the same
    /// time; more are answered 503 at once.
    pub in_flight_max: NonZeroUsize,
    /// The most bytes of a request body.
    pub body_bytes_max: NonZeroUsize,
    /// How long a request body may take to arrive.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long a request's head may take to arrive.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long an answer may take to be found; longer is answered 503.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long an idle connection is kept open.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How long `/ready` says 503 after SIGTERM before no more connections are accepted,
    /// so that a load balancer notices.
    #[serde(with = "humantime_serde")]
    pub shutdown_delay: Duration,
    /// How long requests under way may take to finish after that.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// The web sites whose pages may call the interface from a browser, as in
    /// `https://shop.example.com`; in the environment separated by commas.
    #[serde(deserialize_with = "list::deserialize")]
    pub cors_origins: Vec<String>,
    /// For how long browsers are told to use HTTPS alone
    /// (`Strict-Transport-Security`); unset means that nothing is said.
    #[serde(with = "humantime_serde")]
    pub hsts_max_age: Option<Duration>,
    /// The proxies that are believed about where a request comes from.
    pub trusted_proxies: Networks,
    /// The header in which they say so.
    #[serde(deserialize_with = "choice::deserialize")]
    pub forwarded_header: ForwardedHeader,
}

/// In which header proxies say where a request comes from. Only one is read: a
/// proxy that writes one passes the other on as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// Where the data are (`DATABASE_URL`): nothing for the embedded store in
    /// `./utsavam-data/`, `sqlite://path`, `sqlite::memory:`, or
    /// `postgres://user:password@host:5432/database`.
    pub url: String,
    /// A hot standby of the PostgreSQL at `url` (`REPLICA_URL`), which lists and figures
    /// are read from.
    pub replica_url: Option<String>,
    /// How old they may be then.
    #[serde(with = "humantime_serde")]
    pub replica_lag_max: Duration,
    /// What stands between this program and PostgreSQL.
    #[serde(deserialize_with = "choice::deserialize")]
    pub pooler: Pooler,
    /// The most connections at the same time.
    pub pool_size: u32,
    /// How long a request waits for a free connection.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// How long a new connection may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long PostgreSQL may take to say that it is there, which it is asked once a
    /// second, before everybody is answered 503 until it does.
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    /// How long a statement waits for a lock.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// How long a statement may run.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// How long the answer to COMMIT may take, the wait for a synchronous standby
    /// included, before another connection finds out what became of it.
    #[serde(with = "humantime_serde")]
    pub commit_timeout: Duration,
    /// How long a start waits for the database to answer.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// Whether `serve` migrates the database before it listens.
    pub migrate_on_start: bool,
}

/// What stands between this program and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooler {
    /// Nothing that knows what a session is.
    #[default]
    None,
    /// A pooler that keeps one connection of PostgreSQL for each session, as PgBouncer does
    /// with `pool_mode = session`.
    Session,
}

/// `[sqlite]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteSettings {
    /// Threads that read beside the one that writes.
    pub readers: NonZeroUsize,
    /// How many may wait in each queue: bookings and cancellations, calls that
    /// add to the audit log, other writes, events by id, other reads; more are
    /// answered 503 at once.
    pub queue_max: NonZeroUsize,
}

/// `[redis]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://host:6379/0`, `redis+cluster://one:6379,two:6379` or
    /// `redis+sentinel://one:26379,two:26379/mymaster/0` (`REDIS_URL`); unset means the gate of the embedded
    /// store, and no seat gate on PostgreSQL.
    pub url: Option<String>,
    /// The most connections at the same time, besides the one that bookings
    /// share.
    pub pool_size: NonZeroUsize,
    /// How long a turn may be waited for, and then an answer.
    #[serde(with = "humantime_serde")]
    pub response_timeout: Duration,
    /// How long a new connection may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long Redis is left alone after it failed to answer.
    #[serde(with = "humantime_serde")]
    pub cool_down: Duration,
}

/// `[gate]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateSettings {
    /// How long seats stay leased to a booking that never reports back. Must
    /// be longer than a booking can take.
    #[serde(with = "humantime_serde")]
    pub lease_ttl: Duration,
    /// How often the gate is compared with the database.
    #[serde(with = "humantime_serde")]
    pub reconcile_interval: Duration,
}

/// `[reconciliation]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconciliationSettings {
    /// How often seats left, figures and idempotency keys of some events are
    /// compared with the bookings; `0s` means never.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

/// `[booking]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BookingSettings {
    /// The most seats of one booking.
    pub seats_max: u32,
    /// The most bookings and cancellations that share a transaction.
    pub batch_max: NonZeroUsize,
    /// The most such transactions at the same time, and at most three quarters
    /// of `database.pool_size`. The embedded store has one.
    pub batches_max: NonZeroUsize,
    /// Bookings and cancellations that may wait for their transaction, in all;
    /// more are answered 503 at once.
    pub queue_max: NonZeroUsize,
    /// As `queue_max`, for one event.
    pub queue_per_event_max: NonZeroUsize,
}

/// `[idempotency]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdempotencySettings {
    /// How long keys are kept, 24 hours at least.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// What is logged, as in `info,api_actix=debug`.
    pub filter: String,
    /// How.
    #[serde(deserialize_with = "choice::deserialize")]
    pub format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people on a terminal, otherwise as JSON.
    #[default]
    Auto,
    /// For people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// `[metrics]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Address to listen on. Nobody is asked who they are there.
    pub host: String,
    /// Port to listen on; 0 picks a free one, unset means that nobody listens.
    pub port: Option<u16>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A setting is missing, unknown or impossible.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A source could not be read.
    #[error("the settings cannot be read: {0}")]
    Unreadable(String),
    /// The text of a file is not TOML.
    #[error("the settings cannot be read: they are not TOML at {0}")]
    NotToml(String),
    /// The settings file is missing, closed to us or not TOML.
    #[error("the settings file {} ({named_by}) {problem}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// Who says that it is there.
        named_by: &'static str,
        /// A clause that fits behind its name.
        problem: String,
    },
    /// One setting is wrong.
    #[error("the setting {name} {problem}")]
    Wrong {
        /// Which one, as `section.key`.
        name: String,
        /// A clause that fits behind its name.
        problem: String,
    },
    /// A variable is nearly one of ours.
    #[error("the environment variable {name} is not read{meant}")]
    Variable {
        /// Which one.
        name: String,
        /// What it may have been meant to be, as a question.
        meant: String,
    },
}

fn wrong(name: &str, problem: impl Into<String>) -> SettingsError {
    SettingsError::Wrong {
        name: name.to_owned(),
        problem: problem.into(),
    }
}

impl Settings {
    /// Whether strangers may act for users, by the settings or, where they do
    /// not say, by who can reach the server.
    pub(crate) fn auth_mode(&self) -> AuthMode {
        match self.auth.mode {
            Some(mode) => mode,
            None if self.is_reached_by_this_machine_alone() => AuthMode::Open,
            None => AuthMode::Required,
        }
    }

    /// Whether nobody else can reach the server, as far as the settings say.
    pub(crate) fn is_reached_by_this_machine_alone(&self) -> bool {
        self.listens_on_loopback()
            && self.http.trusted_proxies.0.is_empty()
            && self.auth.mode != Some(AuthMode::Required)
            && !self.auth.open_beyond_loopback
    }

    /// Whether it listens to this machine alone; a proxy may do otherwise.
    fn listens_on_loopback(&self) -> bool {
        let host = self.http.host.as_str();
        let address = host.parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Settings for a server inside a test: an empty store in memory, a free
    /// port, one worker thread.
    pub fn in_memory() -> Self {
        let mut settings = Self::default();
        settings.database.url = "sqlite::memory:".to_owned();
        settings.http.port = 0;
        settings.http.workers = Some(NonZeroUsize::MIN);
        settings
    }

    /// Reads the settings of this process: from `file`, or from `utsavam.toml`
    /// if there is one, and from the environment.
    ///
    /// # Errors
    /// A file that cannot be read, a setting that does not exist or has an
    /// impossible value.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        misspelt::refuse(&misspelt::environment())?;
        let file = SettingsFile::read(file)?;
        let settings = Self::read(&file.text, &variables::of_this_process()?);
        settings.map_err(|error| file.blamed_for(error))
    }

    /// Sentences about environment variables that are set and not read, for a
    /// warning. Those that are surely meant for us end the loading instead.
    pub(crate) fn doubts() -> Vec<String> {
        misspelt::doubts(&misspelt::environment())
    }

    /// Reads the text of a file and those variables.
    fn read(file: &str, variables: &Variables) -> Result<Self, SettingsError> {
        let settings = config::Config::builder()
            .add_source(File::from_str(file, FileFormat::Toml))
            .add_source(variables::well_known(variables))
            .add_source(variables::by_setting(variables))
            .build()
            .map_err(|error| unreadable_source(&error))?;
        let settings: Self = serde_path_to_error::deserialize(settings).map_err(|error| {
            let path = error.path().to_string();
            unreadable(&path, &error.into_inner())
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// The same settings with every secret hidden, for showing.
    pub fn redacted(&self) -> Self {
        let mut shown = self.clone();
        shown.database.url = redact_url(&shown.database.url);
        let replica_url = shown.database.replica_url.as_deref();
        shown.database.replica_url = replica_url.map(redact_url);
        shown.redis.url = shown.redis.url.as_deref().map(redact_url);
        shown.admin.key = "***".to_owned();
        let second_key = shown.admin.second_key.as_mut();
        second_key
            .into_iter()
            .for_each(|key| *key = "***".to_owned());
        shown
    }
}

//! From a database URL to connections that are set up alike.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use group_commit::Limits;
use percent_encoding::percent_decode_str;
use tokio_postgres::config::{SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pooler::{self, Opened, Pooler};
use crate::servers::{self, SILENT, Servers};
use crate::tls::{Roots, Tls, Verified};

/// A transaction that has nothing to do for this long has lost its client: this program
/// thinks between two statements for milliseconds, on a busy machine for more.
const IDLE_MIN: Duration = Duration::from_secs(2);

/// When a silent connection is asked whether it is there, and how often until it is not.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVES: u32 = 2;

/// How to reach PostgreSQL and what a session of ours may do to it.
#[derive(Clone)]
pub struct PgSettings {
    /// `postgres://user:password@host:port/database`. Several servers, as in
    /// `host:port,host:port`, are a primary and its standbys: the one that takes
    /// writes is used. A driver suffix behind the scheme, as in
    /// `postgresql+asyncpg://`, is ignored. `sslmode` is
    /// `disable` or `prefer` (plain text), `require` or `verify-full`
    /// (encrypted, the certificate is that of the host), or `verify-ca` (that
    /// of any host); `sslrootcert` a file of certificates to trust instead of
    /// the system's.
    pub url: String,
    /// What stands between.
    pub pooler: Pooler,
    /// The most connections at the same time.
    pub pool_size: u32,
    /// How long to wait for a free connection before saying that the store is busy.
    pub acquire_timeout: Duration,
    /// How long to wait for a new connection to be made.
    pub connect_timeout: Duration,
    /// How long the server may take to answer a question that it need not think about,
    /// before it is taken for lost.
    pub answer_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long the answer to COMMIT or ROLLBACK may take, the wait for a synchronous standby
    /// included. Then the connection is given up, and what became of bookings is looked
    /// into on another one.
    pub commit_timeout: Duration,
    /// How long idempotency keys are kept at least.
    pub keep_keys: Duration,
    /// How bookings share transactions. No more than three quarters of the
    /// connections are used for batches, whatever `batches_max` says.
    pub batches: Limits,
}

impl fmt::Debug for PgSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgSettings")
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

impl PgSettings {
    /// Reads the URL, without connecting to anybody.
    ///
    /// # Errors
    /// It is wrong, or there is no certificate to trust.
    pub fn check(&self) -> Result<(), ConnectError> {
        Sessions::try_new(self).map(|_| ())
    }

    /// Whether a URL names PostgreSQL, with or without a driver suffix.
    pub fn is_postgres(url: &str) -> bool {
        let url = without_driver(url);
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one that this program understands.
    #[error("is not a PostgreSQL URL such as postgres://user:password@host:5432/database ({0})")]
    Url(String),
    /// The file of `sslrootcert` is of no use.
    #[error("names {} as sslrootcert: {reason}", path.display())]
    RootFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no certificates to trust.
    #[error(
        "asks for TLS, and this system has no root certificates: \
         install them (ca-certificates) or name a file by sslrootcert"
    )]
    NoRoots,
    /// There is a pooler, and nobody said what it does with sessions.
    #[error(
        "leads to a connection pooler such as PgBouncer, which may give one connection of \
         PostgreSQL to several sessions: name PostgreSQL itself, or have the pooler keep a \
         connection for each session (pool_mode = session) and set database.pooler to session"
    )]
    Pooler,
    /// There is a pooler, and it does not do what was said.
    #[error(
        "leads to a connection pooler that gives one connection of PostgreSQL to several \
         sessions (pool_mode = transaction or statement), although database.pooler is session: \
         name PostgreSQL itself, or have the pooler keep a connection for each session \
         (pool_mode = session)"
    )]
    SharedSessions,
    /// The server did not answer or did not let us in.
    #[error("no connection to PostgreSQL: {0}")]
    Unreachable(String),
}

/// How sessions are opened: all of them alike.
#[derive(Clone)]
pub(crate) struct Sessions {
    servers: Servers,
    tls: Option<MakeRustlsConnect>,
    connect_timeout: Duration,
    pooler: Pooler,
    /// Statements that begin a session, where the beginning itself cannot say it all.
    first: Option<String>,
}

/// A parameter that PgBouncer does not take, unless it is told to ignore it.
const NOT_FOR_POOLERS: &str = "unsupported startup parameter";

impl Sessions {
    /// Reads the URL, and the certificates if it asks for TLS.
    ///
    /// # Errors
    /// The URL is wrong, or there is no certificate to trust.
    pub(crate) fn try_new(settings: &PgSettings) -> Result<Self, ConnectError> {
        let (configs, tls) = session_configs(settings)?;
        let first = match settings.pooler {
            Pooler::None => None,
            // It opens its own sessions with PostgreSQL, without our options.
            Pooler::Session => {
                let limits =
                    limits(settings).map(|(name, value)| format!("SET {name} = '{value}'"));
                Some(limits.join(";"))
            }
        };
        let direct = configs[0].get_ssl_negotiation() == SslNegotiation::Direct;
        let tls = tls.map(|tls| tls.connector(direct)).transpose()?;
        Ok(Self {
            servers: Servers::new(configs),
            tls,
            connect_timeout: settings.connect_timeout,
            pooler: settings.pooler,
            first,
        })
    }

    /// Opens one connection, within the time for that for each server of the URL.
    pub(crate) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let connected = self
            .servers
            .connect(self.tls.as_ref(), self.connect_timeout)
            .await;
        let mut connection: AsyncPgConnection =
            connected.map_err(ConnectionError::BadConnection)?;
        if let Some(first) = &self.first {
            let begun = self.in_time(connection.batch_execute(first)).await;
            begun
                .map_err(ConnectionError::BadConnection)?
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    }

    /// What the server says within the time for connecting, or that it is silent.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, String> {
        let answer = tokio::time::timeout(self.connect_timeout, answer).await;
        answer.map_err(|_| SILENT.to_owned())
    }

    /// As [`connect`](Self::connect), when it is not known yet what the URL leads to.
    ///
    /// # Errors
    /// As [`check_for_pooler`](Self::check_for_pooler).
    pub(crate) async fn connect_first(&self) -> Result<AsyncPgConnection, ConnectError> {
        self.check_for_pooler().await?;
        let connected = self.connect().await;
        connected.map_err(|error| ConnectError::Unreachable(describe(&error)))
    }

    /// Makes sure that sessions keep what is theirs, on connections that are closed again.
    ///
    /// # Errors
    /// There is a pooler that was not spoken of, or is not as was said; or nobody answers.
    async fn check_for_pooler(&self) -> Result<(), ConnectError> {
        let mut first = self.open().await?;
        let (is_wrong, wrong) = match self.pooler {
            Pooler::None => (self.in_time(first.is_pooled()).await, ConnectError::Pooler),
            Pooler::Session => {
                let both = [first, self.open().await?];
                let share = self.in_time(pooler::are_seen_to_share(both)).await;
                (share, ConnectError::SharedSessions)
            }
        };
        match is_wrong.flatten().map_err(ConnectError::Unreachable)? {
            true => Err(wrong),
            false => Ok(()),
        }
    }

    async fn open(&self) -> Result<Opened, ConnectError> {
        let opened = self
            .servers
            .connect(self.tls.as_ref(), self.connect_timeout)
            .await;
        opened.map_err(|refusal| {
            let is_poolers = self.pooler == Pooler::None && refusal.contains(NOT_FOR_POOLERS);
            match is_poolers {
                true => ConnectError::Pooler,
                false => ConnectError::Unreachable(refusal),
            }
        })
    }
}

/// How to reach each server of the URL. Where there are several, only one that takes
/// writes will do.
fn session_configs(
    settings: &PgSettings,
) -> Result<(Vec<tokio_postgres::Config>, Option<Tls>), ConnectError> {
    let url = without_driver(&settings.url);
    if !PgSettings::is_postgres(&url) {
        return Err(ConnectError::Url("it must begin with postgres://".into()));
    }
    refuse_bare_at(&url)?;
    let (url, tls) = take_tls(&url)?;
    let urls = servers::one_url_each(&url);
    let configs = urls.iter().map(|url| {
        let mut config = session_config(settings, url, tls.is_some())?;
        if urls.len() > 1 && config.get_hosts().is_empty() {
            return Err(ConnectError::Url("a comma has no host beside it".into()));
        }
        let any = config.get_target_session_attrs() == TargetSessionAttrs::Any;
        if urls.len() > 1 && any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(config)
    });
    Ok((configs.collect::<Result<_, ConnectError>>()?, tls))
}

/// Refuses a password with an @ in it. The driver takes what is behind the first one for the host:
/// it would be looked up, and named to whoever reads of the failure.
fn refuse_bare_at(url: &str) -> Result<(), ConnectError> {
    let address = url.split('?').next().unwrap_or_default();
    match address.matches('@').count() {
        0 | 1 => Ok(()),
        _ => {
            let problem = "an @ of the password is not written as %40".to_owned();
            Err(ConnectError::Url(problem))
        }
    }
}

/// Reads the URL of one server and adds the limits that every session of ours has.
fn session_config(
    settings: &PgSettings,
    url: &str,
    is_encrypted: bool,
) -> Result<tokio_postgres::Config, ConnectError> {
    // The parser's messages name the part that is wrong, never the password.
    let mut config: tokio_postgres::Config = url
        .parse()
        .map_err(|error| ConnectError::Url(describe(&error)))?;
    config.ssl_mode(match is_encrypted {
        true => SslMode::Require,
        false => SslMode::Disable,
    });
    if !is_encrypted && config.get_ssl_negotiation() == SslNegotiation::Direct {
        let problem = "sslnegotiation=direct needs sslmode=require, verify-ca or verify-full";
        return Err(ConnectError::Url(problem.to_owned()));
    }
    if settings.pooler == Pooler::None {
        let limits = limits(settings);
        let limits = limits.map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")));
        let given = config.get_options().unwrap_or_default();
        config.options(format!("{} {given}", limits.join(" ")).trim_end());
    }
    config.connect_timeout(settings.connect_timeout);
    // For a connection that went without a word, as at a firewall, while others go on.
    config.keepalives_idle(KEEPALIVE);
    config.keepalives_interval(KEEPALIVE);
    config.keepalives_retries(KEEPALIVES);
    config.tcp_user_timeout(KEEPALIVE * (KEEPALIVES + 1));
    if config.get_application_name().is_none() {
        config.application_name("utsavam");
    }
    Ok(config)
}

/// What every session of ours has for itself.
///
/// One that lost its client or stands still must not keep a row locked, or no
/// longer than others would wait for it: a COMMIT that got lost on the way never comes.
///
/// Statements find their rows by index, and these are in memory or on a disk
/// without a head to move; PostgreSQL's own default, 4, has it read a table of
/// a thousand rows from end to end instead. Measured with that many events on
/// sale, 1.1 gives a quarter more bookings to 16 clients.
fn limits(settings: &PgSettings) -> [(&'static str, String); 6] {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    [
        ("lock_timeout", milliseconds(settings.lock_timeout)),
        (
            "statement_timeout",
            milliseconds(settings.statement_timeout),
        ),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(settings.lock_timeout.max(IDLE_MIN)),
        ),
        ("client_connection_check_interval", "1000".to_owned()),
        ("default_transaction_isolation", "read committed".to_owned()),
        ("random_page_cost", "1.1".to_owned()),
    ]
}

/// Takes `sslmode` and `sslrootcert` out of the URL: the driver does not know
/// all modes, nor the file.
fn take_tls(url: &str) -> Result<(String, Option<Tls>), ConnectError> {
    // The driver takes what is before the first @ for user and password.
    let host = url.find('@').map_or(0, |at| at + 1);
    let Some(mark) = url[host..].find('?') else {
        return Ok((url.to_owned(), None));
    };
    let (address, query) = url.split_at(host + mark);
    let (mut mode, mut roots) = (None, Roots::System);
    let mut others = Vec::new();
    for pair in query[1..].split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value),
            Some(("sslrootcert", "" | "system")) => roots = Roots::System,
            Some(("sslrootcert", value)) => roots = Roots::File(decoded(value)?.into()),
            _ => others.push(pair),
        }
    }
    let verified = match mode {
        None | Some("disable" | "prefer") => None,
        Some("verify-ca") => Some(Verified::Authority),
        Some("require" | "verify-full") => Some(Verified::AuthorityAndName),
        Some(_) => {
            let problem =
                "sslmode must be disable, prefer, require, verify-ca or verify-full".to_owned();
            return Err(ConnectError::Url(problem));
        }
    };
    let url = format!("{address}?{}", others.join("&"));
    Ok((url, verified.map(|verified| Tls { verified, roots })))
}

/// A path as it stands in a URL.
fn decoded(value: &str) -> Result<String, ConnectError> {
    percent_decode_str(value)
        .decode_utf8()
        .map(|path| path.into_owned())
        .map_err(|_| ConnectError::Url("sslrootcert is not text".to_owned()))
}

fn without_driver(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let scheme = scheme.split('+').next().unwrap_or(scheme);
            format!("{scheme}://{rest}")
        }
        None => url.to_owned(),
    }
}

/// The error and its cause in one line: the driver's own text is often only
/// "db error" or "error connecting to server".
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

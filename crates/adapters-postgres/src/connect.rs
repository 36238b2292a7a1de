//! From a database URL to connections that are set up alike.

use std::fmt;
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use group_commit::Limits;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

/// How to reach PostgreSQL and what a session of ours may do to it.
#[derive(Clone)]
pub struct PgSettings {
    /// `postgres://user:password@host:port/database`. A driver suffix behind
    /// the scheme, as in `postgresql+asyncpg://`, is ignored.
    pub url: String,
    /// The most connections at the same time.
    pub pool_size: u32,
    /// How long to wait for a free connection before saying that the store is busy.
    pub acquire_timeout: Duration,
    /// How long to wait for a new connection to be made.
    pub connect_timeout: Duration,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
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
    /// The URL asks for TLS.
    #[error("asks for TLS, which is not supported yet: use sslmode=prefer or sslmode=disable")]
    Tls,
    /// The server did not answer or did not let us in.
    #[error("no connection to PostgreSQL: {0}")]
    Unreachable(String),
}

/// Reads the URL and adds the limits that every session of ours has.
pub(crate) fn session_config(
    settings: &PgSettings,
) -> Result<tokio_postgres::Config, ConnectError> {
    let url = without_driver(&settings.url);
    if !PgSettings::is_postgres(&url) {
        return Err(ConnectError::Url("it must begin with postgres://".into()));
    }
    // The parser's messages name the part that is wrong, never the password.
    let mut config: tokio_postgres::Config = url
        .parse()
        .map_err(|error| ConnectError::Url(describe(&error)))?;
    if matches!(config.get_ssl_mode(), SslMode::Require) {
        return Err(ConnectError::Tls);
    }
    // A session that lost its client or stands still must not keep a row locked.
    // Statements find their rows by index, and these are in memory or on a disk
    // without a head to move; PostgreSQL's own default, 4, has it read a table of
    // a thousand rows from end to end instead. Measured with that many events on
    // sale, 1.1 gives a quarter more bookings to 16 clients.
    let limits = format!(
        "-c lock_timeout={} -c statement_timeout={} -c idle_in_transaction_session_timeout={} \
         -c client_connection_check_interval=1000 -c default_transaction_isolation=read\\ committed \
         -c random_page_cost=1.1",
        settings.lock_timeout.as_millis(),
        settings.statement_timeout.as_millis(),
        2 * settings.statement_timeout.as_millis(),
    );
    let options = match config.get_options() {
        Some(given) => format!("{limits} {given}"),
        None => limits,
    };
    config.options(options);
    config.connect_timeout(settings.connect_timeout);
    if config.get_application_name().is_none() {
        config.application_name("utsavam");
    }
    Ok(config)
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

/// Opens one connection.
pub(crate) async fn connect(
    config: &tokio_postgres::Config,
) -> ConnectionResult<AsyncPgConnection> {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| ConnectionError::BadConnection(describe(&error)))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> PgSettings {
        PgSettings {
            url: url.to_owned(),
            pool_size: 1,
            acquire_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            keep_keys: Duration::from_secs(60),
            batches: Limits::default(),
        }
    }

    #[test]
    fn driver_suffixes_are_ignored() {
        for url in [
            "postgresql+asyncpg://u:p@localhost:5433/d",
            "postgresql+psycopg2://u:p@localhost:5433/d",
            "postgres://u:p@localhost:5433/d",
        ] {
            let config = session_config(&settings(url)).expect("a URL");
            assert_eq!(config.get_dbname(), Some("d"), "{url}");
            assert_eq!(config.get_ports(), [5433], "{url}");
        }
    }

    #[test]
    fn refusals_do_not_show_the_password() {
        for url in [
            "mysql://u:geheim@h/d",
            "postgres://u:geheim@h:port/d",
            "geheim",
            "postgres://u:geheim@h/d?sslmode=require",
        ] {
            let refusal = session_config(&settings(url))
                .expect_err("not ours")
                .to_string();
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }
}

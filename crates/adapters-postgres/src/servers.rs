//! The servers that a URL names, a primary and its standbys, and which of them is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect::describe;
use crate::pulse::Refusal;

/// Where sessions are opened. Cheap to clone; all clones use the same server.
#[derive(Clone)]
pub(crate) struct Servers {
    configs: Arc<[tokio_postgres::Config]>,
    /// The one that was found last. It is asked first, so that a primary of before that
    /// comes back attracts nobody, and a machine that is gone delays nobody twice.
    used: Arc<AtomicUsize>,
}

impl Servers {
    /// They are tried in this order. There is at least one.
    pub(crate) fn new(configs: Vec<tokio_postgres::Config>) -> Self {
        Self {
            configs: configs.into(),
            used: Arc::default(),
        }
    }

    /// Opens a session at the first that lets us in, each within this time: the driver's
    /// own limit ends when the server has accepted, which even one that stands still does.
    pub(crate) async fn connect(
        &self,
        tls: Option<&MakeRustlsConnect>,
        each: Duration,
    ) -> ConnectionResult<AsyncPgConnection> {
        let (first, count) = (self.used.load(Ordering::Relaxed), self.configs.len());
        let mut refusals = Vec::new();
        for index in (first..count).chain(0..first) {
            let config = &self.configs[index];
            let connected = tokio::time::timeout(each, connect_to(config, tls)).await;
            let refusal = match connected {
                Ok(Ok(connection)) => {
                    if self.used.swap(index, Ordering::Relaxed) != index {
                        tracing::info!(server = name(config), "another PostgreSQL is used now");
                    }
                    return Ok(connection);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the server accepted the connection and said nothing".to_owned(),
            };
            // It is the right one, and has no place left.
            if count == 1 || Refusal::of(&refusal) == Refusal::Full {
                return Err(ConnectionError::BadConnection(refusal));
            }
            refusals.push(format!("{}: {refusal}", name(config)));
        }
        Err(ConnectionError::BadConnection(refusals.join("; ")))
    }
}

async fn connect_to(
    config: &tokio_postgres::Config,
    tls: Option<&MakeRustlsConnect>,
) -> ConnectionResult<AsyncPgConnection> {
    let failed = |error| ConnectionError::BadConnection(describe(&error));
    match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls.clone()).await.map_err(failed)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
    }
}

/// As it stands in the URL.
fn name(config: &tokio_postgres::Config) -> String {
    use tokio_postgres::config::Host;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    match config.get_ports().first() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// A URL for each server of `postgres://user:password@a:1,b:2/database`. The driver could
/// take all of them at once, and would wait for the first without end.
pub(crate) fn one_url_each(url: &str) -> Vec<String> {
    let scheme_end = url.find("://").map_or(0, |at| at + 3);
    // The driver takes what is before the first @ for user and password.
    let hosts = url[scheme_end..]
        .find('@')
        .map_or(scheme_end, |at| scheme_end + at + 1);
    let hosts_end = url[hosts..]
        .find(['/', '?'])
        .map_or(url.len(), |at| hosts + at);
    url[hosts..hosts_end]
        .split(',')
        .map(|host| format!("{}{host}{}", &url[..hosts], &url[hosts_end..]))
        .collect()
}

//! The servers that a URL names, a primary and its standbys, and which of them is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{Client, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect::describe;
use crate::pulse::Refusal;

/// What is said of a server that stands still.
pub(crate) const SILENT: &str = "the server accepted the connection and said nothing";

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
    ///
    /// # Errors
    /// What they say who do not.
    pub(crate) async fn connect<S: Session>(
        &self,
        tls: Option<&MakeRustlsConnect>,
        each: Duration,
    ) -> Result<S, String> {
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
                Ok(Err(refusal)) => refusal,
                Err(_) => SILENT.to_owned(),
            };
            // It is the right one, and has no place left.
            if count == 1 || Refusal::of(&refusal) == Refusal::Full {
                return Err(refusal);
            }
            refusals.push(format!("{}: {refusal}", name(config)));
        }
        Err(refusals.join("; "))
    }
}

/// What a session is used as.
pub(crate) trait Session: Sized {
    /// Takes a connection that has just been opened, with what drives it.
    fn over<S>(
        client: Client,
        connection: Connection<Socket, S>,
    ) -> impl Future<Output = Result<Self, String>> + Send
    where
        S: TlsStream + Unpin + Send + 'static;
}

impl Session for AsyncPgConnection {
    async fn over<S>(client: Client, connection: Connection<Socket, S>) -> Result<Self, String>
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let made = Self::try_from_client_and_connection(client, connection).await;
        made.map_err(|error| error.to_string())
    }
}

async fn connect_to<S: Session>(
    config: &tokio_postgres::Config,
    tls: Option<&MakeRustlsConnect>,
) -> Result<S, String> {
    let failed = |error| describe(&error);
    match tls {
        Some(tls) => {
            let (client, connection) = config.connect(tls.clone()).await.map_err(failed)?;
            S::over(client, connection).await
        }
        None => {
            let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
            S::over(client, connection).await
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

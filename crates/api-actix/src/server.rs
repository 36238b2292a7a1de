//! A whole server in this process: the `utsavam` binary runs one, and so can
//! the tests of a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::background::Background;
use crate::failure::Failure;
use crate::http::server::{self, StoppedBy};
use crate::metrics::{Metrics, MetricsListener};
use crate::settings::{MetricsSettings, Settings};
use crate::wiring::{Plan, Schema, Services};

/// A running server.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), api_actix::Failure> {
/// use api_actix::{Server, Settings};
///
/// let server = Server::start(Settings::in_memory()).await?;
/// let url = server.url(); // http://127.0.0.1:49152, or another free port
/// // … let a client talk to it …
/// server.stop().await;
/// # assert!(url.starts_with("http://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
///
/// Dropping it stops accepting and leaves the rest to the runtime;
/// [`stop`](Self::stop) waits for what is under way.
pub struct Server {
    addresses: Vec<SocketAddr>,
    place: String,
    handle: ServerHandle,
    running: Option<JoinHandle<std::io::Result<()>>>,
    background: Option<Background>,
    metrics: Option<MetricsListener>,
    services: Arc<Services>,
    shutdown_timeout: Duration,
}

impl Server {
    /// Opens the store that the settings name, brings its schema to this
    /// version, and listens. Works on any tokio runtime with PostgreSQL left
    /// aside, which needs one with several threads for its migrations. Signals
    /// are left alone.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub async fn start(settings: Settings) -> Result<Self, Failure> {
        Self::start_stopped_by(settings, StoppedBy::Owner).await
    }

    pub(crate) async fn start_stopped_by(
        settings: Settings,
        stopped_by: StoppedBy,
    ) -> Result<Self, Failure> {
        let schema = match settings.database.migrate_on_start {
            true => Schema::Migrate,
            false => Schema::MustBeCurrent,
        };
        let services = Plan::try_new(&settings)?.open(schema).await?.services;
        let place = services.stores.place.clone();
        let metrics = listen_for_metrics(&services.metrics, &settings.metrics)?;
        let app = App::new(services, &settings);
        let started = server::start(app.clone(), &settings.http, stopped_by);
        let (server, addresses) = started.map_err(|error| {
            let (host, port) = (&settings.http.host, settings.http.port);
            Failure::new(format!(
                "cannot listen on {host}:{port} (settings http.host and http.port): {error}"
            ))
        })?;
        Ok(Self {
            addresses,
            place,
            handle: server.handle(),
            running: Some(tokio::spawn(server)),
            background: Some(Background::start(&app, &settings)),
            metrics,
            services: app.services(),
            shutdown_timeout: settings.http.shutdown_timeout,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where its metrics are read, if anywhere.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsListener::address)
    }

    /// The URL of its first address, without a slash at the end.
    pub fn url(&self) -> String {
        self.addresses
            .first()
            .map(|address| format!("http://{address}"))
            .unwrap_or_default()
    }

    /// Where its data are, in words.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Stops accepting, finishes what is under way, and lets go of the store.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        // An error of the server's end is of no use to whoever ended it.
        let _ = self.ended().await;
    }

    /// Waits until the server was stopped and has answered what was under way.
    pub(crate) async fn ended(mut self) -> Result<(), Failure> {
        let outcome = match self.running.take() {
            Some(running) => running.await,
            None => return Ok(()),
        };
        if let Some(background) = self.background.take() {
            background.stop().await;
        }
        // Bookings whose clients went away are made or refused all the same.
        let drained = tokio::time::timeout(self.shutdown_timeout, self.services.drain()).await;
        if drained.is_err() {
            tracing::warn!("the process ends although bookings are still queued");
        }
        if let Some(metrics) = self.metrics.take() {
            metrics.stop().await;
        }
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::new(format!("the server failed: {error}"))),
            Err(panic) => Err(Failure::new(format!("the server failed: {panic}"))),
        }
    }
}

fn listen_for_metrics(
    metrics: &Arc<Metrics>,
    settings: &MetricsSettings,
) -> Result<Option<MetricsListener>, Failure> {
    let (host, Some(port)) = (&settings.host, settings.port) else {
        return Ok(None);
    };
    let started = MetricsListener::start(Arc::clone(metrics), host, port);
    started.map(Some).map_err(|error| {
        Failure::new(format!(
            "cannot listen on {host}:{port} (settings metrics.host and metrics.port): {error}"
        ))
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            drop(self.handle.stop(false));
            running.abort();
        }
        if let Some(background) = self.background.take() {
            background.abort();
        }
    }
}

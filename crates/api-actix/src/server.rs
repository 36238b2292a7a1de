//! A whole server in this process: the `utsavam` binary runs one, and so can
//! the tests of a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::background::Background;
use crate::failure::Failure;
use crate::http::server;
use crate::metrics::MetricsListener;
use crate::overview::Overview;
use crate::settings::{MetricsSettings, Settings};
use crate::stopping::{StoppedBy, Stopper};
use crate::traces::{RequestTraces, Traces};
use crate::wiring::{Plan, Schema, Services};

/// How long the threads that answered requests may take to end when nothing is left for
/// them to do.
const LETTING_GO_MAX: Duration = Duration::from_secs(5);

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
    stopper: Stopper,
    running: Option<JoinHandle<std::io::Result<()>>>,
    signals: Option<JoinHandle<()>>,
    background: Option<Background>,
    metrics: Option<MetricsListener>,
    traces: Option<Traces>,
    services: Arc<Services>,
}

impl Server {
    /// Opens the store that the settings name, brings its schema to this
    /// version, and listens. Works on any tokio runtime with PostgreSQL left
    /// aside, which needs one with several threads for its migrations. Signals
    /// are left alone, and so is `tracing`: the log and the traces are those of the program
    /// around it.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub async fn start(settings: Settings) -> Result<Self, Failure> {
        Self::start_stopped_by(settings, StoppedBy::Owner, None).await
    }

    pub(crate) async fn start_stopped_by(
        settings: Settings,
        stopped_by: StoppedBy,
        traces: Option<Traces>,
    ) -> Result<Self, Failure> {
        let schema = match settings.database.migrate_on_start {
            true => Schema::Migrate,
            false => Schema::MustBeCurrent,
        };
        let services = Plan::try_new(&settings)?.open(schema).await?.services;
        let place = services.stores.place.clone();
        if let Some(traces) = &traces {
            traces.show(&services.metrics);
        }
        let app = App::new(services, &settings);
        let metrics = listen_for_metrics(&app.services(), &settings.metrics)?;
        let request_traces = RequestTraces::new(&settings.traces);
        let started = server::start(app.clone(), &settings.http, request_traces);
        let (server, addresses) = started.map_err(|error| {
            let (host, port) = (&settings.http.host, settings.http.port);
            Failure::new(format!(
                "cannot listen on {host}:{port} (settings http.host and http.port): {error}"
            ))
        })?;
        let stopper = Stopper::new(app.clone(), server.handle());
        let signals = match stopped_by {
            StoppedBy::Owner => None,
            StoppedBy::Signals => {
                let waiting = stopper.clone().on_signals();
                let waiting = waiting.map_err(|error| {
                    Failure::new(format!("signals cannot be listened to: {error}"))
                })?;
                Some(tokio::spawn(waiting))
            }
        };
        Ok(Self {
            addresses,
            place,
            stopper,
            running: Some(tokio::spawn(server)),
            signals,
            background: Some(Background::start(&app, &settings)),
            metrics,
            traces,
            services: app.services(),
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
        self.stopper.stop().await;
        // An error of the server's end is of no use to whoever ended it.
        let _ = self.ended().await;
    }

    /// Waits until the server was stopped and has answered what was under way.
    pub(crate) async fn ended(mut self) -> Result<(), Failure> {
        let outcome = match self.running.take() {
            Some(running) => self.stopper.while_patient(running).await,
            None => return Ok(()),
        };
        if let Some(background) = self.background.take() {
            background.stop().await;
        }
        // Bookings whose clients went away are made or refused all the same.
        if self.stopper.in_time(self.services.drain()).await.is_none() {
            tracing::warn!("the process ends although bookings are still queued");
        }
        if let Some(traces) = self.traces.take()
            && self.stopper.in_time(traces.end()).await.is_none()
        {
            tracing::warn!("the process ends although spans are still to be sent");
        }
        if let Some(metrics) = self.metrics.take() {
            metrics.stop().await;
        }
        let let_go = self.services.stores.let_go.clone();
        drop(self);
        wait_until_let_go(let_go).await;
        match outcome {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(Failure::new(format!("the server failed: {error}"))),
            Some(Err(panic)) => Err(Failure::new(format!("the server failed: {panic}"))),
        }
    }
}

/// The workers are threads that nobody joins. One that still has a handle on an embedded
/// store when the process ends would leave its log behind.
async fn wait_until_let_go(let_go: Option<Shared<BoxFuture<'static, ()>>>) {
    let Some(let_go) = let_go else { return };
    let waited = tokio::time::timeout(LETTING_GO_MAX, let_go).await;
    if waited.is_err() {
        tracing::warn!("the process ends although a thread still has the store open");
    }
}

fn listen_for_metrics(
    services: &Arc<Services>,
    settings: &MetricsSettings,
) -> Result<Option<MetricsListener>, Failure> {
    let (host, Some(port)) = (&settings.host, settings.port) else {
        return Ok(None);
    };
    let overview = Overview::new(Arc::downgrade(services));
    let started = MetricsListener::start(Arc::clone(&services.metrics), overview, host, port);
    started.map(Some).map_err(|error| {
        Failure::new(format!(
            "cannot listen on {host}:{port} (settings metrics.host and metrics.port): {error}"
        ))
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.stopper.stop_at_once();
            running.abort();
        }
        if let Some(signals) = self.signals.take() {
            signals.abort();
        }
        if let Some(background) = self.background.take() {
            background.abort();
        }
    }
}

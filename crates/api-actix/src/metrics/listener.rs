//! The address where the figures are read. It has a thread and a runtime of its
//! own, so that it answers however much the others have to do, and limits of its
//! own, so that nobody who reads slowly, or never ends, holds up anything else.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::Metrics;
use super::exchange::{self, Page};
use crate::overview::Overview;

/// Connections at the same time; more wait until one ends.
const CONNECTIONS_MAX: usize = 16;

/// How long a connection lasts at most, from its beginning.
const CONNECTION_LASTS_MAX: Duration = Duration::from_secs(5);

/// How long nothing is accepted after a failure, as when files have run out.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers whoever reads the figures, until it is stopped or dropped.
pub(crate) struct MetricsListener {
    address: SocketAddr,
    /// Dropped to stop.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl MetricsListener {
    /// # Errors
    /// The address cannot be bound, or there is no thread to be had.
    pub(crate) fn start(
        metrics: Arc<Metrics>,
        overview: Overview,
        host: &str,
        port: u16,
    ) -> io::Result<Self> {
        let shown = Arc::new(Shown { metrics, overview });
        let listener = TcpListener::bind((host, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        Err(error) = accept(listener, shown) => {
                            tracing::error!(%error, "the metrics cannot be read any more");
                        }
                    }
                });
            })?;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops at once: a figure is of no use to whoever ends the server.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let thread = self.thread;
        // It has nothing to do that takes long, and a panic in it was told.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Ends only where the runtime does not take the listener.
async fn accept(listener: TcpListener, shown: Arc<Shown>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let shown = Arc::clone(&shown);
                tokio::spawn(async move {
                    let exchange = exchange::answer(stream, async |page| shown.render(page).await);
                    // Whoever goes away or is cut off has no use for an answer.
                    let _ = tokio::time::timeout(CONNECTION_LASTS_MAX, exchange).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "nobody could be accepted to read metrics");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What is read here.
struct Shown {
    metrics: Arc<Metrics>,
    overview: Overview,
}

impl Shown {
    async fn render(&self, page: Page) -> Option<String> {
        match page {
            Page::Metrics => self.figures(),
            Page::Overview => serde_json::to_string(&self.overview.page().await?).ok(),
        }
    }

    fn figures(&self) -> Option<String> {
        match self.metrics.render() {
            Ok(figures) => Some(figures),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written");
                None
            }
        }
    }
}

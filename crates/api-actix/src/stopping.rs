//! How a server comes to its end: who asks for it, and what happens in which order.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::app::App;

/// What is still queued when the last request has ended may take this long, even if
/// requests have used up the time, and each part of the end if somebody is impatient.
const DRAIN_MIN: Duration = Duration::from_secs(1);

/// Who stops a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoppedBy {
    /// SIGTERM, SIGINT or SIGQUIT.
    Signals,
    /// Whoever started it.
    Owner,
}

/// Stops a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stopper {
    app: App,
    handle: ServerHandle,
    delay: Duration,
    timeout: Duration,
    begun: Arc<OnceLock<Instant>>,
    /// Whether somebody is.
    impatient: watch::Sender<bool>,
}

impl Stopper {
    pub(crate) fn new(app: App, handle: ServerHandle) -> Self {
        Self {
            handle,
            delay: app.limits.shutdown_delay,
            timeout: app.limits.shutdown_timeout,
            begun: Arc::default(),
            impatient: watch::Sender::default(),
            app,
        }
    }

    /// Stops accepting and finishes what is under way.
    pub(crate) async fn stop(&self) {
        self.app.leave();
        self.begun.get_or_init(Instant::now);
        self.handle.stop(true).await;
    }

    /// Stops without waiting for anything.
    pub(crate) fn stop_at_once(&self) {
        self.impatient.send_replace(true);
        // Takes effect whether anybody waits for it or not, unless requests are waited for
        // already.
        drop(self.handle.stop(false));
    }

    /// Waits for a part of the end, `None` if it is given up because of somebody impatient.
    pub(crate) async fn while_patient<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        let (mut part, mut impatient) = (pin!(part), self.impatient.subscribe());
        tokio::select! {
            biased;
            done = &mut part => return Some(done),
            // The sender is our own, so there is no error.
            _ = impatient.wait_for(|impatient| *impatient) => {}
        }
        timeout(DRAIN_MIN, part).await.ok()
    }

    /// As [`while_patient`](Self::while_patient), within the time for an orderly end.
    pub(crate) async fn in_time<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        let begun = *self.begun.get_or_init(Instant::now);
        let left = (begun + self.timeout).saturating_duration_since(Instant::now());
        let in_time = timeout(left.max(DRAIN_MIN), part);
        self.while_patient(in_time).await?.ok()
    }

    /// Waits for a signal and does as it says. SIGTERM comes from whoever keeps processes
    /// and directs clients to them, who are told first and given time; SIGINT from a
    /// terminal, where nobody has to be told. A second signal, or SIGQUIT, is impatient.
    ///
    /// # Errors
    /// The system does not let us listen to signals.
    pub(crate) fn on_signals(self) -> std::io::Result<impl Future<Output = ()> + Send> {
        let mut signals = Signals::try_new()?;
        Ok(async move {
            match signals.next().await {
                Asked::Terminate => {
                    tracing::info!(delay = ?self.delay, "asked to end: not ready any more");
                    self.app.leave();
                    let delay = tokio::time::timeout(self.delay, signals.next());
                    if delay.await.is_ok() {
                        return self.stop_at_once();
                    }
                }
                Asked::Interrupt => tracing::info!("asked to end"),
                Asked::Quit => return self.stop_at_once(),
            }
            // What is queued is waited for when the last request has ended, so there is
            // somebody to listen to until the end of the process.
            tokio::join!(self.stop(), async {
                signals.next().await;
                self.stop_at_once();
            });
        })
    }
}

/// What a signal asks for.
enum Asked {
    Terminate,
    Interrupt,
    Quit,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn try_new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.quit.recv() => Asked::Quit,
        }
    }
}

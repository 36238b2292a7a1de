//! What every handler shares: the services, and the way to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use crate::auth::{Identities, Passwords};
use crate::http::access::Auditor;
use crate::http::limits::RateLimits;
use crate::http::problem::Problem;
use crate::metrics::{Metrics, set};
use crate::settings::{AuthMode, AuthSettings, HttpSettings, Settings};
use crate::wiring::Services;
use crate::worker::{ToTheEnd, Waiting, WokenTogether};

/// Shared by all workers of the server; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    services: Arc<Services>,
    /// Each worker of actix has a small runtime of its own beside it.
    main_runtime: Handle,
    waiting: Arc<Waiting>,
    is_open: bool,
    leaving: Arc<AtomicBool>,
    pub(crate) identities: Identities,
    pub(crate) passwords: Passwords,
    pub(crate) auditor: Arc<Auditor>,
    pub(crate) auth: Arc<AuthSettings>,
    pub(crate) limits: Arc<HttpSettings>,
    /// Unless nobody is limited.
    pub(crate) rate_limits: Option<Arc<RateLimits>>,
}

impl App {
    /// Must be called on the main runtime.
    pub(crate) fn new(services: Services, settings: &Settings) -> Self {
        let rate_limits = services.rates.as_ref().map(|rates| {
            let limiter = Arc::clone(&rates.limiter);
            Arc::new(RateLimits::new(
                limiter,
                rates.policies,
                &settings.http,
                &services.metrics,
            ))
        });
        let waiting = Waiting::new(settings.http.in_flight_max.get());
        show_waiting(&services.metrics, &waiting);
        Self {
            rate_limits,
            services: Arc::new(services),
            main_runtime: Handle::current(),
            waiting,
            identities: Identities::new(settings.admin.keys()),
            passwords: Passwords::at_a_time(settings.auth.passwords_at_once.get()),
            auditor: Arc::new(Auditor::new()),
            auth: Arc::new(settings.auth.clone()),
            leaving: Arc::new(AtomicBool::new(false)),
            is_open: settings.auth_mode() == AuthMode::Open,
            limits: Arc::new(settings.http.clone()),
        }
    }

    /// Whether strangers may act for anybody.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// From now on this process is not fit to be sent anybody, though it serves who comes.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to end.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    pub(crate) fn services(&self) -> Arc<Services> {
        self.services.clone()
    }

    /// Does work on this worker, to its end: a client that disconnects ends the
    /// waiting, never the work. What has to outlive the worker, connections and
    /// transactions, the adapters keep on the main runtime themselves.
    ///
    /// # Errors
    /// Too much work is under way, or the work panicked.
    pub(crate) async fn run<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        T: 'static,
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T> + 'static,
    {
        let place = self.waiting.enter().ok_or_else(Problem::overloaded)?;
        ToTheEnd::new(place, work(self.services.clone()))
            .await
            .map_err(|panicked| Problem::internal(Box::new(panicked)))
    }

    /// Reads, here and now: whoever stops waiting for what is read may drop it.
    ///
    /// # Errors
    /// Too much work is under way.
    pub(crate) async fn read<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T>,
    {
        let place = self.waiting.enter().ok_or_else(Problem::overloaded)?;
        let work = std::pin::pin!(work(self.services.clone()));
        Ok(WokenTogether::new(place, work).await)
    }

    /// Works on the main runtime, however much is under way: for the question
    /// whether this process is fit to serve. A probe may open connections, and
    /// those of a worker would die with it.
    ///
    /// # Errors
    /// The work panicked.
    pub(crate) async fn probe<T, W, F>(&self, work: W) -> Result<T, Problem>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Services>) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        let task = self.main_runtime.spawn(work(self.services.clone()));
        task.await
            .map_err(|panic| Problem::internal(Box::new(panic)))
    }
}

/// How many requests wait for a store or a gate, among the metrics.
fn show_waiting(metrics: &Metrics, waiting: &Arc<Waiting>) {
    let families = metrics.families();
    let now = families.gauge(
        "utsavam_http_requests_waiting",
        "Requests that wait for a store or a gate now.",
    );
    let max = families.gauge(
        "utsavam_http_requests_waiting_max",
        "How many may wait; more are refused.",
    );
    let waiting = Arc::clone(waiting);
    metrics.refresh(move || {
        set(&now, waiting.count());
        set(&max, waiting.max());
    });
}

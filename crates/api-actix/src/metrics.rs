//! What is counted and measured, for Prometheus, and the address where it is
//! read. What each figure means stands in `docs/metrics.md`.
//!
//! Whoever counts has a handle of its own that was looked up beforehand, so that
//! counting is an addition or two; no label is put together for a request. The
//! values of a label are known when the program is built, or are the settings':
//! ids, paths as they came and texts of clients are never among them.
//!
//! | file | figures of |
//! |---|---|
//! | `requests` | HTTP, by route |
//! | `sales` | bookings and cancellations by outcome, answers of the gate |
//! | `batches` | queues and what is taken from them together |
//! | `hottest` | single events, a bounded number, which have no place in a label |
//! | `families` | names, helps and buckets: how a figure is made |
//! | `listener`, `exchange` | nothing: they answer whoever reads them |
//!
//! What an adapter knows by itself is asked for when somebody reads; `wiring`
//! says what that is.

mod batches;
mod exchange;
mod families;
mod hottest;
mod listener;
mod requests;
mod sales;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::model::RatePolicy;
use prometheus::{HistogramVec, IntCounter, IntCounterVec, TextEncoder};

use self::families::each;
use crate::traces::SpanCounts;

pub(crate) use self::batches::{Batches, set};
pub(crate) use self::families::Families;
pub(crate) use self::hottest::{HotEvent, HotEvents};
pub(crate) use self::listener::MetricsListener;
pub(crate) use self::requests::{RequestMetrics, RequestWatch, RouteMetrics, method_label};
pub(crate) use self::sales::{GateAnswers, Sales};

/// Asks somebody for figures that they keep themselves.
type Refresh = Box<dyn Fn() + Send + Sync>;

/// All figures of one server.
pub(crate) struct Metrics {
    families: Families,
    pub(crate) requests: RequestMetrics,
    pub(crate) sales: Sales,
    pub(crate) gate: GateAnswers,
    pub(crate) batches: Batches,
    pub(crate) hottest: Arc<HotEvents>,
    rate_limit_refusals: IntCounterVec,
    transactions: HistogramVec,
    spans: [IntCounter; 3],
    sources: Mutex<Vec<Refresh>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let families = Families::default();
        let build = families.gauges(
            "utsavam_build_info",
            "Always 1; the labels say which program this is.",
            &["version"],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        families.register(prometheus::process_collector::ProcessCollector::for_self());
        Self {
            requests: RequestMetrics::new(&families),
            sales: Sales::new(&families),
            gate: GateAnswers::new(&families),
            batches: Batches::new(&families),
            hottest: Arc::new(HotEvents::new()),
            rate_limit_refusals: families.counters(
                "utsavam_rate_limit_refusals_total",
                "Requests refused because their client had asked for too much, by policy.",
                &["policy"],
            ),
            transactions: families.durations(
                "utsavam_database_transaction_duration_seconds",
                "From the beginning of a transaction, when it has its connection, to its end.",
                &["transaction"],
            ),
            spans: each(
                &families.counters(
                    "utsavam_trace_spans_total",
                    "Spans of traced requests, by what became of them.",
                    &["outcome"],
                ),
                ["sent", "dropped", "failed"],
            ),
            sources: Mutex::default(),
            families,
        }
    }

    /// How an adapter's own figures are made, see [`refresh`](Self::refresh).
    pub(crate) fn families(&self) -> &Families {
        &self.families
    }

    /// `refresh` is called each time before the figures are read.
    pub(crate) fn refresh(&self, refresh: impl Fn() + Send + Sync + 'static) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.push(Box::new(refresh));
    }

    /// Counts refusals by that policy.
    pub(crate) fn refusals(&self, policy: &RatePolicy) -> IntCounter {
        self.rate_limit_refusals.with_label_values(&[policy.name()])
    }

    /// Measures the transactions of a store, which are called so.
    pub(crate) fn transaction_observer(
        &self,
    ) -> impl Fn(&'static str, Duration) + Send + Sync + 'static {
        let transactions = self.transactions.clone();
        move |name, lasted| {
            let figures = transactions.with_label_values(&[name]);
            figures.observe(lasted.as_secs_f64());
        }
    }

    /// Shows what `counts` says became of spans.
    pub(crate) fn watch_spans(&self, counts: impl Fn() -> SpanCounts + Send + Sync + 'static) {
        let counters = self.spans.clone();
        self.refresh(move || {
            let now = counts();
            for (counter, count) in counters.iter().zip([now.sent, now.dropped, now.failed]) {
                counter.inc_by(count.saturating_sub(counter.get()));
            }
        });
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// A figure that cannot be written, which is a defect.
    pub(crate) fn render(&self) -> prometheus::Result<String> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.iter().for_each(|refresh| refresh());
        drop(sources);
        TextEncoder::new().encode_to_string(&self.families.gather())
    }
}

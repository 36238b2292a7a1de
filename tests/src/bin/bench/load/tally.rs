//! What the load process counts, and the summary that it prints.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies are counted in microseconds; longer ones count as this.
const LATENCY_MAX_US: u64 = 120_000_000;

/// The summary of a run, as JSON on stdout.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// How often each status was answered, warm-up included.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Seconds of the measuring window.
    pub(crate) seconds: f64,
    /// Wanted answers for each second of the window.
    pub(crate) rate: f64,
    /// Of wanted answers.
    pub(crate) latency: Latency,
    /// Of answers with status 503, where these are allowed.
    pub(crate) refusal_latency: Latency,
    /// Answers with status 503 in the window.
    pub(crate) refusals: u64,
    /// Bookings of which nobody knows whether they were made.
    #[serde(default)]
    pub(crate) unknown: u64,
    /// Requests that were due but found no connection until the end.
    pub(crate) unsent: u64,
    /// Connections that were open at the end.
    pub(crate) connections: usize,
    /// What went wrong; the run failed if anything stands here.
    pub(crate) trouble: Option<String>,
}

/// Milliseconds from the moment when a request was meant to start.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// The counters of a run.
pub(crate) struct Tally {
    statuses: [u64; 600],
    wanted: Histogram<u64>,
    refused: Histogram<u64>,
    /// Wanted answers in the window.
    answered: u64,
    refusals: u64,
    unknown: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
            .expect("the bounds are constants in range");
        Self {
            statuses: [0; 600],
            wanted: histogram.clone(),
            refused: histogram,
            answered: 0,
            refusals: 0,
            unknown: 0,
        }
    }

    /// Any answer at any time.
    pub(crate) fn status(&mut self, status: u16) {
        if let Some(count) = self.statuses.get_mut(usize::from(status)) {
            *count += 1;
        }
    }

    /// A wanted answer whose latency counts.
    pub(crate) fn wanted(&mut self, latency: Duration) {
        self.wanted.saturating_record(micros(latency));
    }

    /// A refusal for lack of capacity whose latency counts.
    pub(crate) fn refused(&mut self, latency: Duration) {
        self.refused.saturating_record(micros(latency));
    }

    /// An answer that came within the window.
    pub(crate) fn in_window(&mut self, wanted: bool) {
        if wanted {
            self.answered += 1;
        } else {
            self.refusals += 1;
        }
    }

    /// Nobody knows what became of a booking.
    pub(crate) fn unknown(&mut self) {
        self.unknown += 1;
    }

    pub(crate) fn summary(&self, window: Duration) -> Summary {
        let seconds = window.as_secs_f64();
        let statuses = (0_u16..).zip(self.statuses).filter(|(_, count)| *count > 0);
        Summary {
            statuses: statuses.collect(),
            seconds,
            rate: self.answered as f64 / seconds.max(1e-9),
            latency: Latency::of(&self.wanted),
            refusal_latency: Latency::of(&self.refused),
            refusals: self.refusals,
            unknown: self.unknown,
            ..Summary::default()
        }
    }
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
        }
    }
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MAX_US)
}

//! How a figure is made: its name, what it says, its labels and its buckets.

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    Counter, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

/// Upper ends of the buckets of durations, in seconds: from what a booking takes
/// on an idle machine to the longest that somebody is let wait.
const SECONDS: [f64; 15] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Upper ends of the buckets of batches: the largest there are hold 1,000.
const COMMANDS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// Says why making a figure cannot fail.
const CONSTANT: &str = "names and labels are constant, and each is used once";

/// Makes figures, and has them all.
#[derive(Default)]
pub(crate) struct Families(Registry);

impl Families {
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.0.gather()
    }

    pub(super) fn register(&self, figure: impl Collector + 'static) {
        self.0.register(Box::new(figure)).expect(CONSTANT);
    }

    fn registered<F: Collector + Clone + 'static>(&self, figure: prometheus::Result<F>) -> F {
        let figure = figure.expect(CONSTANT);
        self.register(figure.clone());
        figure
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(IntCounter::new(name, help))
    }

    /// For seconds, which come in fractions.
    pub(crate) fn counter_of_seconds(&self, name: &str, help: &str) -> Counter {
        self.registered(Counter::new(name, help))
    }

    pub(crate) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.registered(IntGauge::new(name, help))
    }

    /// For seconds, which come in fractions.
    pub(crate) fn gauge_of_seconds(&self, name: &str, help: &str) -> Gauge {
        self.registered(Gauge::new(name, help))
    }

    pub(crate) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Of durations in seconds.
    pub(super) fn durations(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.histograms(name, help, labels, &SECONDS)
    }

    /// Of numbers of commands.
    pub(super) fn sizes(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.histograms(name, help, labels, &COMMANDS)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options, labels))
    }
}

/// A counter for each of these values of the only label; all of them are shown
/// from the start, so that the first one counted is seen to be new.
pub(super) fn each<const N: usize>(counters: &IntCounterVec, values: [&str; N]) -> [IntCounter; N] {
    values.map(|value| counters.with_label_values(&[value]))
}

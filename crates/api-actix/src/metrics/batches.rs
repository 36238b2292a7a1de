//! What is queued, and what is taken from a queue together.

use std::sync::Arc;
use std::time::Duration;

use group_commit::{Load, Observer};
use prometheus::{Histogram, HistogramVec, IntGauge, IntGaugeVec};

use super::families::Families;

/// Figures of all queues.
pub(crate) struct Batches {
    commands: HistogramVec,
    wait: HistogramVec,
    duration: HistogramVec,
    waiting: IntGaugeVec,
    under_way: IntGaugeVec,
}

impl Batches {
    pub(super) fn new(families: &Families) -> Self {
        const QUEUE: &[&str] = &["queue"];
        Self {
            commands: families.sizes(
                "utsavam_batch_commands",
                "Commands that were taken from a queue together.",
                QUEUE,
            ),
            wait: families.durations(
                "utsavam_queue_wait_seconds",
                "How long a command waited until a batch took it.",
                QUEUE,
            ),
            duration: families.durations(
                "utsavam_batch_duration_seconds",
                "From the taking of a batch to its end, its transaction included.",
                QUEUE,
            ),
            waiting: families.gauges(
                "utsavam_queue_waiting_commands",
                "Commands that wait in a queue now.",
                QUEUE,
            ),
            under_way: families.gauges(
                "utsavam_queue_batches_in_progress",
                "Batches of a queue that are under way now, or about to begin.",
                QUEUE,
            ),
        }
    }

    /// Measures the batches of the queue that is called so.
    pub(crate) fn observer(&self, queue: &'static str) -> Arc<dyn Observer> {
        let of = |figures: &HistogramVec| figures.with_label_values(&[queue]);
        Arc::new(QueueObserver {
            queue,
            commands: of(&self.commands),
            wait: of(&self.wait),
            duration: of(&self.duration),
        })
    }

    /// Shows how much there is to do in the queue that is called so.
    pub(crate) fn load(&self, queue: &'static str) -> impl Fn(Load) + Send + Sync + 'static {
        let of = |figures: &IntGaugeVec| figures.with_label_values(&[queue]);
        let (waiting, under_way) = (of(&self.waiting), of(&self.under_way));
        move |load: Load| {
            set(&waiting, load.waiting);
            set(&under_way, load.batches);
        }
    }
}

/// Sets a gauge to a number of things.
pub(crate) fn set(gauge: &IntGauge, count: usize) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}

struct QueueObserver {
    queue: &'static str,
    commands: Histogram,
    wait: Histogram,
    duration: Histogram,
}

impl Observer for QueueObserver {
    fn queue(&self) -> &'static str {
        self.queue
    }

    fn taken(&self, waited: &mut dyn ExactSizeIterator<Item = Duration>) {
        // A batch is far smaller than what a double cannot count.
        self.commands.observe(waited.len() as f64);
        // Added up here first: a batch then costs the shared figures one addition.
        let wait = self.wait.local();
        waited.for_each(|time| wait.observe(time.as_secs_f64()));
        wait.flush();
    }

    fn ended(&self, lasted: Duration) {
        self.duration.observe(lasted.as_secs_f64());
    }
}

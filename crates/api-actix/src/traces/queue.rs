//! What waits to be sent, and the thread that sends it.
//!
//! Whoever ends a span puts it here and goes on. There is a bound: while the collector is away
//! or slow, what does not fit is dropped and counted, and so is what it does not take. The batch
//! processor of the SDK does the same, but tells nobody how much it has dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::executor::block_on;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::watch;

/// Spans that wait: some megabytes.
const WAITING_MAX: usize = 8_192;

/// Spans that are sent together.
const TOGETHER_MAX: usize = 512;

/// How long the first of them waits for others.
const EVERY: Duration = Duration::from_secs(1);

/// Spans between their end and their sending.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Rung when there is enough to be sent together, and at the end.
    bell: Condvar,
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    has_ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<SpanData>,
    is_ending: bool,
}

/// What became of spans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SpanCounts {
    /// Taken by the collector.
    pub(crate) sent: u64,
    /// Found no room.
    pub(crate) dropped: u64,
    /// Did not reach the collector, or it refused them.
    pub(crate) failed: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            bell: Condvar::new(),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            has_ended: watch::Sender::new(false),
        }
    }
}

impl Queue {
    pub(super) fn counts(&self) -> SpanCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SpanCounts {
            sent: read(&self.sent),
            dropped: read(&self.dropped),
            failed: read(&self.failed),
        }
    }

    /// Has what is there sent, and waits for that. What comes later is dropped.
    pub(super) async fn end(&self) {
        self.lock().is_ending = true;
        self.bell.notify_one();
        // There is no error while we have the sender.
        let _ = self.has_ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn put(&self, span: SpanData) {
        let mut waiting = self.lock();
        if waiting.is_ending || waiting.spans.len() >= WAITING_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.spans.push(span);
        let is_enough = waiting.spans.len() == TOGETHER_MAX;
        drop(waiting);
        if is_enough {
            self.bell.notify_one();
        }
    }

    /// What is to be sent together, waited for; `None` when nothing will come any more.
    fn take(&self) -> Option<Vec<SpanData>> {
        let mut waiting = self.lock();
        loop {
            let is_due =
                |waiting: &mut Waiting| waiting.is_ending || waiting.spans.len() >= TOGETHER_MAX;
            let woken = self
                .bell
                .wait_timeout_while(waiting, EVERY, |waiting| !is_due(waiting));
            (waiting, _) = woken.unwrap_or_else(PoisonError::into_inner);
            let count = waiting.spans.len().min(TOGETHER_MAX);
            if count > 0 {
                return Some(waiting.spans.drain(..count).collect());
            }
            if waiting.is_ending {
                return None;
            }
        }
    }

    fn note(&self, count: usize, outcome: &OTelSdkResult) {
        let counter = match outcome {
            Ok(()) => &self.sent,
            Err(_) => &self.failed,
        };
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Nothing panics while it has the lock.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that sends, until [`Queue::end`].
///
/// # Errors
/// The system gives no more threads.
pub(super) fn send(
    queue: &Arc<Queue>,
    exporter: impl SpanExporter + 'static,
) -> std::io::Result<()> {
    let queue = Arc::clone(queue);
    let thread = std::thread::Builder::new().name("traces".to_owned());
    thread.spawn(move || {
        let mut is_heard = true;
        while let Some(spans) = queue.take() {
            let count = spans.len();
            let outcome = block_on(exporter.export(spans));
            queue.note(count, &outcome);
            is_heard = tell(is_heard, &outcome);
        }
        queue.has_ended.send_replace(true);
    })?;
    Ok(())
}

/// Says once that nobody takes the spans, and once that somebody does again.
fn tell(was_heard: bool, outcome: &OTelSdkResult) -> bool {
    match outcome {
        Ok(()) if !was_heard => tracing::info!("the collector takes spans again"),
        Err(error) if was_heard => {
            tracing::warn!(%error, "spans do not reach the collector of traces and are lost");
        }
        _ => {}
    }
    outcome.is_ok()
}

/// Where spans come in.
#[derive(Debug)]
pub(super) struct Entrance(pub(super) Arc<Queue>);

impl SpanProcessor for Entrance {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.put(span);
    }

    /// Nobody asks for it: the end is [`Queue::end`].
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

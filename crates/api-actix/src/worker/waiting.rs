//! How many pieces of work wait for an answer from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::crowd::Crowd;

/// Counts the work that waits for a store or a gate, and bounds it.
///
/// What has its answer and has only not been looked at again does not count:
/// it takes no room elsewhere, and where a worker is behind with its requests
/// a bound on those would let in less the later it is.
#[derive(Debug)]
pub(crate) struct Waiting {
    now: AtomicUsize,
    max: usize,
    crowd: Crowd,
}

impl Waiting {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicUsize::new(0),
            max,
            crowd: Crowd::new(),
        })
    }

    /// A place for one more piece of work, if there is room.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        if !self.crowd.admits(Instant::now()) {
            return None;
        }
        let taken = self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < self.max).then_some(now + 1)
            });
        taken.ok()?;
        self.crowd.enter();
        Some(Place {
            waiting: self.clone(),
            is_counted: AtomicBool::new(true),
            is_here: AtomicBool::new(true),
        })
    }
}

/// The place of a piece of work among those that wait.
#[derive(Debug)]
pub(crate) struct Place {
    waiting: Arc<Waiting>,
    is_counted: AtomicBool,
    /// Until the work has ended.
    is_here: AtomicBool,
}

impl Place {
    /// The work waits again. That it may is not asked: it was let in.
    pub(super) fn take(&self) {
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            self.waiting.now.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The work has ended, on a worker that is so late with what it has to do.
    pub(super) fn end(&self, worker_is_late: Duration) {
        self.leave();
        if self.is_here.swap(false, Ordering::Relaxed) {
            self.waiting.crowd.leave(worker_is_late, Instant::now());
        }
    }

    /// The answer is there.
    pub(super) fn leave(&self) {
        if self.is_counted.swap(false, Ordering::Relaxed) {
            self.waiting.now.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

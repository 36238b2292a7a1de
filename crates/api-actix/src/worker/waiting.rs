//! How many pieces of work wait for an answer from elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts the work that waits for a store or a gate, and bounds it.
///
/// What has its answer and has only not been looked at again does not count:
/// it takes no room elsewhere, and where a worker is behind with its requests
/// a bound on those would let in less the later it is.
#[derive(Debug)]
pub(crate) struct Waiting {
    now: AtomicUsize,
    max: usize,
}

impl Waiting {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicUsize::new(0),
            max,
        })
    }

    /// How many may wait.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// How many wait now.
    pub(crate) fn count(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// A place for one more piece of work, if there is room.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        let taken = self
            .now
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < self.max).then_some(now + 1)
            });
        taken.ok().map(|_| Place {
            waiting: self.clone(),
            is_counted: AtomicBool::new(true),
        })
    }
}

/// The place of a piece of work among those that wait.
#[derive(Debug)]
pub(crate) struct Place {
    waiting: Arc<Waiting>,
    is_counted: AtomicBool,
}

impl Place {
    /// The work waits again. That it may is not asked: it was let in.
    pub(super) fn take(&self) {
        if !self.is_counted.swap(true, Ordering::Relaxed) {
            self.waiting.now.fetch_add(1, Ordering::Relaxed);
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
        self.leave();
    }
}

//! How many connections there are, and when they are too many to be kept.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the connections of all workers.
///
/// actix-http has no limit on how long the head of a second request on a connection
/// may take. So that nobody can take all connections by beginning one and falling
/// silent, they are closed after an answer while more than half of what there may be
/// is open: the other half is then for those who have something to ask.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    open: Arc<AtomicUsize>,
    kept_max: usize,
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicUsize>);

impl Connections {
    pub(crate) fn new(connections_max: NonZeroUsize) -> Self {
        Self {
            open: Arc::default(),
            kept_max: connections_max.get() / 2,
        }
    }

    pub(crate) fn opened(&self) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(&self.open))
    }

    /// Whether one is to be closed after its answer.
    pub(crate) fn are_scarce(&self) -> bool {
        self.open.load(Ordering::Relaxed) > self.kept_max
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

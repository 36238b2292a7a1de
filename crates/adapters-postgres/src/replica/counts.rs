//! Which server answered.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reads that may be stale.
#[derive(Debug, Default)]
pub(super) struct Counts {
    by_replica: AtomicU64,
    by_primary: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, is_by_replica: bool) {
        let count = match is_by_replica {
            true => &self.by_replica,
            false => &self.by_primary,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn by_replica(&self) -> u64 {
        self.by_replica.load(Ordering::Relaxed)
    }

    pub(super) fn by_primary(&self) -> u64 {
        self.by_primary.load(Ordering::Relaxed)
    }
}

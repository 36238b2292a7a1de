//! Everything that this process knows of buckets, behind locks.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::local::{BucketKey, Local};

/// Locks among which buckets are spread, so that workers seldom meet at one.
const LOCKS: usize = 16;

/// What is known, of 65,536 buckets at most.
#[derive(Default)]
pub(super) struct Knowledge {
    parts: [Mutex<Local>; LOCKS],
    hasher: RandomState,
}

impl Knowledge {
    /// The part in which that bucket is known.
    pub(super) fn of(&self, key: &BucketKey) -> MutexGuard<'_, Local> {
        let number = self.hasher.hash_one(key) as usize % LOCKS;
        // No method of a part panics halfway through a change.
        self.parts[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

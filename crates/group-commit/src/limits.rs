//! What a key must be, and what is bounded by how much.

use std::hash::Hash;
use std::num::NonZeroUsize;

/// What commands are told apart by. Commands of one key run one batch after the
/// other, and every type that can be a key of a map can be one here. It is
/// cloned, compared and dropped under the lock that all keys share, so that this
/// should be cheap and must not panic.
pub trait Key: Clone + Eq + Hash {}

impl<K: Clone + Eq + Hash> Key for K {}

/// Bounds of a [`GroupCommit`](crate::GroupCommit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Commands of one batch. The rest of a longer queue is the next batch.
    pub commands_per_batch_max: NonZeroUsize,
    /// Keys of one batch; 1 where keys cannot share one.
    pub keys_per_batch_max: NonZeroUsize,
    /// Batches under way at the same time.
    pub batches_max: NonZeroUsize,
    /// Those of them that may take long, which are those of one key: see
    /// [`Batch::is_alone`](crate::Batch::is_alone). Fewer than `batches_max` leave
    /// slots for everybody else.
    pub batches_alone_max: NonZeroUsize,
    /// Commands that wait for one key, those under way left aside. Those that a
    /// batch puts off come back whatever this says, and count.
    pub waiting_per_key_max: NonZeroUsize,
    /// Commands that wait in all, those under way left aside.
    pub waiting_max: NonZeroUsize,
}

impl Default for Limits {
    /// Batches of 512 commands and as many keys, four at a time, two of which may
    /// take long, and 4,096 commands waiting, be it for one key or
    /// for all.
    fn default() -> Self {
        let [commands, keys, batches, alone, waiting] =
            [512, 512, 4, 2, 4_096].map(|n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN));
        Self {
            commands_per_batch_max: commands,
            keys_per_batch_max: keys,
            batches_max: batches,
            batches_alone_max: alone,
            waiting_per_key_max: waiting,
            waiting_max: waiting,
        }
    }
}

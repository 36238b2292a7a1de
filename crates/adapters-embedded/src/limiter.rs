//! The rate limiter of a server that is alone, or that cannot ask the one that
//! it shares with others: all of it in this process. What a bucket does is in
//! `domain::rules`; how many are remembered is in `shard`.

mod shard;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::ports::{LimiterError, RateLimiter};

use self::shard::{Key, Shard};

/// Locks among which subjects are spread, so that workers seldom meet at one.
const SHARDS: usize = 16;

/// Buckets of a shard that are remembered at most: 131,072 in all, which takes
/// 20 MB or so.
const SHARD_BUCKETS_MAX: usize = 8_192;

/// A [`RateLimiter`] in the memory of this process. Every decision is made at
/// once: nothing waits, and nobody is asked.
///
/// A bucket that is full again is forgotten, so the memory follows the number of
/// those who have called lately. It remembers 131,072 buckets at most. When there
/// are more, those that would be full again soonest are forgotten before their
/// time: their owners get a few tokens more than they should, and nobody is
/// refused for it.
pub struct InProcessRateLimiter {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl InProcessRateLimiter {
    /// A limiter that has seen nobody.
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// As [`new`](Self::new), with a clock of one's own: the time since some
    /// instant, which never goes back. For tests, in which nobody waits for a
    /// token.
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::new(SHARD_BUCKETS_MAX))),
            hasher: RandomState::new(),
            clock: Box::new(clock),
        }
    }

    /// The shard of a subject. No method of a shard panics halfway through a
    /// change, so a lock that says so is only the trace of a panic elsewhere.
    fn shard(&self, subject: &LimitSubject) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(subject) as usize % SHARDS;
        self.shards[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many buckets are remembered.
    fn buckets(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }
}

impl Default for InProcessRateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RateLimiter for InProcessRateLimiter {
    async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        tokens: NonZeroU32,
    ) -> Result<RateDecision, LimiterError> {
        let key = Key {
            policy: policy.name(),
            subject: subject.clone(),
        };
        let mut shard = self.shard(subject);
        // Under the lock, so that no bucket sees the time go back.
        let now_us = u64::try_from((self.clock)().as_micros()).unwrap_or(u64::MAX);
        Ok(shard.bucket(key, now_us).take(policy, tokens, now_us))
    }
}

impl fmt::Debug for InProcessRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessRateLimiter")
            .field("buckets", &self.buckets())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! A rate limiter in memory: one mutex around a map.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::ports::{LimiterError, RateLimiter};
use domain::rules::TokenBucket;

/// A rate limiter that lasts as long as the value does and forgets nobody.
#[derive(Debug)]
pub struct MemoryLimiter {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: HashMap<(&'static str, LimitSubject), TokenBucket>,
    ahead: Duration,
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            state: Mutex::default(),
        }
    }
}

impl MemoryLimiter {
    /// Sets the clock ahead.
    pub fn pass(&self, time: Duration) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ahead += time;
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        tokens: NonZeroU32,
    ) -> Result<RateDecision, LimiterError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.start.elapsed() + state.ahead;
        let bucket = state
            .buckets
            .entry((policy.name(), subject.clone()))
            .or_default();
        Ok(bucket.take(policy, tokens, now.as_micros() as u64))
    }
}

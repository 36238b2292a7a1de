//! The rate limiter: in this process, or one that all processes share, with that
//! of this process for when it does not answer.

use std::num::NonZeroU32;

use adapters_embedded::InProcessRateLimiter;
use adapters_redis::RedisRateLimiter;
use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::ports::{LimiterError, RateLimiter};

use async_trait::async_trait;

/// Asks the limiter that all processes share. Where that does not answer, each
/// process counts for itself, so that together they give as many times the policy
/// as there are processes: better than nothing, and than refusing everybody.
#[derive(Debug)]
pub(super) struct SharedLimiter<S = RedisRateLimiter> {
    shared: S,
    own: InProcessRateLimiter,
}

impl<S> SharedLimiter<S> {
    pub(super) fn new(shared: S) -> Self {
        Self {
            shared,
            own: InProcessRateLimiter::new(),
        }
    }
}

#[async_trait]
impl<S: RateLimiter> RateLimiter for SharedLimiter<S> {
    async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        tokens: NonZeroU32,
    ) -> Result<RateDecision, LimiterError> {
        match self.shared.take(policy, subject, tokens).await {
            Ok(decision) => Ok(decision),
            // The adapter has logged that Redis is lost.
            Err(_) => self.own.take(policy, subject, tokens).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    struct Lost;

    #[async_trait]
    impl RateLimiter for Lost {
        async fn take(
            &self,
            _: &RatePolicy,
            _: &LimitSubject,
            _: NonZeroU32,
        ) -> Result<RateDecision, LimiterError> {
            Err(LimiterError("lost".into()))
        }
    }

    #[test]
    fn without_the_shared_limiter_this_process_counts() {
        let limiter = SharedLimiter::new(Lost);
        let policy = RatePolicy::try_new("read", 2, Duration::from_secs(60), 2);
        let policy = policy.expect("a policy");
        let subject = LimitSubject::principal("user:1").expect("a name");
        let allowed = [(); 3].map(|()| {
            let decided = limiter.take(&policy, &subject, NonZeroU32::MIN);
            let decided = decided.now_or_never().expect("at once");
            decided.expect("an answer").allowed
        });
        assert_eq!(allowed, [true, true, false]);
    }
}

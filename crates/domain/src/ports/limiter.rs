//! The rate limiter: how often somebody may call.
//!
//! It guards what there is from those who ask too much of it; it is not what a
//! right answer depends on. Where it cannot be asked, another one may decide.

use std::num::NonZeroU32;

use async_trait::async_trait;

use super::Cause;
use crate::model::{LimitSubject, RateDecision, RatePolicy};

/// The limiter did not answer: whether tokens were taken nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("the rate limiter did not answer")]
pub struct LimiterError(#[source] pub Cause);

/// Keeps a token bucket for each policy and subject, as
/// [`TokenBucket`](crate::rules::TokenBucket) has it: full for somebody who was
/// never seen, or not for so long that it is full again.
///
/// An adapter MUST NOT give more tokens than the policy has, whoever asks at the
/// same time. It may refuse some that the policy has for a time that it
/// documents, such as those that another process has set aside. It may forget
/// buckets where it would need more memory than it documents, those first that
/// lack least.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes so many tokens of the subject under the policy, or none if there
    /// are fewer.
    ///
    /// Returns after a bounded time. A call that is decided in this process is
    /// ready when it is first polled.
    ///
    /// # Errors
    /// The limiter did not answer.
    async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        tokens: NonZeroU32,
    ) -> Result<RateDecision, LimiterError>;
}

//! The rate limiter's one method: what this process can decide is decided at
//! once, everything else goes to Redis together with what others ask.
//!
//! | module | holds |
//! |---|---|
//! | `local` | what this process knows of buckets, and holds of them |
//! | `knowledge` | all of that, behind locks |
//! | `lane` | the queue: who waits, who goes together, who is told what |
//! | `question` | a batch as calls of `rate.lua`, and its answers |

mod knowledge;
mod lane;
mod local;
mod question;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::ports::{LimiterError, RateLimiter};

use self::knowledge::Knowledge;
use self::lane::RateLane;
use self::local::{BucketKey, Verdict};
use self::question::Take;
use crate::gate::RedisSeatGate;
use crate::link::LinkError;

/// A rate limiter that all processes share, on Redis 7 or newer.
///
/// The bucket of `user:7` under the policy `book` is a key such as
/// `{rate:3}:book:principal:user:7`, the time at which it is full again in
/// microseconds of Redis' clock. It leaves by itself when that has come. An
/// operator may delete it: then it is full.
///
/// Takes that come at the same time share a round trip, and up to eight calls of
/// a script in it. Redis is not asked at all
///
/// - for what it would refuse: the process knows since when a bucket lacks how
///   much, and that nobody puts anything back;
/// - for a subject who calls often, while the process holds a block of tokens:
///   a 32nd of the burst, taken only if half of the burst is left after it. A
///   block loses tokens at the pace at which the bucket gets new
///   ones, so that it is over when the bucket has made up for it.
///
/// So no stretch of time gives more than the policy has, however many processes
/// there are. It may give less: what blocks of other processes hold, and what
/// they lost, while at least half of the burst is left. A process that dies
/// leaves nothing behind that does not come back at the policy's pace.
///
/// A Redis that is away, slow or broken is an error within
/// [`GateSettings::response_timeout`](crate::GateSettings::response_timeout)
/// (twice that, if a batch is under way), and at once until it is tried again.
/// The gate with which the limiter was made and the limiter tell each other.
///
/// Batches run on the runtime in which the limiter was made, or else on the one
/// from which it was first asked. Make it on the program's main runtime, and ask
/// it from any.
pub struct RedisRateLimiter {
    lane: RateLane,
    known: Arc<Knowledge>,
    clock: Clock,
}

/// The time since some instant, by the clock of this process.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    fn now_us(&self) -> u64 {
        u64::try_from((self.0)().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Why it did not answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Link(LinkError),
    #[error("redis gave no answer to the batch")]
    Batch,
}

impl RedisRateLimiter {
    /// A limiter on the Redis of a gate, with its settings. Makes no connection.
    pub fn beside(gate: &RedisSeatGate) -> Self {
        let start = Instant::now();
        Self::with_clock(gate, move || start.elapsed())
    }

    /// As [`beside`](Self::beside), with a clock of one's own for what the
    /// process decides: the time since some instant, which never goes back. For
    /// tests, in which nobody waits for a token.
    pub fn with_clock(
        gate: &RedisSeatGate,
        clock: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        let known = Arc::new(Knowledge::default());
        let clock = Clock(Arc::new(clock));
        let (nodes, response_timeout) = gate.nodes_beside();
        Self {
            lane: RateLane::new(nodes, Arc::clone(&known), clock.clone(), response_timeout),
            known,
            clock,
        }
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        tokens: NonZeroU32,
    ) -> Result<RateDecision, LimiterError> {
        let key = BucketKey {
            policy: *policy,
            subject: subject.clone(),
        };
        let asked_at_us = self.clock.now_us();
        let verdict = self.known.of(&key).decide(&key, tokens, asked_at_us);
        let block = match verdict {
            Verdict::Decided(decision) => return Ok(decision),
            Verdict::Ask { block } => block,
        };
        let take = Take {
            key,
            tokens,
            block,
            asked_at_us,
        };
        let answer = match self.lane.ask(take).await {
            Ok(Some(decision)) => return Ok(decision),
            Ok(None) => NoAnswer::Batch,
            Err(error) => NoAnswer::Link(error),
        };
        tracing::debug!(error = %answer, "the rate limiter was not asked");
        Err(LimiterError(answer.into()))
    }
}

impl fmt::Debug for RedisRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRateLimiter")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

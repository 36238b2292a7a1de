//! Who may call how often: a token bucket.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{RateDecision, RatePolicy};

/// A bucket of tokens, kept as the time at which it is full again, by a clock
/// of microseconds that its holder chooses.
///
/// What it lacks until then it gets at the policy's pace, so that nothing has
/// to be done while time passes, and a bucket whose time has come can be
/// forgotten. The [`Default`] is a full one.
///
/// Not more than `burst` tokens and those that came meanwhile are given out in
/// any stretch of time. A clock that goes back makes the bucket as empty as it
/// may be, and never adds a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenBucket {
    full_at_us: u64,
}

impl TokenBucket {
    /// Takes so many tokens, or none if there are fewer.
    pub fn take(&mut self, policy: &RatePolicy, tokens: NonZeroU32, now_us: u64) -> RateDecision {
        // More than a whole bucket can be missing after the clock went back, or
        // when the policy was another one: nobody waits longer than for that.
        let missing_us = self.full_at_us.saturating_sub(now_us);
        let missing_us = missing_us.min(policy.full_us());
        let after_us = missing_us.saturating_add(cost_us(policy, tokens));
        if after_us > policy.full_us() {
            self.full_at_us = now_us.saturating_add(missing_us);
            return refused(policy, tokens, missing_us);
        }
        self.full_at_us = now_us.saturating_add(after_us);
        granted(policy, after_us)
    }

    /// Whether nothing is missing, so that there is nothing to remember.
    pub fn is_full(&self, now_us: u64) -> bool {
        self.full_at_us <= now_us
    }

    /// When nothing is missing any more.
    pub fn full_at_us(&self) -> u64 {
        self.full_at_us
    }
}

/// What is said when tokens were taken and the bucket is full after `missing_us`.
pub fn granted(policy: &RatePolicy, missing_us: u64) -> RateDecision {
    RateDecision {
        allowed: true,
        remaining: remaining(policy, missing_us),
        reset_after: Duration::from_micros(missing_us),
        retry_after: Duration::ZERO,
    }
}

/// What is said to somebody who wants more tokens than there are in a bucket
/// that is full after `missing_us`.
pub fn refused(policy: &RatePolicy, tokens: NonZeroU32, missing_us: u64) -> RateDecision {
    let wanted_us = missing_us.saturating_add(cost_us(policy, tokens));
    let wait_us = wanted_us.saturating_sub(policy.full_us());
    RateDecision {
        allowed: false,
        remaining: remaining(policy, missing_us),
        reset_after: Duration::from_micros(missing_us),
        retry_after: Duration::from_micros(wait_us.min(missing_us)),
    }
}

fn cost_us(policy: &RatePolicy, tokens: NonZeroU32) -> u64 {
    u64::from(tokens.get()).saturating_mul(policy.token_us())
}

/// Whole tokens of a bucket.
fn remaining(policy: &RatePolicy, missing_us: u64) -> u32 {
    let there_us = policy.full_us().saturating_sub(missing_us);
    u32::try_from(there_us / policy.token_us()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn policy(quota: u32, window: Duration, burst: u32) -> RatePolicy {
        RatePolicy::try_new("test", quota, window, burst).expect("a policy")
    }

    /// A token each second, three at once.
    fn slow() -> RatePolicy {
        policy(60, Duration::from_secs(60), 3)
    }

    fn tokens(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).expect("not none")
    }

    fn allowed(remaining: u32, reset_after: u64) -> RateDecision {
        RateDecision {
            allowed: true,
            remaining,
            reset_after: Duration::from_secs(reset_after),
            retry_after: Duration::ZERO,
        }
    }

    #[test]
    fn a_burst_is_granted_and_then_a_token_when_it_has_come() {
        let mut bucket = TokenBucket::default();
        let mut take = |now_us| bucket.take(&slow(), tokens(1), now_us);
        assert_eq!(take(0), allowed(2, 1));
        assert_eq!(take(0), allowed(1, 2));
        assert_eq!(take(0), allowed(0, 3));
        let refused = RateDecision {
            allowed: false,
            remaining: 0,
            reset_after: Duration::from_millis(2_250),
            retry_after: Duration::from_millis(250),
        };
        assert_eq!(take(750_000), refused);
        assert!(!take(SECOND - 1).allowed);
        assert_eq!(take(SECOND), allowed(0, 3));
        assert_eq!(take(100 * SECOND), allowed(2, 1));
    }

    #[test]
    fn many_tokens_are_taken_all_or_none() {
        let mut bucket = TokenBucket::default();
        assert!(bucket.take(&slow(), tokens(2), 0).allowed);
        let refused = bucket.take(&slow(), tokens(2), 0);
        assert_eq!((refused.allowed, refused.remaining), (false, 1));
        assert_eq!(refused.retry_after, Duration::from_secs(1));
        assert!(bucket.take(&slow(), tokens(1), 0).allowed);
        let never = bucket.take(&slow(), tokens(4), 0);
        assert_eq!(
            (never.allowed, never.retry_after),
            (false, never.reset_after)
        );
    }

    #[test]
    fn a_clock_that_was_put_back_locks_nobody_out_for_longer_than_a_bucket_takes() {
        let mut bucket = TokenBucket::default();
        assert!(bucket.take(&slow(), tokens(1), 1_000 * SECOND).allowed);
        assert!(!bucket.take(&slow(), tokens(1), 0).allowed);
        assert!(bucket.take(&slow(), tokens(1), SECOND).allowed);
    }

    #[test]
    fn a_bucket_may_be_forgotten_as_soon_as_it_is_full_again() {
        let mut bucket = TokenBucket::default();
        assert!(bucket.is_full(0));
        assert!(bucket.take(&slow(), tokens(2), 0).allowed);
        assert_eq!(bucket.full_at_us(), 2 * SECOND);
        assert!(!bucket.is_full(2 * SECOND - 1));
        assert!(bucket.is_full(2 * SECOND));
    }

    fn any_policy() -> impl Strategy<Value = RatePolicy> {
        (1u32..2_000, 1u64..=86_400_000, 1u32..2_000).prop_map(|(quota, window_ms, burst)| {
            policy(
                quota,
                Duration::from_millis(window_ms.max(2)),
                burst.min(quota),
            )
        })
    }

    /// Pauses in tokens' worth of time, negative where the clock goes back, and
    /// how many are wanted.
    fn any_takes() -> impl Strategy<Value = Vec<(f64, u32)>> {
        let pause = prop_oneof![4 => Just(0.0), 4 => 0.0..3.0, 1 => 0.0..3_000.0, 1 => -5.0..0.0];
        proptest::collection::vec((pause, 1u32..4), 1..200)
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_gives_more_than_a_burst_and_what_came_meanwhile(
            policy in any_policy(), takes in any_takes(),
        ) {
            let mut bucket = TokenBucket::default();
            let mut now_us = u64::from(u32::MAX);
            // The time that passed: a clock that is put back stands still for it.
            let mut passed_us = 0;
            let mut given: Vec<(u64, u64)> = Vec::new();
            for (pause, wanted) in takes {
                let pause_us = (pause * policy.token_us() as f64) as i64;
                now_us = now_us.saturating_add_signed(pause_us);
                passed_us += u64::try_from(pause_us).unwrap_or(0);
                let decision = bucket.take(&policy, tokens(wanted), now_us);
                if decision.allowed {
                    given.push((passed_us, wanted.into()));
                }
                prop_assert!(decision.remaining <= policy.burst());
                prop_assert!(decision.reset_after <= Duration::from_micros(policy.full_us()));
            }
            for (first, (from_us, _)) in given.iter().enumerate() {
                let mut sum = 0;
                for (until_us, count) in &given[first..] {
                    sum += count;
                    let came = (until_us - from_us) / policy.token_us();
                    prop_assert!(sum <= u64::from(policy.burst()) + came, "{sum} of {came}");
                }
            }
        }

        #[test]
        fn who_waits_as_long_as_told_is_served_and_not_before(
            policy in any_policy(), takes in any_takes(),
        ) {
            let mut bucket = TokenBucket::default();
            let mut now_us = SECOND;
            for (pause, wanted) in takes {
                now_us += (pause.abs() * policy.token_us() as f64) as u64;
                let wanted = tokens(wanted.min(policy.burst()));
                let mut early = bucket;
                let decision = bucket.take(&policy, wanted, now_us);
                prop_assert_eq!(decision, early.take(&policy, wanted, now_us));
                if decision.allowed {
                    prop_assert_eq!(decision.retry_after, Duration::ZERO);
                } else {
                    let wait_us = decision.retry_after.as_micros() as u64;
                    prop_assert!(!early.take(&policy, wanted, now_us + wait_us - 1).allowed);
                    prop_assert!(early.take(&policy, wanted, now_us + wait_us).allowed);
                }
            }
        }

        #[test]
        fn no_number_is_too_large(
            policy in any_policy(), full_at_us: u64, now_us: u64, wanted in 1..=u32::MAX,
        ) {
            let mut bucket = TokenBucket { full_at_us };
            let decision = bucket.take(&policy, tokens(wanted), now_us);
            prop_assert!(decision.retry_after <= Duration::from_micros(policy.full_us()));
            prop_assert_eq!(bucket.is_full(u64::MAX), true);
        }
    }
}

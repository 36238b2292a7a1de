//! What a rate limiter gives to whom. Tokens take minutes to come, so that no
//! slow machine makes one come by itself.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::rules::TokenBucket;

use crate::LimiterBench;
use crate::seed::{Seeded, steps};
use crate::values::odd_texts;

/// How long a token takes to come.
const TOKEN: Duration = Duration::from_secs(10 * 60);

/// What the time between two calls may be at most.
const MOMENT: Duration = Duration::from_secs(2 * 60);

/// `burst` at once, and one each ten minutes.
pub(super) fn policy(name: &'static str, burst: u32) -> RatePolicy {
    let day = Duration::from_secs(24 * 60 * 60);
    RatePolicy::try_new(name, 144, day, burst).expect("a policy")
}

pub(super) fn somebody(name: &str) -> LimitSubject {
    LimitSubject::principal(name).expect("a name")
}

pub(super) fn tokens(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not none")
}

impl LimiterBench {
    pub(super) async fn take(
        &self,
        policy: &RatePolicy,
        subject: &LimitSubject,
        count: u32,
    ) -> RateDecision {
        let decision = self.limiter().take(policy, subject, tokens(count)).await;
        decision.expect("an answer")
    }

    /// Takes one by one what there is, up to a thousand.
    pub(super) async fn empty(&self, policy: &RatePolicy, subject: &LimitSubject) -> u32 {
        for granted in 0..1_000 {
            if !self.take(policy, subject, 1).await.allowed {
                return granted;
            }
        }
        panic!("there is no end to it")
    }
}

/// Whether it is that long, or a moment less.
fn is_about(time: Duration, expected: Duration) -> bool {
    time <= expected && time + MOMENT >= expected
}

pub async fn somebody_who_was_never_seen_has_a_full_bucket(bench: LimiterBench) {
    let decision = bench.take(&policy("read", 5), &somebody("user:1"), 1).await;
    assert_eq!((decision.allowed, decision.remaining), (true, 4));
    assert_eq!(decision.retry_after, Duration::ZERO);
    assert!(is_about(decision.reset_after, TOKEN), "{decision:?}");
}

pub async fn a_burst_is_granted_and_not_one_more(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 5), somebody("user:1"));
    for left in (0..5).rev() {
        let decision = bench.take(&policy, &subject, 1).await;
        assert_eq!((decision.allowed, decision.remaining), (true, left));
    }
    for _ in 0..3 {
        let decision = bench.take(&policy, &subject, 1).await;
        assert_eq!((decision.allowed, decision.remaining), (false, 0));
    }
}

pub async fn a_refusal_takes_nothing_and_says_when_to_come_back(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 2), somebody("user:1"));
    assert_eq!(bench.empty(&policy, &subject).await, 2);
    bench.pass(TOKEN / 2).await;
    for _ in 0..3 {
        let refused = bench.take(&policy, &subject, 1).await;
        assert!(!refused.allowed);
        assert!(is_about(refused.retry_after, TOKEN / 2), "{refused:?}");
        assert!(is_about(refused.reset_after, 3 * TOKEN / 2), "{refused:?}");
    }
    let refused = bench.take(&policy, &subject, 1).await;
    bench.pass(refused.retry_after).await;
    assert!(bench.take(&policy, &subject, 1).await.allowed);
    assert!(!bench.take(&policy, &subject, 1).await.allowed);
}

pub async fn tokens_come_back_at_the_policys_pace(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 7), somebody("user:1"));
    assert_eq!(bench.empty(&policy, &subject).await, 7);
    for came in [1, 3, 2] {
        bench.pass(came * TOKEN).await;
        assert_eq!(bench.empty(&policy, &subject).await, came);
    }
}

pub async fn a_bucket_is_never_fuller_than_its_burst(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 7), somebody("user:1"));
    assert_eq!(bench.empty(&policy, &subject).await, 7);
    bench.pass(30 * TOKEN).await;
    let decision = bench.take(&policy, &subject, 1).await;
    assert_eq!(decision.remaining, 6);
    assert_eq!(bench.empty(&policy, &subject).await, 6);
}

pub async fn many_tokens_are_taken_all_or_none(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 5), somebody("user:1"));
    assert_eq!(bench.take(&policy, &subject, 3).await.remaining, 2);
    let refused = bench.take(&policy, &subject, 3).await;
    assert_eq!((refused.allowed, refused.remaining), (false, 2));
    assert!(is_about(refused.retry_after, TOKEN), "{refused:?}");
    // Fewer are still there, whoever was refused before.
    assert_eq!(bench.take(&policy, &subject, 2).await.remaining, 0);
    assert!(!bench.take(&policy, &subject, 1).await.allowed);
}

pub async fn more_than_a_bucket_holds_is_never_granted(bench: LimiterBench) {
    let (policy, subject) = (policy("read", 5), somebody("user:1"));
    let never = bench.take(&policy, &subject, 6).await;
    assert_eq!((never.allowed, never.remaining), (false, 5));
    assert!(!bench.take(&policy, &subject, u32::MAX).await.allowed);
    assert!(bench.take(&policy, &subject, 5).await.allowed);
}

pub async fn everybody_has_a_bucket_of_their_own(bench: LimiterBench) {
    let policy = policy("read", 1);
    let mut subjects: Vec<_> = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"]
        .iter()
        .map(|text| LimitSubject::address(text.parse().expect("an address")))
        .collect();
    let odd = odd_texts().into_iter().filter(|text| text.len() <= 300);
    subjects.extend(odd.map(|text| somebody(&text)));
    subjects.extend(["}", "{", "{}", "a:b", "a:b:c", "a b", "A B"].map(somebody));
    for subject in &subjects {
        assert!(bench.take(&policy, subject, 1).await.allowed, "{subject}");
    }
    for subject in &subjects {
        assert!(!bench.take(&policy, subject, 1).await.allowed, "{subject}");
    }
}

pub async fn policies_have_buckets_of_their_own(bench: LimiterBench) {
    let subject = somebody("user:1");
    for policy in [policy("read", 2), policy("book", 1)] {
        assert_eq!(bench.empty(&policy, &subject).await, policy.burst());
    }
}

pub async fn a_policy_that_changed_goes_on_with_the_bucket(bench: LimiterBench) {
    let subject = somebody("user:1");
    assert_eq!(bench.empty(&policy("read", 5), &subject).await, 5);
    // What is missing of a bucket that is smaller now is all of it, not more.
    let refused = bench.take(&policy("read", 2), &subject, 1).await;
    assert!(!refused.allowed);
    assert!(refused.retry_after <= TOKEN, "{refused:?}");
    bench.pass(TOKEN).await;
    assert!(bench.take(&policy("read", 2), &subject, 1).await.allowed);
}

pub async fn a_random_sequence_is_answered_as_the_rule_says(bench: LimiterBench) {
    let seeded = Seeded::new();
    let mut random = seeded.chance(0);
    let policy = policy("read", 9);
    let subjects = ["user:1", "user:2", "user:3"].map(somebody);
    let mut buckets = [TokenBucket::default(); 3];
    let mut now_us = 0;
    for step in 0..steps(200) {
        if random.u32(0..4) == 0 {
            // Whole halves of a token: the moments that pass besides change nothing.
            let time = random.u32(1..6) * TOKEN / 2;
            bench.pass(time).await;
            now_us += time.as_micros() as u64;
            continue;
        }
        let (who, count) = (random.usize(0..3), random.u32(1..5));
        seeded.doing(format!("step {step}: {count} of {who}"));
        let expected = buckets[who].take(&policy, tokens(count), now_us);
        let decision = bench.take(&policy, &subjects[who], count).await;
        let told = |decision: RateDecision| (decision.allowed, decision.remaining);
        assert_eq!(told(decision), told(expected), "{count} of {who}");
        for (time, expected) in [
            (decision.reset_after, expected.reset_after),
            (decision.retry_after, expected.retry_after),
        ] {
            assert!(is_about(time, expected), "{decision:?} {expected:?}");
        }
    }
}

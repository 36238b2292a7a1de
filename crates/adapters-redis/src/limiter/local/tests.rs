use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;

/// A token each second; a block is of eight.
fn policy() -> RatePolicy {
    RatePolicy::try_new("read", 256, Duration::from_secs(256), 256).expect("a policy")
}

fn key() -> BucketKey {
    BucketKey {
        policy: policy(),
        subject: LimitSubject::principal("user:1").expect("a name"),
    }
}

fn tokens(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("not none")
}

/// Redis says that so many tokens are missing, a block included.
fn answer(asked_at_us: u64, missing: u64, block: u32) -> Answer {
    Answer {
        asked_at_us,
        answered_at_us: asked_at_us,
        missing_us: missing * SECOND,
        block,
    }
}

/// What is left to whoever is granted one token.
fn granted_one(local: &mut Local, now_us: u64) -> Option<u32> {
    match local.decide(&key(), tokens(1), now_us) {
        Verdict::Decided(decision) if decision.allowed => Some(decision.remaining),
        _ => None,
    }
}

#[test]
fn who_calls_often_asks_for_a_block_and_the_others_do_not() {
    let mut local = Local::default();
    let ask = |local: &mut Local, now_us| local.decide(&key(), tokens(1), now_us);
    assert_eq!(ask(&mut local, 0), Verdict::Ask { block: 0 });
    local.answered(&key(), answer(0, 1, 0), false);
    assert_eq!(ask(&mut local, OFTEN_US), Verdict::Ask { block: 0 });
    assert_eq!(ask(&mut local, OFTEN_US + 1), Verdict::Ask { block: 8 });
    // One is on its way.
    assert_eq!(ask(&mut local, OFTEN_US + 2), Verdict::Ask { block: 0 });
    local.failed(&key());
    assert_eq!(ask(&mut local, OFTEN_US + 3), Verdict::Ask { block: 8 });
}

#[test]
fn who_goes_on_calling_gets_the_next_block_when_the_last_is_over() {
    let mut local = Local::default();
    let last_token = 7 * SECOND;
    local.answered(&key(), answer(0, 9, 8), true);
    assert!(granted_one(&mut local, last_token).is_some());
    let next = local.decide(&key(), tokens(1), last_token + OFTEN_US - 1);
    assert_eq!(next, Verdict::Ask { block: 8 });
    let mut local = Local::default();
    local.answered(&key(), answer(0, 9, 8), true);
    assert!(granted_one(&mut local, last_token).is_some());
    let rare = local.decide(&key(), tokens(1), last_token + OFTEN_US);
    assert_eq!(rare, Verdict::Ask { block: 0 });
}

#[test]
fn a_block_lasts_for_a_32nd_of_what_a_bucket_takes_to_fill() {
    let minute = Duration::from_secs(60);
    for (burst, tokens) in [(6_000, 187), (1_000_000, 31_250), (255, 0)] {
        let policy = RatePolicy::try_new("read", burst, minute, burst).expect("a policy");
        assert_eq!(block_size(&policy), tokens, "{burst}");
    }
}

#[test]
fn a_block_gives_its_tokens_once() {
    let mut local = Local::default();
    local.answered(&key(), answer(0, 9, 8), true);
    for left in (247..255).rev() {
        assert_eq!(granted_one(&mut local, 0), Some(left));
    }
    assert_eq!(granted_one(&mut local, 0), None);
}

#[test]
fn a_block_that_is_not_used_is_over_when_the_bucket_has_made_up_for_it() {
    let mut local = Local::default();
    local.answered(&key(), answer(0, 9, 8), true);
    assert_eq!(granted_one(&mut local, 8 * SECOND), None);
    local.answered(&key(), answer(0, 9, 8), true);
    // Six were lost when as many came in Redis, and are not there a second time.
    assert_eq!(granted_one(&mut local, 6 * SECOND), Some(254));
    assert_eq!(granted_one(&mut local, 6 * SECOND), Some(253));
    assert_eq!(granted_one(&mut local, 6 * SECOND), None);
}

#[test]
fn what_redis_would_refuse_is_refused_here_until_the_token_has_come() {
    let mut local = Local::default();
    local.answered(&key(), answer(0, 256, 0), false);
    let refused = local.decide(&key(), tokens(1), SECOND / 4);
    let Verdict::Decided(refused) = refused else {
        panic!("{refused:?}")
    };
    assert!(!refused.allowed);
    assert_eq!(refused.retry_after, Duration::from_millis(750));
    assert_eq!(granted_one(&mut local, SECOND), None);
    let asks = local.decide(&key(), tokens(1), SECOND);
    assert!(matches!(asks, Verdict::Ask { .. }), "{asks:?}");
    let two = local.decide(&key(), tokens(2), SECOND);
    assert!(matches!(two, Verdict::Decided(decision) if !decision.allowed));
}

#[test]
fn an_answer_that_comes_late_makes_no_bucket_fuller() {
    let mut local = Local::default();
    local.answered(&key(), answer(10, 256, 0), false);
    local.answered(&key(), answer(5, 10, 0), false);
    assert!(matches!(
        local.decide(&key(), tokens(1), 20),
        Verdict::Decided(decision) if !decision.allowed
    ));
}

/// Redis may have looked at the very end of the time in which it was asked.
#[test]
fn whoever_is_refused_here_is_told_a_time_at_which_redis_grants() {
    let mut local = Local::default();
    let (latency_us, later_us) = (3_000, 5_000);
    let answer = Answer {
        answered_at_us: latency_us,
        ..answer(0, 256, 0)
    };
    local.answered(&key(), answer, false);
    let Verdict::Decided(decision) = local.decide(&key(), tokens(1), later_us) else {
        panic!("an empty bucket is known");
    };
    assert!(!decision.allowed);
    let token_there_us = latency_us + SECOND;
    let told = Duration::from_micros(token_there_us - later_us);
    assert_eq!(decision.retry_after, told);
}

#[test]
fn the_memory_has_an_end() {
    let mut local = Local::default();
    let client = |number: usize| BucketKey {
        policy: policy(),
        subject: LimitSubject::principal(&format!("user:{number}")).expect("a name"),
    };
    for number in 0..KNOWN_MAX + 1_000 {
        local.answered(&client(number), answer(1, 256, 0), false);
    }
    assert_eq!(local.buckets.len(), KNOWN_MAX);
    // All of it is of no use any more.
    local.answered(&client(usize::MAX), answer(300 * SECOND, 1, 0), false);
    assert_eq!(local.buckets.len(), 1);
}

/// A bucket as `rate.lua` keeps it, and processes that hold blocks of it.
struct World {
    policy: RatePolicy,
    full_at_us: u64,
    processes: Vec<Local>,
}

impl World {
    fn take_of_redis(&mut self, cost: u32, limit_us: u64, now_us: u64) -> (bool, u64) {
        let missing_us = self.full_at_us.saturating_sub(now_us);
        let after_us = missing_us + u64::from(cost) * self.policy.token_us();
        if after_us > limit_us {
            return (false, missing_us);
        }
        self.full_at_us = now_us + after_us;
        (true, after_us)
    }

    /// When a token was granted to a process; Redis decides after `latency_us`.
    fn take(&mut self, process: usize, now_us: u64, latency_us: u64) -> Option<u64> {
        let key = BucketKey {
            policy: self.policy,
            subject: LimitSubject::principal("user:1").expect("a name"),
        };
        let asked_block = match self.processes[process].decide(&key, tokens(1), now_us) {
            Verdict::Decided(decision) => return decision.allowed.then_some(now_us),
            Verdict::Ask { block } => block,
        };
        let full_us = self.policy.full_us();
        let (allowed, mut missing_us) = self.take_of_redis(1, full_us, now_us + latency_us);
        let mut block = 0;
        if asked_block > 0 {
            let taken = self.take_of_redis(asked_block, full_us / 2, now_us + latency_us);
            missing_us = taken.1;
            block = if taken.0 { asked_block } else { 0 };
        }
        let answer = Answer {
            asked_at_us: now_us,
            answered_at_us: now_us + 2 * latency_us,
            missing_us,
            block,
        };
        self.processes[process].answered(&key, answer, asked_block > 0);
        allowed.then_some(now_us + latency_us)
    }
}

/// A crowd: so many calls, and how long nobody calls after it. A few calls take
/// blocks, and a pause makes what is held of an almost full bucket matter.
fn any_phase() -> impl Strategy<Value = (usize, u64)> {
    let calls = prop_oneof![2usize..20, 100usize..900];
    let pause_us = prop_oneof![4 => 0u64..400_000, 1 => Just(10 * SECOND)];
    (calls, pause_us)
}

proptest! {
    #[test]
    fn processes_together_never_give_more_than_the_policy_has(
        burst in 256u32..700,
        phases in proptest::collection::vec(any_phase(), 1..8),
        calls in proptest::collection::vec((0usize..3, 0u64..100, 0u64..2_000), 900),
    ) {
        // A token each ten milliseconds.
        let policy = RatePolicy::try_new("read", 700, Duration::from_secs(7), burst)
            .expect("a policy");
        let processes = (0..3).map(|_| Local::default()).collect();
        let mut world = World { policy, full_at_us: 0, processes };
        let mut now_us = SECOND;
        let mut given = Vec::new();
        for (count, pause_us) in phases {
            for &(process, gap_us, latency_us) in &calls[..count] {
                now_us += gap_us;
                if let Some(at_us) = world.take(process, now_us, latency_us) {
                    given.push(at_us);
                    now_us = at_us;
                }
            }
            now_us += pause_us;
        }
        // Each grant as the first of a stretch of time.
        for first in 0..given.len() {
            for last in first..given.len() {
                let came = (given[last] - given[first]) / policy.token_us();
                prop_assert!(u64::from(burst) + came > (last - first) as u64);
            }
        }
    }
}

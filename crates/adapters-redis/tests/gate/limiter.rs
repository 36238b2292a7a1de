//! The rate limiter: its keys, what it asks Redis and what not, and what it says
//! when Redis is in trouble.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisRateLimiter, RedisSeatGate};
use domain::model::{LimitSubject, RateDecision, RatePolicy};
use domain::ports::{GateAnswer, LimiterError, RateLimiter, SeatGate};
use futures::FutureExt;
use tokio::task::JoinSet;

use crate::support::{
    Bench, EVENT, Logs, Mode, Proxy, empty_database, event, ordinary, patient, reservation, seats,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// No token of it comes while a test runs.
fn policy(burst: u32) -> RatePolicy {
    RatePolicy::try_new("read", burst, DAY, burst).expect("a policy")
}

fn user(number: usize) -> LimitSubject {
    LimitSubject::principal(&format!("user:{number}")).expect("a name")
}

fn gate(url: &str, settings: GateSettings) -> RedisSeatGate {
    RedisSeatGate::try_new(url, settings).expect("a good url")
}

async fn try_take(
    limiter: &RedisRateLimiter,
    policy: &RatePolicy,
    subject: &LimitSubject,
) -> Result<RateDecision, LimiterError> {
    limiter.take(policy, subject, NonZeroU32::MIN).await
}

async fn take(limiter: &RedisRateLimiter, policy: &RatePolicy, number: usize) -> RateDecision {
    let decision = try_take(limiter, policy, &user(number)).await;
    decision.expect("an answer")
}

#[tokio::test]
async fn a_bucket_is_a_key_that_leaves_when_it_is_full_again() {
    let bench = Bench::new().await;
    let limiter = RedisRateLimiter::beside(&bench.gate);
    take(&limiter, &policy(4), 7).await;
    let keys: Vec<String> = bench.redis(&["KEYS", "*"]).await;
    let [key] = &keys[..] else { panic!("{keys:?}") };
    let (tag, rest) = key.split_at("{rate:0}".len());
    assert!(tag.starts_with("{rate:") && tag.ends_with('}'), "{key}");
    assert_eq!(rest, ":read:principal:user:7");
    let full_at_us: i64 = bench.redis(&["GET", key]).await;
    let (seconds, micros): (i64, i64) = bench.redis(&["TIME"]).await;
    let missing_us = full_at_us - seconds * 1_000_000 - micros;
    let token_us = i64::try_from(DAY.as_micros()).expect("fits") / 4;
    assert!(
        (token_us - 60_000_000..=token_us).contains(&missing_us),
        "{missing_us}"
    );
    let ttl_ms: i64 = bench.redis(&["PTTL", key]).await;
    assert!(
        (ttl_ms - missing_us / 1_000).abs() < 60_000,
        "{ttl_ms} {missing_us}"
    );
}

#[tokio::test]
async fn whatever_an_operator_puts_there_the_limiter_answers() {
    let bench = Bench::new().await;
    // Each time a limiter that knows nothing.
    let first = RedisRateLimiter::beside(&bench.gate);
    assert_eq!(take(&first, &policy(3), 7).await.remaining, 2);
    let keys: Vec<String> = bench.redis(&["KEYS", "*"]).await;
    let key = keys[0].as_str();
    for value in ["nonsense", "", "nan", "-inf", "-5", "0x10", "1"] {
        let _: () = bench.redis(&["SET", key, value]).await;
        let limiter = RedisRateLimiter::beside(&bench.gate);
        assert_eq!(take(&limiter, &policy(3), 7).await.remaining, 2, "{value}");
    }
    for value in ["inf", "1e300", "99999999999999999999"] {
        let _: () = bench.redis(&["SET", key, value]).await;
        let limiter = RedisRateLimiter::beside(&bench.gate);
        let refused = take(&limiter, &policy(3), 7).await;
        assert_eq!((refused.allowed, refused.remaining), (false, 0), "{value}");
        assert!(refused.retry_after <= DAY, "{refused:?}");
    }
    let _: () = bench.redis(&["DEL", key]).await;
    let _: i64 = bench.redis(&["RPUSH", key, "a list"]).await;
    let limiter = RedisRateLimiter::beside(&bench.gate);
    assert_eq!(take(&limiter, &policy(3), 7).await.remaining, 2);
}

#[tokio::test]
async fn two_processes_have_one_bucket() {
    let bench = Bench::new().await;
    let limiters = [0, 1].map(|_| RedisRateLimiter::beside(&bench.gate));
    let policy = policy(6);
    for left in (0..6).rev() {
        let limiter = &limiters[left as usize % 2];
        assert_eq!(take(limiter, &policy, 7).await.remaining, left);
    }
    for limiter in &limiters {
        assert!(!take(limiter, &policy, 7).await.allowed);
    }
}

#[tokio::test]
async fn processes_with_blocks_give_no_token_twice() {
    const BURST: u32 = 3_200;
    let bench = Bench::new().await;
    let mut crowd = JoinSet::new();
    for _ in 0..3 {
        let limiter = Arc::new(RedisRateLimiter::beside(&bench.gate));
        for _ in 0..8 {
            let limiter = Arc::clone(&limiter);
            crowd.spawn(async move {
                let mut granted = 0;
                for _ in 0..BURST / 16 {
                    granted += u32::from(take(&limiter, &policy(BURST), 7).await.allowed);
                }
                granted
            });
        }
    }
    let granted: u32 = crowd.join_all().await.iter().sum();
    // A token comes each 27 seconds. A block loses one, and what of it is not used
    // when everything else is.
    assert!((BURST - 200..=BURST + 3).contains(&granted), "{granted}");
}

#[tokio::test]
async fn who_calls_often_costs_redis_a_fraction_of_a_command() {
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let limiter = RedisRateLimiter::beside(&gate(&proxy.url, patient()));
    let policy = policy(32_000);
    let mut left = take(&limiter, &policy, 7).await.remaining;
    let mut at_once = 0;
    let turns_before = proxy.turns();
    for _ in 0..2_000 {
        let subject = user(7);
        let mut decision = limiter.take(&policy, &subject, NonZeroU32::MIN);
        let decision = match (&mut decision).now_or_never() {
            Some(decided) => {
                at_once += 1;
                decided
            }
            None => decision.await,
        };
        let decision = decision.expect("an answer");
        assert!(decision.allowed);
        // Whoever holds the tokens, there is one less; or two, where a block lost
        // one.
        assert!(
            (1..=2).contains(&(left - decision.remaining)),
            "{left} {decision:?}"
        );
        left = decision.remaining;
    }
    assert!(at_once >= 1_990, "{at_once}");
    assert!(proxy.turns() - turns_before <= 10);
}

#[tokio::test]
async fn what_redis_would_refuse_again_it_is_not_asked() {
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let limiter = RedisRateLimiter::beside(&gate(&proxy.url, patient()));
    while take(&limiter, &policy(2), 7).await.allowed {}
    let turns_before = proxy.turns();
    for _ in 0..100 {
        let refused = take(&limiter, &policy(2), 7).await;
        assert!(!refused.allowed && refused.retry_after > DAY / 4);
    }
    assert_eq!(proxy.turns(), turns_before);
}

#[tokio::test]
async fn takes_at_the_same_time_share_a_round_trip() {
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let limiter = Arc::new(RedisRateLimiter::beside(&gate(&proxy.url, patient())));
    take(&limiter, &policy(5), 0).await;
    let turns_before = proxy.turns();
    let asked = (1..=500).map(|number| {
        let limiter = Arc::clone(&limiter);
        async move { take(&limiter, &policy(5), number).await }
    });
    let decisions = futures::future::join_all(asked).await;
    assert!(decisions.iter().all(|decision| decision.remaining == 4));
    let turns = proxy.turns() - turns_before;
    assert!(turns <= 5, "{turns} round trips");
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_told_again() {
    let bench = Bench::new().await;
    let limiter = RedisRateLimiter::beside(&bench.gate);
    for left in (0..3).rev() {
        assert_eq!(take(&limiter, &policy(3), 7).await.remaining, left);
        let _: () = bench.redis(&["SCRIPT", "FLUSH"]).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_lost_is_lost_for_gate_and_limiter() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let proxy = Proxy::before(&empty_database().await, Mode::Forward).await;
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        cool_down: Duration::from_secs(600),
        ..ordinary()
    };
    let logs = Logs::listen();
    let gate = gate(&proxy.url, settings);
    let limiter = RedisRateLimiter::beside(&gate);
    proxy.set(Mode::Silent);
    let start = Instant::now();
    let lost = try_take(&limiter, &policy(3), &user(7)).await;
    lost.expect_err("it is silent");
    for number in 0..50 {
        let gone_around = try_take(&limiter, &policy(3), &user(number)).now_or_never();
        gone_around.expect("at once").expect_err("it is lost");
        let answer = gate
            .take(event(EVENT), reservation(1), seats(1))
            .now_or_never();
        assert_eq!(answer, Some(GateAnswer::Unknown));
    }
    assert!(start.elapsed() < 3 * TIMEOUT + Duration::from_secs(3));
    assert_eq!(logs.count("WARN"), 1);
    // Who insists finds out for both.
    proxy.set(Mode::Forward);
    while gate.read(&[event(EVENT)]).await.is_err() {}
    assert_eq!(take(&limiter, &policy(3), 7).await.remaining, 2);
}

#[tokio::test]
async fn blocks_leave_half_of_the_burst_to_others() {
    const BURST: u32 = 6_400;
    let bench = Bench::new().await;
    // Blocks of all of these would be more than there is.
    for _ in 0..40 {
        let limiter = RedisRateLimiter::beside(&bench.gate);
        for _ in 0..3 {
            assert!(take(&limiter, &policy(BURST), 7).await.allowed);
        }
    }
    let limiter = RedisRateLimiter::beside(&bench.gate);
    let left = take(&limiter, &policy(BURST), 7).await.remaining;
    // The next block does not fit; the takes of one by one do.
    assert!(
        (BURST / 2 - 130..=BURST / 2 + 200).contains(&left),
        "{left}"
    );
}

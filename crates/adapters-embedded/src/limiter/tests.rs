use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A limiter whose time passes only when a test says so.
struct Stage {
    limiter: InProcessRateLimiter,
    seconds: Arc<AtomicU64>,
}

impl Stage {
    fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&seconds);
        let elapsed = move || Duration::from_secs(clock.load(Ordering::Relaxed));
        Self {
            limiter: InProcessRateLimiter::with_clock(elapsed),
            seconds,
        }
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn take(&self, subject: &LimitSubject, tokens: u32) -> RateDecision {
        let policy = RatePolicy::try_new("read", 60, MINUTE, 60).expect("a policy");
        let tokens = NonZeroU32::new(tokens).expect("not none");
        let decided = self.limiter.take(&policy, subject, tokens).now_or_never();
        decided.expect("at once").expect("an answer")
    }
}

fn client(number: usize) -> LimitSubject {
    let bits = u32::try_from(number).expect("small");
    LimitSubject::address(IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

#[test]
fn the_memory_follows_those_who_called_lately() {
    let stage = Stage::new();
    for number in 0..100_000 {
        stage.take(&client(number), 1);
        if number % 100 == 0 {
            stage.pass(1);
        }
        // A bucket is full after a second.
        assert!(stage.limiter.buckets() <= SHARDS * 80, "{number}");
    }
}

#[test]
fn those_who_lack_least_are_forgotten_when_there_are_too_many() {
    const MAX: usize = SHARDS * SHARD_BUCKETS_MAX;
    let stage = Stage::new();
    for number in 0..1_000 {
        stage.take(&client(number), 60);
    }
    for number in 0..2 * MAX {
        assert!(stage.take(&client(1_000 + number), 1).allowed);
    }
    let buckets = stage.limiter.buckets();
    assert!((MAX / 2..=MAX).contains(&buckets), "{buckets}");
    for number in 0..1_000 {
        assert!(!stage.take(&client(number), 1).allowed, "{number}");
    }
}

#[test]
fn empty_buckets_are_forgotten_too_before_the_memory_grows() {
    let stage = Stage::new();
    for number in 0..2 * SHARDS * SHARD_BUCKETS_MAX {
        assert!(stage.take(&client(number), 60).allowed);
    }
    assert!(stage.limiter.buckets() <= SHARDS * SHARD_BUCKETS_MAX);
}

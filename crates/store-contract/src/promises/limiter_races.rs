//! Who takes tokens at the same time.

use std::time::Duration;

use domain::model::RatePolicy;

use super::limiter::{policy, somebody};
use crate::LimiterBench;
use crate::parallel::parallel;

pub async fn a_burst_in_parallel_is_granted_exactly(bench: LimiterBench) {
    let answers = parallel(60, |_| {
        let bench = bench.clone();
        async move {
            bench
                .take(&policy("read", 20), &somebody("user:1"), 1)
                .await
        }
    })
    .await;
    let mut left: Vec<_> = answers
        .iter()
        .filter(|decision| decision.allowed)
        .map(|decision| decision.remaining)
        .collect();
    left.sort_unstable();
    assert_eq!(left, (0..20).collect::<Vec<_>>());
}

/// Large enough that an adapter may set tokens aside, and lose a few of them.
pub async fn a_large_burst_in_parallel_is_granted_and_not_one_more(bench: LimiterBench) {
    const BURST: u32 = 4_000;
    const TASKS: u32 = 50;
    let day = Duration::from_secs(24 * 60 * 60);
    let policy = RatePolicy::try_new("read", BURST, day, BURST).expect("a policy");
    let granted = parallel(TASKS as usize, |_| {
        let bench = bench.clone();
        async move {
            let mut granted = 0;
            for _ in 0..2 * BURST / TASKS {
                let decision = bench.take(&policy, &somebody("user:1"), 1).await;
                granted += u32::from(decision.allowed);
            }
            granted
        }
    })
    .await;
    let granted: u32 = granted.iter().sum();
    // A token each 21.6 seconds, for the two minutes that a promise may take.
    assert!((BURST / 16 * 15..BURST + 6).contains(&granted), "{granted}");
}

pub async fn whatever_sizes_are_asked_for_no_token_is_given_twice(bench: LimiterBench) {
    let answers = parallel(60, |number| {
        let bench = bench.clone();
        async move {
            let count = 1 + number as u32 % 5;
            let subject = somebody("user:1");
            let decision = bench.take(&policy("read", 50), &subject, count).await;
            (count, decision)
        }
    })
    .await;
    let granted: u32 = answers
        .iter()
        .filter(|(_, decision)| decision.allowed)
        .map(|(count, _)| count)
        .sum();
    // Those who want many may be refused while a few are left.
    let left = bench.empty(&policy("read", 50), &somebody("user:1")).await;
    assert_eq!(granted + left, 50);
}

pub async fn a_crowd_of_subjects_gets_what_is_theirs(bench: LimiterBench) {
    let answers = parallel(120, |number| {
        let bench = bench.clone();
        async move {
            let who = number % 20;
            let subject = somebody(&format!("user:{who}"));
            let decision = bench.take(&policy("read", 4), &subject, 1).await;
            (who, decision.allowed)
        }
    })
    .await;
    for user in 0..20 {
        let granted = answers.iter().filter(|answer| **answer == (user, true));
        assert_eq!(granted.count(), 4, "user {user}");
    }
}

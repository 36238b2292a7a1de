//! A circuit breaker: after a failure everybody goes around Redis for a while,
//! then one caller tries it again. It only counts; it neither waits nor logs,
//! and is told what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The breaker's one word: `CLOSED`, or the time of the next trial.
///
/// Who may try is settled by moving that time on by one cool-down. So a trial
/// whose caller vanishes needs no cleaning up: the next one is simply due a
/// cool-down later.
#[derive(Debug)]
pub(crate) struct CircuitBreaker {
    origin: Instant,
    cool_down_us: u64,
    /// `Relaxed` is enough throughout: no other memory depends on it.
    next_trial_us: AtomicU64,
}

/// All is well. No trial is ever due at 0: it is at least a cool-down away.
const CLOSED: u64 = 0;

/// Leave to ask Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Redis is believed to be there.
    Ordinary,
    /// Redis failed a while ago: find out for all.
    Trial,
}

impl CircuitBreaker {
    /// A breaker that lets everybody pass.
    pub(crate) fn new(cool_down: Duration, origin: Instant) -> Self {
        Self {
            origin,
            cool_down_us: micros(cool_down),
            next_trial_us: AtomicU64::new(CLOSED),
        }
    }

    /// Asks for leave to call; `None` while Redis is to be gone around.
    pub(crate) fn admit(&self, now: Instant) -> Option<Pass> {
        let now_us = self.clock_us(now);
        self.move_trial(|due_us| (now_us >= due_us).then_some(now_us + self.cool_down_us))
    }

    /// Leave for a caller that can afford to wait for a Redis that is away and
    /// calls seldom: it need not wait for the cool-down, and while it tries the
    /// others need not.
    pub(crate) fn insist(&self, now: Instant) -> Pass {
        let after_us = self.clock_us(now) + self.cool_down_us;
        self.move_trial(|due_us| Some(due_us.max(after_us)))
            .unwrap_or(Pass::Trial)
    }

    /// Whether Redis is being gone around.
    pub(crate) fn is_open(&self) -> bool {
        self.next_trial_us.load(Ordering::Relaxed) != CLOSED
    }

    /// Redis failed. Returns whether that is news.
    pub(crate) fn failed(&self, now: Instant) -> bool {
        let next_us = self.clock_us(now) + self.cool_down_us;
        self.next_trial_us.swap(next_us, Ordering::Relaxed) == CLOSED
    }

    /// Redis answered. Returns whether that is news. Only a trial counts: what
    /// was under way when Redis failed says nothing about now.
    pub(crate) fn answered(&self, pass: Pass) -> bool {
        pass == Pass::Trial && self.next_trial_us.swap(CLOSED, Ordering::Relaxed) != CLOSED
    }

    /// An ordinary pass when closed; else a trial if `next` names the time of
    /// the one after it.
    fn move_trial(&self, next: impl Fn(u64) -> Option<u64>) -> Option<Pass> {
        let moved = self
            .next_trial_us
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |due_us| {
                if due_us == CLOSED { None } else { next(due_us) }
            });
        match moved {
            Ok(_) => Some(Pass::Trial),
            Err(CLOSED) => Some(Pass::Ordinary),
            Err(_) => None,
        }
    }

    fn clock_us(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.origin))
    }
}

/// Whole microseconds; half a million years fit.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOL_DOWN: Duration = Duration::from_secs(1);
    const SOON: Duration = Duration::from_millis(999);

    fn breaker() -> (CircuitBreaker, Instant) {
        let now = Instant::now();
        (CircuitBreaker::new(COOL_DOWN, now), now)
    }

    #[test]
    fn while_all_is_well_everybody_passes() {
        let (breaker, now) = breaker();
        for _ in 0..3 {
            assert_eq!(breaker.admit(now), Some(Pass::Ordinary));
            assert!(!breaker.answered(Pass::Ordinary), "no news");
        }
        assert_eq!(breaker.insist(now), Pass::Ordinary);
        assert!(!breaker.is_open());
    }

    #[test]
    fn after_a_failure_nobody_passes_until_the_cool_down_is_over() {
        let (breaker, now) = breaker();
        assert!(breaker.failed(now), "news");
        assert!(breaker.is_open());
        assert_eq!(breaker.admit(now), None);
        assert_eq!(breaker.admit(now + SOON), None);
        assert_eq!(breaker.admit(now + COOL_DOWN), Some(Pass::Trial));
    }

    #[test]
    fn only_the_first_failure_is_news() {
        let (breaker, now) = breaker();
        assert!(breaker.failed(now));
        assert!(!breaker.failed(now));
        let later = now + COOL_DOWN;
        assert_eq!(breaker.admit(later), Some(Pass::Trial));
        assert!(!breaker.failed(later));
        assert_eq!(breaker.admit(later + SOON), None);
    }

    #[test]
    fn one_caller_tries_for_all() {
        let (breaker, now) = breaker();
        breaker.failed(now);
        let later = now + COOL_DOWN;
        let trials = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..32)
                .map(|_| scope.spawn(|| breaker.admit(later)))
                .collect();
            callers
                .into_iter()
                .filter_map(|caller| caller.join().expect("no panic"))
                .count()
        });
        assert_eq!(trials, 1);
    }

    #[test]
    fn a_trial_that_is_answered_lets_everybody_pass_again() {
        let (breaker, now) = breaker();
        breaker.failed(now);
        let pass = breaker.admit(now + COOL_DOWN).expect("a trial");
        assert!(breaker.answered(pass), "news");
        assert!(!breaker.is_open());
        assert_eq!(breaker.admit(now + COOL_DOWN), Some(Pass::Ordinary));
        assert!(breaker.failed(now + COOL_DOWN), "news again");
    }

    #[test]
    fn a_trial_that_nobody_finished_is_followed_by_another() {
        let (breaker, now) = breaker();
        breaker.failed(now);
        let later = now + COOL_DOWN;
        assert_eq!(breaker.admit(later), Some(Pass::Trial));
        assert_eq!(breaker.admit(later + SOON), None);
        assert_eq!(breaker.admit(later + COOL_DOWN), Some(Pass::Trial));
    }

    #[test]
    fn a_late_answer_from_before_the_failure_changes_nothing() {
        let (breaker, now) = breaker();
        let pass = breaker.admit(now).expect("all is well");
        breaker.failed(now);
        assert!(!breaker.answered(pass));
        assert!(breaker.is_open());
    }

    #[test]
    fn who_insists_tries_at_once_and_spares_the_others() {
        let (breaker, now) = breaker();
        breaker.failed(now);
        let soon = now + SOON;
        assert_eq!(breaker.insist(soon), Pass::Trial);
        assert_eq!(breaker.admit(now + COOL_DOWN), None);
        assert_eq!(breaker.admit(soon + COOL_DOWN), Some(Pass::Trial));
    }

    #[test]
    fn a_breaker_that_fails_as_its_clock_begins_is_open() {
        let now = Instant::now();
        let breaker = CircuitBreaker::new(Duration::from_micros(1), now);
        breaker.failed(now);
        assert!(breaker.is_open());
    }
}

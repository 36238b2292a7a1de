//! Clients that wait as long as they were told before they ask again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// By how much of what they were told clients wait longer, at most: nobody does
/// it to the millisecond, and who was refused together is not to come together.
const LONGER: f64 = 0.5;

/// The same waits in each run.
const SEED: u64 = 7;

/// Who waits until when.
pub(crate) struct Patience {
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
    random: fastrand::Rng,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            waiting: BinaryHeap::new(),
            random: fastrand::Rng::with_seed(SEED),
        }
    }

    /// A client is to wait so long.
    pub(crate) fn wait(&mut self, client: usize, wait: Duration, now: Instant) {
        let factor = 1.0 + self.random.f64() * LONGER;
        self.waiting
            .push(Reverse((now + wait.mul_f64(factor), client)));
    }

    /// How long nobody wakes; `None` if nobody waits.
    pub(crate) fn wakes_in(&self, now: Instant) -> Option<Duration> {
        let Reverse((at, _)) = self.waiting.peek()?;
        Some(at.saturating_duration_since(now))
    }

    /// Somebody who has waited long enough.
    pub(crate) fn next_awake(&mut self, now: Instant) -> Option<usize> {
        let Reverse((at, _)) = self.waiting.peek()?;
        if *at > now {
            return None;
        }
        self.waiting.pop().map(|Reverse((_, client))| client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_asks_sooner_than_told_nor_much_later() {
        let mut patience = Patience::new();
        let now = Instant::now();
        assert_eq!(patience.wakes_in(now), None);
        for client in 0..100 {
            patience.wait(client, Duration::from_secs(2), now);
        }
        assert_eq!(
            patience.next_awake(now + Duration::from_millis(1_999)),
            None
        );
        let late = now + Duration::from_secs(3);
        let awake: Vec<_> = std::iter::from_fn(|| patience.next_awake(late)).collect();
        assert_eq!(awake.len(), 100);
    }
}

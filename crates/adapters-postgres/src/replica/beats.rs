//! What follows from the beats that the primary has confirmed and those that a replica shows.
//! Nothing here asks anybody.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The beats of this process that the primary has confirmed.
///
/// What a replica replays is in the order of commits. So one that shows a beat has everything
/// that was committed before the beat was sent.
#[derive(Debug)]
pub(super) struct Beats {
    lag_max: Duration,
    /// Each with the time before which it was sent, the oldest first.
    confirmed: VecDeque<(i64, Instant)>,
    /// The newest that a replica has shown.
    shown: Option<i64>,
}

impl Beats {
    pub(super) fn new(lag_max: Duration) -> Self {
        Self {
            lag_max,
            confirmed: VecDeque::new(),
            shown: None,
        }
    }

    /// The primary has confirmed a beat, which was sent after `sent`.
    pub(super) fn confirm(&mut self, beat: i64, sent: Instant) {
        // Older ones prove nothing any more, but how far a replica is behind.
        while self.confirmed.len() >= BEATS_MAX {
            self.confirmed.pop_front();
        }
        self.confirmed.push_back((beat, sent));
    }

    /// A replica has shown this beat, or none of this process.
    pub(super) fn show(&mut self, shown: Option<i64>) {
        self.shown = shown;
    }

    /// Whether a replica that shows this beat has everything that was committed more than
    /// the greatest lag before somebody asked.
    pub(super) fn prove(&self, shown: Option<i64>, asked: Instant) -> bool {
        let newest = self.count_shown(shown).checked_sub(1);
        let newest = newest.and_then(|index| self.confirmed.get(index));
        newest.is_some_and(|(_, sent)| *sent + self.lag_max >= asked)
    }

    /// Whether any replica could prove itself.
    pub(super) fn could_prove(&self, asked: Instant) -> bool {
        self.prove(Some(i64::MAX), asked)
    }

    /// How long ago the oldest beat was sent that the replica has not shown.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        let oldest_missing = self.confirmed.get(self.count_shown(self.shown));
        oldest_missing.map_or(Duration::ZERO, |(_, sent)| now.duration_since(*sent))
    }

    /// Whether the replica lacks what it should have by now.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.lag(now) > self.lag_max
    }

    fn count_shown(&self, shown: Option<i64>) -> usize {
        self.confirmed
            .partition_point(|(beat, _)| Some(*beat) <= shown)
    }
}

/// As many are remembered. Four or more are sent within the greatest lag.
const BEATS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LAG_MAX: Duration = Duration::from_secs(1);
    const MOMENT: Duration = Duration::from_millis(1);

    /// Beats 1, 2 and 3, sent half a second apart.
    fn three() -> (Beats, Instant) {
        let began = Instant::now();
        let mut beats = Beats::new(LAG_MAX);
        for beat in 1..=3 {
            beats.confirm(beat, began + LAG_MAX / 2 * (beat as u32 - 1));
        }
        (beats, began)
    }

    #[test]
    fn what_a_replica_shows_proves_how_old_it_is() {
        let (beats, began) = three();
        for (shown, until) in [
            (1, LAG_MAX),
            (2, LAG_MAX / 2 * 3),
            (3, LAG_MAX * 2),
            // Its confirmation is still on its way.
            (4, LAG_MAX * 2),
        ] {
            assert!(beats.prove(Some(shown), began + until), "{shown}");
            assert!(!beats.prove(Some(shown), began + until + MOMENT), "{shown}");
        }
        assert!(!beats.prove(Some(0), began));
        assert!(!beats.prove(None, began));
        assert!(beats.could_prove(began + LAG_MAX * 2));
        assert!(!beats.could_prove(began + LAG_MAX * 2 + MOMENT));
    }

    #[test]
    fn without_a_confirmed_beat_nothing_is_proved() {
        let mut beats = Beats::new(LAG_MAX);
        let now = Instant::now();
        assert!(!beats.prove(Some(7), now));
        // The first one was not confirmed.
        beats.confirm(2, now);
        assert!(!beats.prove(Some(1), now));
    }

    #[test]
    fn the_lag_is_the_age_of_what_is_missing() {
        let (mut beats, began) = three();
        let now = began + LAG_MAX * 3;
        assert_eq!(beats.lag(now), LAG_MAX * 3);
        assert!(beats.is_late(now) && !beats.is_late(began + LAG_MAX));
        beats.show(Some(1));
        assert_eq!(beats.lag(now), LAG_MAX / 2 * 5);
        beats.show(Some(3));
        assert_eq!(beats.lag(now), Duration::ZERO);
        // It was started again, from an older state.
        beats.show(Some(2));
        assert_eq!(beats.lag(now), LAG_MAX * 2);
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut beats = Beats::new(LAG_MAX);
        let now = Instant::now();
        for beat in 0..3 * BEATS_MAX as i64 {
            beats.confirm(beat, now);
        }
        assert_eq!(beats.confirmed.len(), BEATS_MAX);
        assert!(beats.could_prove(now));
    }
}

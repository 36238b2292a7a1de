//! How much is to be tried, and what came of it.

use std::time::{Duration, Instant};

use super::check::Verdict;
use super::history::{History, Outcome};

/// How much of a scenario is to be played.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Repeats the schedule of calls and faults.
    pub seed: u64,
    /// How often the fault comes.
    pub rounds: usize,
    /// How much comes in a round, in relation to a short one.
    pub size: usize,
    /// When no other round begins.
    pub until: Option<Instant>,
}

impl Plan {
    /// What is played with all the other tests.
    pub fn short(seed: u64, rounds: usize) -> Self {
        Self {
            seed,
            rounds,
            size: 1,
            until: None,
        }
    }

    /// Whether there is time for another round.
    pub fn goes_on(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// What came of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rounds that were played to the end.
    pub rounds: usize,
    /// Faults: kills, cuts, and whatever the scenario does.
    pub faults: usize,
    /// Calls with any outcome.
    pub calls: usize,
    /// Bookings that were made and answered.
    pub bookings: usize,
    /// Refusals for want of seats.
    pub refusals: usize,
    /// Calls whose outcome nobody was told.
    pub unknown: usize,
    /// Calls that were told to come again, nothing having been done.
    pub turned_away: usize,
    /// Events of which every order of calls was tried.
    pub ordered: usize,
    /// Events whose reads were held against bounds.
    pub bounded: usize,
    /// Promises that were broken.
    pub violations: Vec<String>,
    /// From the end of each fault until everybody served again.
    pub recoveries: Vec<Duration>,
    /// Why nothing was played, if so.
    pub skipped: Option<String>,
}

impl Report {
    /// Nothing could be played here.
    pub(super) fn skipped(why: &str) -> Self {
        Self {
            skipped: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// Something went so wrong that it could not be played to the end.
    pub fn ended_early() -> Self {
        Self {
            violations: vec!["it could not be played to the end".to_owned()],
            ..Self::default()
        }
    }

    /// Adds what came of a round.
    pub fn add(&mut self, history: &History, verdict: &Verdict) {
        let count = |is: fn(&Outcome) -> bool| {
            let calls = history.calls.iter();
            calls.filter(|call| is(&call.outcome)).count()
        };
        self.rounds += 1;
        self.calls += history.calls.len();
        self.bookings += history.booked();
        self.unknown += history.unknown();
        self.refusals += count(|outcome| *outcome == Outcome::NotEnoughSeats);
        self.turned_away += count(|outcome| *outcome == Outcome::NothingDone);
        self.ordered += verdict.ordered;
        self.bounded += verdict.bounded;
        let round = self.rounds;
        let violations = verdict.violations.iter();
        self.violations
            .extend(violations.map(|violation| format!("round {round}: {violation}")));
    }

    /// Adds a promise that was broken otherwise.
    pub fn broken(&mut self, what: impl Into<String>) {
        self.violations
            .push(format!("round {}: {}", self.rounds, what.into()));
    }

    /// The median and the longest recovery.
    pub fn recovery(&self) -> Option<(Duration, Duration)> {
        let mut recoveries = self.recoveries.clone();
        recoveries.sort_unstable();
        let median = *recoveries.get(recoveries.len() / 2)?;
        Some((median, *recoveries.last()?))
    }
}

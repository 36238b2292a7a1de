//! How many differences between what is kept and the bookings this process has
//! seen, for whoever shows it. Finding them is `domain`'s.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::usecases::FigureReport;

/// Counts since the process began, and how things stand now.
#[derive(Debug, Default)]
pub(crate) struct ReconciliationCounts {
    found: AtomicU64,
    repaired: AtomicU64,
    standing: AtomicU64,
}

/// What [`ReconciliationCounts`] say at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReconciliationReading {
    /// Differences found, each counted once while it stays.
    pub(crate) found: u64,
    /// Those of them that were repaired.
    pub(crate) repaired: u64,
    /// Differences that are there now and cannot be repaired.
    pub(crate) standing: u64,
}

impl ReconciliationCounts {
    /// Adds what a turn has found, after which so many differences stay.
    pub(crate) fn note(&self, report: &FigureReport, standing: usize) {
        let repaired = report.found.iter().filter(|found| found.repaired);
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (found, repaired) = (count(report.found.len()), count(repaired.count()));
        self.found.fetch_add(found, Ordering::Relaxed);
        self.repaired.fetch_add(repaired, Ordering::Relaxed);
        self.standing.store(count(standing), Ordering::Relaxed);
    }

    /// The counts now.
    pub(crate) fn read(&self) -> ReconciliationReading {
        ReconciliationReading {
            found: self.found.load(Ordering::Relaxed),
            repaired: self.repaired.load(Ordering::Relaxed),
            standing: self.standing.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::model::{Difference, TotalDifference};
    use domain::usecases::Found;

    use super::*;

    #[test]
    fn differences_add_up_and_those_that_stay_are_as_they_are_now() {
        let counts = ReconciliationCounts::default();
        let difference = Difference::Total(TotalDifference { kept: 1, due: 2 });
        let found = |repaired| Found {
            difference,
            repaired,
        };
        let report = FigureReport {
            found: vec![found(true), found(false), found(true)],
            ..FigureReport::default()
        };
        counts.note(&report, 1);
        counts.note(&report, 2);
        counts.note(&FigureReport::default(), 0);
        let expected = ReconciliationReading {
            found: 6,
            repaired: 4,
            standing: 0,
        };
        assert_eq!(counts.read(), expected);
    }
}

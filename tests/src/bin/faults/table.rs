//! The table, as it stands in `docs/reliability.md`.

use std::fmt;
use std::time::Duration;

use utsavam_tests::faults::{Report, Scenario};

const HEAD: [&str; 12] = [
    "scenario",
    "seed",
    "rounds",
    "faults",
    "calls",
    "bookings",
    "refused",
    "unknown",
    "orders, bounds",
    "violations",
    "recovery median, max",
    "took",
];

/// What came of one scenario.
pub(crate) struct Row {
    cells: [String; 12],
    sums: [usize; 7],
}

/// All rows so far, added up.
#[derive(Default)]
pub(crate) struct Table {
    sums: [usize; 7],
}

impl Row {
    pub(crate) fn new(scenario: &Scenario, seed: u64, took: Duration, report: &Report) -> Self {
        let recovery = report.recovery().map_or_else(String::new, |(median, max)| {
            format!("{:.2} s, {:.2} s", median.as_secs_f64(), max.as_secs_f64())
        });
        let sums = [
            report.rounds,
            report.faults,
            report.calls,
            report.bookings,
            report.refusals,
            report.unknown,
            report.violations.len(),
        ];
        let [
            rounds,
            faults,
            calls,
            bookings,
            refused,
            unknown,
            violations,
        ] = sums.map(|sum| sum.to_string());
        Self {
            cells: [
                scenario.name.to_owned(),
                seed.to_string(),
                rounds,
                format!("{faults} ({})", scenario.fault),
                calls,
                bookings,
                refused,
                unknown,
                format!("{}, {}", report.ordered, report.bounded),
                violations,
                recovery,
                format!("{:.0} s", took.as_secs_f64()),
            ],
            sums,
        }
    }
}

impl Table {
    pub(crate) fn head(&self) -> String {
        let rule = HEAD.map(|_| "---");
        format!("| {} |\n| {} |", HEAD.join(" | "), rule.join(" | "))
    }

    pub(crate) fn add(&mut self, row: Row) {
        for (sum, more) in self.sums.iter_mut().zip(row.sums) {
            *sum += more;
        }
    }

    pub(crate) fn violations(&self) -> usize {
        self.sums[6]
    }

    /// The last row.
    pub(crate) fn sums(&self) -> String {
        let [
            rounds,
            faults,
            calls,
            bookings,
            refused,
            unknown,
            violations,
        ] = self.sums;
        format!(
            "| all | | {rounds} | {faults} | {calls} | {bookings} | {refused} | {unknown} | | \
             {violations} | | |"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.cells.join(" | "))
    }
}

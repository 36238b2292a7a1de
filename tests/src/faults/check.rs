//! Whether a history and the tables that it left keep what the service
//! promises. Pure: nothing here asks anybody.

mod bounds;
mod facts;
mod ledger;
mod orders;
mod refusals;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::books::Books;
use super::history::{Call, History};

pub use ledger::{Ledger, check_ledger};

/// Calls of one event up to which every order of them is tried.
pub const ORDERS_MAX: usize = 200;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub promise: Promise,
    /// What shows it.
    pub what: String,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// At no time are more seats sold than there are.
    NotOversold,
    /// Every 201 exists, once, as it was asked for.
    NothingLost,
    /// Every booking was asked for, and no request made two.
    AskedFor,
    /// The same of cancellations, capacities and deletions.
    ChangesHold,
    /// One effect for each idempotency key.
    OneEffectPerKey,
    /// Some order of the calls explains every answer.
    Explained,
    /// A refusal is explained by the seats that were free, or by a gate in
    /// trouble.
    RefusalsExplained,
    /// Seats left, figures and keys follow from the bookings.
    FiguresAddUp,
    /// No answer but those that are documented for the call.
    Answers,
}

/// What came of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Nothing, if all is well.
    pub violations: Vec<Violation>,
    /// Events of which every order was considered.
    pub ordered: usize,
    /// Events that had too many calls for that, or too many orders: their reads
    /// were held against bounds.
    pub bounded: usize,
}

/// Checks everything.
pub fn check(history: &History, books: &Books) -> Verdict {
    let mut verdict = Verdict::default();
    rows::check(history, books, &mut verdict.violations);
    let by_event = by_event(history);
    for (&event, &capacity) in &history.published {
        let none = Vec::new();
        let calls = by_event.get(&event).unwrap_or(&none);
        let facts = facts::Facts::of(event, capacity, calls, books);
        refusals::check(&facts, calls, history, &mut verdict.violations);
        if calls.len() <= ORDERS_MAX {
            match orders::explain(event, capacity, calls, books) {
                orders::Answer::Explained => {
                    verdict.ordered += 1;
                    continue;
                }
                orders::Answer::Unexplained(what) => {
                    verdict.ordered += 1;
                    verdict.violations.push(Promise::Explained.broken(what));
                    continue;
                }
                orders::Answer::TooMany => {}
            }
        }
        verdict.bounded += 1;
        bounds::check(event, &facts, calls, books, &mut verdict.violations);
    }
    verdict
}

/// The calls of each event, in the order in which they began.
fn by_event(history: &History) -> BTreeMap<i64, Vec<&Call>> {
    let mut events: BTreeMap<i64, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        events.entry(call.ask.event()).or_default().push(call);
    }
    for calls in events.values_mut() {
        calls.sort_by_key(|call| call.start);
    }
    events
}

impl Promise {
    fn broken(self, what: impl Into<String>) -> Violation {
        Violation {
            promise: self,
            what: what.into(),
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

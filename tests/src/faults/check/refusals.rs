//! Refusals for want of seats by the gate, which knows of seats on their way to
//! others: whether so few were free at some moment of the call.

use super::facts::Facts;
use super::{Promise, Violation};
use crate::faults::history::{Ask, Call, History, Outcome};

pub(super) fn check(
    facts: &Facts,
    calls: &[&Call],
    history: &History,
    violations: &mut Vec<Violation>,
) {
    for call in calls {
        let (&Ask::Book { seats, .. }, Outcome::NotEnoughSeats) = (&call.ask, &call.outcome) else {
            continue;
        };
        if !is_gate_in_trouble(history, call)
            && let Some(why) = facts.had_free(call, seats)
        {
            let what = format!("{:?} was refused, but {why}", call.ask);
            violations.push(Promise::RefusalsExplained.broken(what));
        }
    }
}

/// Whether the gate may have been wrong at some moment of the call.
fn is_gate_in_trouble(history: &History, call: &Call) -> bool {
    let mut troubles = history.gate_troubles.iter();
    troubles.any(|trouble| {
        trouble.event.is_none_or(|event| event == call.ask.event())
            && trouble.from <= call.end
            && trouble.to >= call.start
    })
}

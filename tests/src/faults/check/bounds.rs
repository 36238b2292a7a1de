//! What an answer may show, by the calls that were surely over before it was
//! asked for and those that had begun before it came. Weaker than trying every
//! order, and fast enough for any number of calls.

use super::facts::Facts;
use super::{Books, Promise, Violation};
use crate::faults::history::{Ask, Call, NEVER, Outcome};

pub(super) fn check(
    event: i64,
    facts: &Facts,
    calls: &[&Call],
    books: &Books,
    violations: &mut Vec<Violation>,
) {
    for call in calls {
        let (start, end) = (call.start, call.end);
        let (promise, unexplained) = match (&call.ask, &call.outcome) {
            (
                Ask::Read { .. },
                &Outcome::Seen {
                    capacity,
                    available,
                },
            ) => (
                Promise::Explained,
                facts.differs(start, end, capacity, available),
            ),
            (&Ask::Resize { capacity, .. }, &Outcome::Resized { available }) => (
                Promise::Explained,
                facts.differs(start, end, capacity, available),
            ),
            (Ask::ReadBooking { booking, .. }, &Outcome::SeenBooking { confirmed }) => (
                Promise::Explained,
                facts.booking_differs(*booking, start, end, confirmed),
            ),
            // At least those seats were sold then, for sure.
            (Ask::Book { .. }, Outcome::Booked { .. }) => {
                (Promise::NotOversold, facts.oversold(end))
            }
            _ => continue,
        };
        if let Some(why) = unexplained {
            let what = format!("{:?} was answered {:?}, but {why}", call.ask, call.outcome);
            violations.push(promise.broken(what));
        }
    }
    if let Some(row) = books.events.get(&event)
        && !row.deleted
        && let Some(why) = facts.differs(NEVER - 1, NEVER - 1, row.capacity, row.available)
    {
        let what = format!("event {event} ends as {row:?}, but {why}");
        violations.push(Promise::Explained.broken(what));
    }
}

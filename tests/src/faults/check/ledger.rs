//! What load processes were promised against the rows of their event. Too many calls to
//! try orders of them; what can be counted is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::{Promise, Violation, rows};
use crate::faults::books::Books;

/// Everything that clients asked of one event: bookings of one seat each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The bookings that were confirmed, by id and with their users, as they were answered.
    pub booked: Vec<(i64, i64)>,
    /// How many more each user may have.
    pub unknown: BTreeMap<i64, usize>,
}

/// Every booking that was confirmed exists, once; every other one is of somebody who was
/// not told what became of theirs; figures follow from them.
pub fn check_ledger(event: i64, ledger: &Ledger, books: &Books) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut promised = BTreeSet::new();
    for &(booking, user) in &ledger.booked {
        if !promised.insert(booking) {
            let what = format!("booking {booking} was given out twice");
            violations.push(Promise::NothingLost.broken(what));
        }
        let row = books.bookings.get(&booking);
        let is_kept = row.is_some_and(|row| {
            (row.user, row.event, row.seats, row.confirmed) == (user, event, 1, true)
        });
        if !is_kept {
            let what = format!("booking {booking} of user {user} was answered, there is {row:?}");
            violations.push(Promise::NothingLost.broken(what));
        }
    }
    let mut unknown = ledger.unknown.clone();
    let of_event = books.bookings.iter().filter(|(_, row)| row.event == event);
    for (booking, row) in of_event.filter(|(booking, _)| !promised.contains(booking)) {
        match unknown.get_mut(&row.user) {
            Some(left @ 1..) if row.seats == 1 && row.confirmed => *left -= 1,
            _ => {
                let what = format!("nobody asked for booking {booking}: {row:?}");
                violations.push(Promise::AskedFor.broken(what));
            }
        }
    }
    rows::figures([event], books, &mut violations);
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::books::{BookingRow, EventRow};

    const EVENT: i64 = 7;

    /// Users 1 and 2 were answered, user 3 was not and has a booking all the same.
    fn right() -> (Ledger, Books) {
        let row = |user| BookingRow {
            user,
            event: EVENT,
            seats: 1,
            confirmed: true,
            made_at: 0,
            changed_at: 0,
        };
        let event = EventRow {
            capacity: 5,
            available: 2,
            deleted: false,
        };
        let ledger = Ledger {
            booked: vec![(11, 1), (12, 2)],
            unknown: BTreeMap::from([(3, 1), (4, 1)]),
        };
        let books = Books {
            events: BTreeMap::from([(EVENT, event)]),
            bookings: BTreeMap::from([(11, row(1)), (12, row(2)), (13, row(3))]),
            sales: BTreeMap::from([(EVENT, 3)]),
            total: 3,
            ..Books::default()
        };
        (ledger, books)
    }

    fn broken(change: impl FnOnce(&mut Ledger, &mut Books)) -> Vec<Promise> {
        let (mut ledger, mut books) = right();
        change(&mut ledger, &mut books);
        let violations = check_ledger(EVENT, &ledger, &books);
        violations
            .iter()
            .map(|violation| violation.promise)
            .collect()
    }

    #[test]
    fn what_is_right_is_left_alone() {
        assert_eq!(broken(|_, _| ()), []);
    }

    #[test]
    fn a_booking_that_is_gone_or_anothers_is_noticed() {
        let lost = broken(|_, books| {
            books.bookings.remove(&12);
            books.sales.insert(EVENT, 2);
            books.total = 2;
            books.events.get_mut(&EVENT).expect("there").available = 3;
        });
        assert_eq!(lost, [Promise::NothingLost]);
        let twice = broken(|ledger, _| ledger.booked.push((11, 1)));
        assert_eq!(twice, [Promise::NothingLost]);
        let anothers = broken(|ledger, _| ledger.booked[0].1 = 9);
        assert_eq!(anothers, [Promise::NothingLost]);
        let cancelled = broken(|_, books| {
            books.bookings.get_mut(&11).expect("there").confirmed = false;
        });
        assert!(cancelled.contains(&Promise::NothingLost), "{cancelled:?}");
    }

    #[test]
    fn a_booking_of_nobody_is_noticed() {
        assert_eq!(
            broken(|ledger, _| {
                ledger.unknown.remove(&3);
            }),
            [Promise::AskedFor]
        );
        assert_eq!(
            broken(|ledger, _| {
                ledger.booked.pop();
            }),
            [Promise::AskedFor]
        );
    }

    #[test]
    fn seats_sold_beyond_the_capacity_are_noticed() {
        let oversold = broken(|_, books| {
            let event = books.events.get_mut(&EVENT).expect("there");
            (event.capacity, event.available) = (2, 0);
        });
        assert!(oversold.contains(&Promise::NotOversold), "{oversold:?}");
    }
}

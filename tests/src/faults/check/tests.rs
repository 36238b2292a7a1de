//! Histories that are right, and the same with something wrong in them.

mod by_hand;
mod made;

use super::{Promise, Verdict, check};
use crate::faults::books::{BookingRow, Books, EventRow, KeyRow};
use crate::faults::history::{Ask, Call, GateTrouble, History, Instant, Outcome};

/// The event of all of them.
const EVENT: i64 = 1;

/// A history with its rows, put together by hand.
#[derive(Default, Clone)]
struct Tale {
    history: History,
    books: Books,
}

impl Tale {
    fn of(capacity: i64) -> Self {
        let mut tale = Self::default();
        tale.history.published.insert(EVENT, capacity);
        let event = EventRow {
            capacity,
            available: capacity,
            deleted: false,
        };
        tale.books.events.insert(EVENT, event);
        tale.books.sales.insert(EVENT, 0);
        tale
    }

    fn call(mut self, start: Instant, end: Instant, ask: Ask, outcome: Outcome) -> Self {
        self.history.calls.push(Call {
            process: 0,
            start,
            end,
            ask,
            outcome,
        });
        self
    }

    /// A booking of one seat for the user.
    fn book(self, start: Instant, end: Instant, user: i64, outcome: Outcome) -> Self {
        self.call(start, end, wish(user, false), outcome)
    }

    /// As `book`, under the user's key.
    fn book_keyed(self, start: Instant, end: Instant, user: i64, outcome: Outcome) -> Self {
        self.call(start, end, wish(user, true), outcome)
    }

    fn cancel(self, start: Instant, end: Instant, booking: i64, outcome: Outcome) -> Self {
        let event = EVENT;
        self.call(start, end, Ask::Cancel { event, booking }, outcome)
    }

    fn read(self, start: Instant, end: Instant, capacity: i64, available: i64) -> Self {
        let seen = Outcome::Seen {
            capacity,
            available,
        };
        self.call(start, end, Ask::Read { event: EVENT }, seen)
    }

    /// A confirmed row of one seat, and the figures that follow.
    fn row(mut self, id: i64, user: i64) -> Self {
        let row = BookingRow {
            user,
            event: EVENT,
            seats: 1,
            confirmed: true,
            made_at: id,
            changed_at: id,
        };
        self.books.bookings.insert(id, row);
        self.count(1);
        self
    }

    fn key(mut self, user: i64, booking: i64) -> Self {
        let key = KeyRow {
            booking,
            event: EVENT,
            seats: 1,
        };
        self.books.keys.insert(user, key);
        self
    }

    /// The row is cancelled, and so are the figures.
    fn cancelled(mut self, id: i64) -> Self {
        self.books.bookings.get_mut(&id).expect("a row").confirmed = false;
        self.count(-1);
        self
    }

    fn count(&mut self, bookings: i64) {
        self.event().available -= bookings;
        *self.books.sales.get_mut(&EVENT).expect("an event") += bookings;
        self.books.total += bookings;
    }

    fn event(&mut self) -> &mut EventRow {
        self.books.events.get_mut(&EVENT).expect("an event")
    }

    fn trouble(mut self, from: Instant, to: Instant) -> Self {
        self.history.gate_troubles.push(GateTrouble {
            event: None,
            from,
            to,
        });
        self
    }

    /// The gate of another event is in trouble.
    fn trouble_elsewhere(mut self) -> Self {
        self.history.gate_troubles.push(GateTrouble {
            event: Some(EVENT + 1),
            from: 0,
            to: Instant::MAX,
        });
        self
    }

    /// Adds so many reads, one after the other at the end, that not every order
    /// is tried any more.
    fn long(mut self) -> Self {
        let EventRow {
            capacity,
            available,
            ..
        } = *self.event();
        for number in 0..super::ORDERS_MAX as u64 {
            let start = 1_000_000 + 2 * number;
            self = self.read(start, start + 1, capacity, available);
        }
        self
    }

    fn verdict(&self) -> Verdict {
        check(&self.history, &self.books)
    }

    #[track_caller]
    fn holds(&self) {
        let verdict = self.verdict();
        assert_eq!(verdict.violations, [], "{self:#?}");
        assert_eq!(verdict.ordered, 1, "every order was tried");
        let long = self.clone().long().verdict();
        assert_eq!(long.violations, [], "by bounds: {self:#?}");
        assert_eq!(long.bounded, 1, "not every order was tried");
    }

    /// Panics unless the promise is found broken, by every order and by bounds.
    #[track_caller]
    fn breaks(&self, promise: Promise) {
        assert_broken(&self.verdict(), promise);
        assert_broken(&self.clone().long().verdict(), promise);
    }

    /// As `breaks`, where only the orders tell.
    #[track_caller]
    fn breaks_in_order(&self, promise: Promise) {
        assert_broken(&self.verdict(), promise);
    }
}

impl std::fmt::Debug for Tale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:?}", self.history.published)?;
        for call in &self.history.calls {
            writeln!(f, "{call:?}")?;
        }
        write!(f, "{:#?}", self.books)
    }
}

#[track_caller]
fn assert_broken(verdict: &Verdict, promise: Promise) {
    let found = verdict.violations.iter().any(|v| v.promise == promise);
    assert!(found, "{promise:?} is not among {:?}", verdict.violations);
}

fn wish(user: i64, keyed: bool) -> Ask {
    Ask::Book {
        user,
        event: EVENT,
        seats: 1,
        keyed,
    }
}

fn booked(booking: i64) -> Outcome {
    Outcome::Booked {
        booking,
        replayed: false,
    }
}

fn replayed(booking: i64) -> Outcome {
    Outcome::Booked {
        booking,
        replayed: true,
    }
}

//! Histories made from a seed by a small model of one event: each act happens
//! at an instant, its call began some time before and ended some time after.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::{Ask, BookingRow, Call, EVENT, Instant, KeyRow, Outcome, Promise, Tale};

const SEEDS: u64 = 100;

/// Instants are so far apart.
const STEP: Instant = 10;

/// What the model has.
struct Model {
    tale: Tale,
    rng: Rng,
    now: Instant,
    capacity: i64,
    next_user: i64,
    next_id: i64,
}

fn make(seed: u64, acts: usize) -> Tale {
    let mut rng = Rng::with_seed(seed);
    let capacity = rng.i64(3..20);
    let mut model = Model {
        tale: Tale::of(capacity),
        rng,
        now: 1000,
        capacity,
        next_user: 1,
        next_id: 1,
    };
    for _ in 0..acts {
        model.now += STEP;
        model.act();
    }
    let books = &mut model.tale.books;
    let confirmed = books.bookings.values().filter(|row| row.confirmed);
    let (bookings, seats) = confirmed.fold((0, 0), |(bookings, seats), row| {
        (bookings + 1, seats + row.seats)
    });
    books.sales = BTreeMap::from([(EVENT, bookings)]);
    books.total = bookings;
    let event = books.events.get_mut(&EVENT).expect("an event");
    event.capacity = model.capacity;
    event.available = model.capacity - seats;
    model.tale
}

impl Model {
    fn left(&self) -> i64 {
        let rows = self.tale.books.bookings.values();
        let sold: i64 = rows.filter(|row| row.confirmed).map(|row| row.seats).sum();
        self.capacity - sold
    }

    fn act(&mut self) {
        match self.rng.u8(..10) {
            0..5 => self.book(),
            5 => self.repeat(),
            6 => self.cancel(),
            7 => self.resize(),
            _ => {
                let seen = Outcome::Seen {
                    capacity: self.capacity,
                    available: self.left(),
                };
                self.tell(Ask::Read { event: EVENT }, seen);
            }
        }
    }

    /// Writes a call down around this instant.
    fn tell(&mut self, ask: Ask, outcome: Outcome) {
        let call = Call {
            process: 0,
            start: self.now - self.rng.u64(0..8 * STEP),
            end: self.now + self.rng.u64(0..8 * STEP),
            ask,
            outcome,
        };
        self.tale.history.calls.push(call);
    }

    /// Writes a change down, whose answer is lost now and then.
    fn tell_or_lose(&mut self, ask: Ask, outcome: Outcome) {
        let outcome = if self.rng.u8(..6) == 0 {
            Outcome::Unknown
        } else {
            outcome
        };
        self.tell(ask, outcome);
    }

    fn book(&mut self) {
        let user = self.next_user;
        self.next_user += 1;
        let seats = self.rng.i64(1..4);
        let keyed = self.rng.bool();
        let ask = Ask::Book {
            user,
            event: EVENT,
            seats,
            keyed,
        };
        if seats > self.left() {
            return self.tell_or_lose(ask, Outcome::NotEnoughSeats);
        }
        let id = self.next_id;
        self.next_id += 1;
        let row = BookingRow {
            user,
            event: EVENT,
            seats,
            confirmed: true,
            // Hints may be of no use.
            made_at: self.rng.i64(..),
            changed_at: 0,
        };
        self.tale.books.bookings.insert(id, row);
        if keyed {
            let key = KeyRow {
                booking: id,
                event: EVENT,
                seats,
            };
            self.tale.books.keys.insert(user, key);
        }
        self.tell_or_lose(ask, super::booked(id));
    }

    fn any_row(&mut self) -> Option<(i64, BookingRow)> {
        let rows = &self.tale.books.bookings;
        let (&id, &row) = rows.iter().nth(self.rng.usize(..rows.len().max(1)))?;
        Some((id, row))
    }

    fn repeat(&mut self) {
        let Some((id, row)) = self.any_row() else {
            return;
        };
        if self.tale.books.keys.contains_key(&row.user) {
            let ask = Ask::Book {
                user: row.user,
                event: EVENT,
                seats: row.seats,
                keyed: true,
            };
            self.tell_or_lose(ask, super::replayed(id));
        }
    }

    fn cancel(&mut self) {
        let Some((booking, _)) = self.any_row() else {
            return;
        };
        let row = self.tale.books.bookings.get_mut(&booking).expect("a row");
        row.confirmed = false;
        let event = EVENT;
        self.tell_or_lose(Ask::Cancel { event, booking }, Outcome::Cancelled);
    }

    fn resize(&mut self) {
        let capacity = self.rng.i64(1..20);
        let sold = self.capacity - self.left();
        let ask = Ask::Resize {
            event: EVENT,
            capacity,
        };
        if capacity < sold {
            return self.tell(ask, Outcome::BelowConfirmed);
        }
        self.capacity = capacity;
        self.tell_or_lose(
            ask,
            Outcome::Resized {
                available: capacity - sold,
            },
        );
    }
}

#[test]
fn what_a_model_does_is_explained_in_full() {
    for seed in 0..SEEDS {
        let tale = make(seed, 60);
        let verdict = tale.verdict();
        assert_eq!(verdict.violations, [], "seed {seed}: {tale:?}");
        let long = tale.long().verdict();
        assert_eq!(long.violations, [], "seed {seed}, by bounds");
    }
}

#[test]
fn two_hundred_calls_are_explained_in_full() {
    let mut ordered = 0;
    for seed in 0..20 {
        let verdict = make(seed, super::super::ORDERS_MAX - 1).verdict();
        assert_eq!(verdict.violations, [], "seed {seed}");
        ordered += verdict.ordered;
    }
    assert!(
        ordered >= 15,
        "only {ordered} of 20 were searched to the end"
    );
}

/// Changes one thing in what a seed makes, if there is something to change.
fn broken_by(promise: Promise, change: impl Fn(&mut Tale, &mut Rng) -> bool) {
    let mut changed = 0;
    for seed in 0..SEEDS {
        let mut tale = make(seed, 60);
        if change(&mut tale, &mut Rng::with_seed(seed)) {
            changed += 1;
            let violations = tale.verdict().violations;
            let is_found = violations.iter().any(|found| found.promise == promise);
            assert!(is_found, "seed {seed}: {violations:?} in {tale:?}");
        }
    }
    assert!(changed > SEEDS / 2, "only {changed} were changed");
}

/// A booking that was answered.
fn an_answered(tale: &Tale, rng: &mut Rng) -> Option<i64> {
    let answered: Vec<i64> = tale
        .history
        .calls
        .iter()
        .filter_map(|call| match call.outcome {
            Outcome::Booked { booking, .. } => Some(booking),
            _ => None,
        })
        .collect();
    (!answered.is_empty()).then(|| answered[rng.usize(..answered.len())])
}

#[test]
fn a_lost_row_is_noticed() {
    broken_by(Promise::NothingLost, |tale, rng| {
        let Some(id) = an_answered(tale, rng) else {
            return false;
        };
        tale.books.bookings.remove(&id).is_some()
    });
}

#[test]
fn a_row_that_is_there_twice_is_noticed() {
    broken_by(Promise::AskedFor, |tale, rng| {
        let Some(id) = an_answered(tale, rng) else {
            return false;
        };
        let row = tale.books.bookings[&id];
        tale.books.bookings.insert(10_000, row);
        true
    });
}

#[test]
fn wrong_seats_are_noticed() {
    broken_by(Promise::FiguresAddUp, |tale, rng| {
        tale.event().available += if rng.bool() { 1 } else { -1 };
        true
    });
    broken_by(Promise::NothingLost, |tale, rng| {
        let Some(id) = an_answered(tale, rng) else {
            return false;
        };
        tale.books.bookings.get_mut(&id).expect("a row").seats += 1;
        true
    });
}

#[test]
fn a_read_that_nothing_explains_is_noticed() {
    broken_by(Promise::Explained, |tale, rng| {
        let mut reads: Vec<_> = tale
            .history
            .calls
            .iter_mut()
            .filter_map(|call| match &mut call.outcome {
                Outcome::Seen { available, .. } => Some(available),
                _ => None,
            })
            .collect();
        let Some(index) = (!reads.is_empty()).then(|| rng.usize(..reads.len())) else {
            return false;
        };
        // More than all that can be under way at the same time.
        *reads[index] += 100;
        true
    });
}

//! Whether some order of all calls of one event explains every answer and the
//! rows at the end: linearizability, by the search of Wing and Gong (1993) with
//! the memory of Lowe (2017).
//!
//! Here the calls are turned into steps; the search is in `search`.

mod search;

use std::collections::BTreeMap;

use super::{Books, Call};
use crate::faults::history::{Ask, Instant, NEVER, Outcome};

/// The most steps of one search: bits of its memory.
pub(super) const STEPS_MAX: usize = 256;

/// What came of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Explained,
    Unexplained(String),
    /// Too many steps, or too many orders to try them all.
    TooMany,
}

/// Something that happened at one instant between `start` and `end`.
#[derive(Debug, Clone)]
struct Step {
    start: Instant,
    end: Instant,
    /// Else it may also never have happened.
    must: bool,
    /// Where to look first: the time that the store wrote down.
    hint: i64,
    act: Act,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Sell {
        booking: usize,
        seats: i64,
    },
    Cancel {
        booking: usize,
    },
    Resize {
        capacity: i64,
        available: Option<i64>,
    },
    Delete,
    // What follows changes nothing.
    Sold {
        booking: usize,
    },
    NotSold {
        booking: usize,
    },
    Booking {
        booking: usize,
        confirmed: bool,
    },
    Event {
        capacity: i64,
        available: i64,
    },
    TooFew {
        seats: i64,
    },
    BelowConfirmed {
        capacity: i64,
    },
    Gone,
}

/// How it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    capacity: i64,
    deleted: bool,
    /// Seats, and whether it is confirmed, of each booking.
    bookings: Vec<(i64, bool)>,
}

/// Searches for an order. Rows that nobody can have asked for are left to the
/// check of the rows.
pub(super) fn explain(event: i64, capacity: i64, calls: &[&Call], books: &Books) -> Answer {
    let Some(row) = books.events.get(&event) else {
        return Answer::Unexplained(format!("event {event} is lost"));
    };
    let mut steps = Steps::new(event, books);
    for call in calls {
        steps.add(call);
    }
    steps.add_wishes(calls);
    steps.add_changes(calls, row.deleted);
    let end = End {
        capacity: row.capacity,
        deleted: row.deleted,
        bookings: steps.ends,
    };
    let steps = steps.steps;
    if steps.len() > STEPS_MAX {
        return Answer::TooMany;
    }
    match search::search(capacity, steps, &end) {
        search::Found::Order => Answer::Explained,
        search::Found::None(stuck) => Answer::Unexplained(format!("event {event}: {stuck}")),
        search::Found::GaveUp => Answer::TooMany,
    }
}

struct Steps<'b> {
    steps: Vec<Step>,
    books: &'b Books,
    /// Bookings are counted from 0, for the search.
    indices: BTreeMap<i64, usize>,
    ends: Vec<(i64, bool)>,
}

impl<'b> Steps<'b> {
    fn new(event: i64, books: &'b Books) -> Self {
        let rows = books.bookings.iter().filter(|(_, row)| row.event == event);
        let mut indices = BTreeMap::new();
        let mut ends = Vec::new();
        for (&id, row) in rows {
            indices.insert(id, ends.len());
            ends.push((row.seats, row.confirmed));
        }
        Self {
            steps: Vec::new(),
            books,
            indices,
            ends,
        }
    }

    fn push(&mut self, call: &Call, act: Act) {
        self.steps.push(Step {
            start: call.start,
            end: call.end,
            must: true,
            hint: i64::MAX,
            act,
        });
    }

    /// What an answer says of its instant.
    fn add(&mut self, call: &Call) {
        let index = |booking| self.indices.get(&booking).copied();
        let act = match (&call.ask, &call.outcome) {
            (Ask::Book { .. }, &Outcome::Booked { booking, replayed }) if replayed => {
                index(booking).map(|booking| Act::Sold { booking })
            }
            // Without a key it may be the gate's word: see `refusals`.
            (&Ask::Book { seats, keyed, .. }, Outcome::NotEnoughSeats) if keyed => {
                Some(Act::TooFew { seats })
            }
            (Ask::ReadBooking { booking, .. }, &Outcome::SeenBooking { confirmed }) => {
                index(*booking).map(|booking| Act::Booking { booking, confirmed })
            }
            (Ask::ReadBooking { booking, .. } | Ask::Cancel { booking, .. }, Outcome::NotFound) => {
                index(*booking).map(|booking| Act::NotSold { booking })
            }
            (Ask::Cancel { booking, .. }, Outcome::Cancelled) => {
                index(*booking).map(|booking| Act::Cancel { booking })
            }
            (
                Ask::Read { .. },
                &Outcome::Seen {
                    capacity,
                    available,
                },
            ) => Some(Act::Event {
                capacity,
                available,
            }),
            (&Ask::Resize { capacity, .. }, &Outcome::Resized { available }) => Some(Act::Resize {
                capacity,
                available: Some(available),
            }),
            (&Ask::Resize { capacity, .. }, Outcome::BelowConfirmed) => {
                Some(Act::BelowConfirmed { capacity })
            }
            (Ask::Delete { .. }, Outcome::Deleted) => Some(Act::Delete),
            (_, Outcome::NotFound) => Some(Act::Gone),
            _ => None,
        };
        if let Some(act) = act {
            self.push(call, act);
        }
    }

    /// Each row was made by the call that was told of it first, or by one of
    /// those that were told nothing.
    fn add_wishes(&mut self, calls: &[&Call]) {
        for (&id, &booking) in &self.indices {
            let row = &self.books.bookings[&id];
            let of_row =
                |call: &&&Call| matches!(call.ask, Ask::Book { user, .. } if user == row.user);
            let first = |call: &&&Call| matches!(call.outcome, Outcome::Booked { booking, replayed: false } if booking == id);
            let of_row = || calls.iter().filter(of_row);
            let within = match of_row().find(first) {
                Some(call) => Some((call.start, call.end)),
                None => of_row()
                    .filter(|call| call.is_unknown())
                    .map(|call| (call.start, NEVER))
                    .min(),
            };
            if let Some((start, end)) = within {
                self.steps.push(Step {
                    start,
                    end,
                    must: true,
                    hint: row.made_at,
                    act: Act::Sell {
                        booking,
                        seats: row.seats,
                    },
                });
            }
        }
        for step in &mut self.steps {
            if let Act::Cancel { booking } = step.act {
                let (&id, _) = self
                    .indices
                    .iter()
                    .find(|(_, index)| **index == booking)
                    .expect("it was looked up there");
                step.hint = self.books.bookings[&id].changed_at;
            }
        }
    }

    /// Changes of which nobody knows whether they were made. Of those that
    /// would do the same, one stands for all.
    fn add_changes(&mut self, calls: &[&Call], deleted: bool) {
        let mut since: BTreeMap<usize, Instant> = BTreeMap::new();
        let mut deletion = None;
        for call in calls.iter().filter(|call| call.is_unknown()) {
            match call.ask {
                Ask::Cancel { booking, .. } => {
                    if let Some(&index) = self.indices.get(&booking) {
                        let earliest = since.entry(index).or_insert(call.start);
                        *earliest = call.start.min(*earliest);
                    }
                }
                Ask::Delete { .. } => {
                    deletion = Some(deletion.unwrap_or(NEVER).min(call.start));
                }
                Ask::Resize { capacity, .. } => self.maybe(
                    call.start,
                    Act::Resize {
                        capacity,
                        available: None,
                    },
                ),
                _ => {}
            }
        }
        for (booking, start) in since {
            let (_, confirmed) = self.ends[booking];
            if !confirmed {
                self.maybe(start, Act::Cancel { booking });
            }
        }
        if let Some(start) = deletion
            && deleted
        {
            self.maybe(start, Act::Delete);
        }
    }

    fn maybe(&mut self, start: Instant, act: Act) {
        self.steps.push(Step {
            start,
            end: NEVER,
            must: false,
            hint: i64::MAX,
            act,
        });
    }
}

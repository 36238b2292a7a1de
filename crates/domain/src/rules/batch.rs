//! What becomes of bookings and cancellations that are decided together.
//!
//! A store that shares one transaction among many commands reads the facts of
//! all of them, asks [`decide`], and writes what it says. Every command is
//! answered as if it had come alone, at its place in the order.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::{Cancellation, EventFacts, Refusal, SeatRequest, Standing, allot, cancel, replay};
use crate::model::{
    BookSeats, Booked, BookingId, BookingStatus, Cancelled, Capacity, EventId, IdempotencyKey,
    KeyedBooking, SeatCount, UserId,
};

/// One command of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaleCommand {
    /// Make a booking.
    Book(BookSeats),
    /// Cancel one.
    Cancel(BookingId),
}

/// The answer to a [`SaleCommand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaleAnswer {
    /// To a booking.
    Book(Result<Booked, Refusal>),
    /// To a cancellation; `None` if there never was such a booking.
    Cancel(Option<Cancelled>),
}

/// What the store knows of everything that a batch speaks of. What is missing
/// does not exist.
#[derive(Debug, Clone, Default)]
pub struct BatchFacts {
    /// Events that are not deleted, read under their locks.
    pub events: HashMap<EventId, EventFacts>,
    /// Whether somebody has stopped all sales for now, whatever is said of each event.
    pub all_paused: bool,
    /// Users who are registered, and how they stand.
    pub users: HashMap<UserId, Standing>,
    /// Idempotency keys that were bound before this batch.
    pub keys: HashMap<(UserId, IdempotencyKey), KeyedBooking>,
    /// Bookings to be cancelled, read under the locks of their events.
    pub bookings: HashMap<BookingId, BookingFacts>,
}

/// What the store knows of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookingFacts {
    /// The event that it is for.
    pub event_id: EventId,
    /// How many seats it is for.
    pub seats: SeatCount,
    /// Whether it holds them, as stored.
    pub status: BookingStatus,
}

/// What a store has to write.
///
/// Invariant: for each event `seats` is what its cancelled bookings return less
/// what its sales take, and its facts less the sales at no point fell below 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// One answer for each command, in their order.
    pub answers: Vec<SaleAnswer>,
    /// Bookings to be inserted, in their order.
    pub sales: Vec<Sale>,
    /// Bookings to be marked as cancelled.
    pub cancelled: Vec<BookingId>,
    /// Events that sold seats or got some back, by id.
    pub changes: BTreeMap<EventId, Change>,
    /// What each event of the facts has left after all of them, changed or not.
    pub seats_left: BTreeMap<EventId, Capacity>,
}

/// A booking to be inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// Its name.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub event_id: EventId,
    /// How many seats.
    pub seats: SeatCount,
    /// When it was made: the clock of its event's facts.
    pub created_at: DateTime<Utc>,
    /// The key that it binds.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What is added to an event's figures; negative is taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// To the seats available.
    pub seats: i64,
    /// To the confirmed bookings.
    pub bookings: i64,
}

/// Decides commands one after the other. `new_id` names the booking that a
/// command is about to make.
///
/// A key that an earlier command of the batch has bound counts as bound, one
/// whose command was refused does not; seats that an earlier command gave back
/// may be sold again. A pause stops sales and nothing else: bound keys are
/// answered and bookings cancelled as ever.
pub fn decide<'c>(
    mut facts: BatchFacts,
    commands: impl IntoIterator<Item = &'c SaleCommand>,
    new_id: impl FnMut(&BookSeats) -> BookingId,
) -> Decisions {
    if facts.all_paused {
        let events = facts.events.values_mut();
        events.for_each(|event| event.is_paused = true);
    }
    let mut counter = Counter {
        facts,
        new_id,
        decisions: Decisions::default(),
    };
    for command in commands {
        let answer = match command {
            SaleCommand::Book(command) => SaleAnswer::Book(counter.book(command)),
            SaleCommand::Cancel(booking_id) => SaleAnswer::Cancel(counter.cancel(*booking_id)),
        };
        counter.decisions.answers.push(answer);
    }
    let events = counter.facts.events.iter();
    let left = events.map(|(event_id, event)| (*event_id, event.seats_available));
    counter.decisions.seats_left = left.collect();
    counter.decisions
}

/// The box office's counter: the facts as they change, and what was decided.
struct Counter<F> {
    facts: BatchFacts,
    new_id: F,
    decisions: Decisions,
}

impl<F: FnMut(&BookSeats) -> BookingId> Counter<F> {
    fn book(&mut self, command: &BookSeats) -> Result<Booked, Refusal> {
        let name = command
            .idempotency_key
            .clone()
            .map(|key| (command.user_id, key));
        if let Some(first) = name.as_ref().and_then(|name| self.facts.keys.get(name)) {
            return replay(first, command).map_err(Refusal::KeyReused);
        }
        let request = SeatRequest {
            user: self.facts.users.get(&command.user_id).copied(),
            seats: command.seats,
        };
        let event = self.facts.events.get_mut(&command.event_id);
        let now = event.as_ref().map(|event| event.now);
        let seats = allot(event, &request)?;
        let created_at = now.ok_or(Refusal::EventNotFound)?;

        let booking_id = (self.new_id)(command);
        let (user_id, event_id) = (command.user_id, command.event_id);
        if let Some(name) = name {
            let first = KeyedBooking {
                booking_id,
                event_id,
                seats,
            };
            self.facts.keys.insert(name, first);
        }
        self.change(event_id, -i64::from(seats.get()), 1);
        self.decisions.sales.push(Sale {
            booking_id,
            user_id,
            event_id,
            seats,
            created_at,
            idempotency_key: command.idempotency_key.clone(),
        });
        Ok(Booked {
            booking_id,
            user_id,
            event_id,
            seats,
            replayed: false,
        })
    }

    fn cancel(&mut self, booking_id: BookingId) -> Option<Cancelled> {
        let booking = self.facts.bookings.get_mut(&booking_id)?;
        let BookingFacts {
            event_id,
            seats,
            status,
        } = *booking;
        let event = self.facts.events.get_mut(&event_id);
        let seats_returned = match (cancel(status, seats, event.is_none()), event) {
            (Cancellation::Release(seats), Some(event)) => {
                booking.status = BookingStatus::Cancelled;
                event.seats_available = event.seats_available.put_back(seats);
                self.change(event_id, i64::from(seats.get()), -1);
                self.decisions.cancelled.push(booking_id);
                Some(seats)
            }
            (Cancellation::Release(_) | Cancellation::AlreadyCancelled, _) => None,
        };
        Some(Cancelled {
            booking_id,
            event_id,
            seats_returned,
        })
    }

    fn change(&mut self, event_id: EventId, seats: i64, bookings: i64) {
        let change = self.decisions.changes.entry(event_id).or_default();
        change.seats += seats;
        change.bookings += bookings;
    }
}

#[cfg(test)]
mod tests;

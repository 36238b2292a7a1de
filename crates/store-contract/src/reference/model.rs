//! What a box office does, as plain data and arithmetic: one thing at a time,
//! nothing kept twice, every sum counted anew.
//!
//! It calls no rule of `domain`, so that it cannot share a mistake with the
//! adapters, which do.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::model::{
    AttendedBooking, BookSeats, Booked, Booking, BookingId, BookingStatus, Cancelled, Capacity,
    ChangedEvent, Email, Event, EventChange, EventId, EventSales, IdempotencyKey, NewUser,
    PublishEvent, SeatCount, User, UserId,
};
use domain::ports::{BookError, CancelError, ChangeEventError, DeleteEventError, RegisterError};
use domain::rules::{CapacityBelowConfirmed, KeyReused};

use super::accounts::Standings;
use super::reconciliation::Drifts;
use super::sales_control::Pauses;

/// The id and the time that something new gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) id: i64,
    pub(crate) at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub(super) struct Show {
    pub(super) details: PublishEvent,
    pub(super) deleted: bool,
}

/// All there is to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(super) users: BTreeMap<UserId, User>,
    pub(super) standings: Standings,
    pub(super) events: BTreeMap<EventId, Show>,
    pub(super) bookings: BTreeMap<BookingId, Booking>,
    pub(super) keys: BTreeMap<(UserId, IdempotencyKey), (BookSeats, BookingId, DateTime<Utc>)>,
    /// What a test says is kept otherwise.
    pub(super) drifts: Drifts,
    pub(super) pauses: Pauses,
}

impl Model {
    pub(crate) fn register(&mut self, user: NewUser, stamp: Stamp) -> Result<User, RegisterError> {
        if self.users.values().any(|known| known.email == user.email) {
            return Err(RegisterError::EmailTaken(user.email));
        }
        let password = user.password;
        let user = User {
            id: UserId::try_new(stamp.id).expect("positive"),
            email: user.email,
            name: user.name,
            created_at: stamp.at,
        };
        self.users.insert(user.id, user.clone());
        if let Some(password) = password {
            self.standings.passwords.insert(user.id, password);
        }
        Ok(user)
    }

    pub(crate) fn publish(&mut self, details: PublishEvent, id: i64) -> Event {
        let event_id = EventId::try_new(id).expect("positive");
        let show = Show {
            details,
            deleted: false,
        };
        self.events.insert(event_id, show);
        self.event(event_id).expect("just published")
    }

    pub(crate) fn change(
        &mut self,
        event_id: EventId,
        change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        let before = self
            .event(event_id)
            .ok_or(ChangeEventError::EventNotFound(event_id))?;
        let confirmed_seats = self.confirmed_seats(event_id);
        if change
            .capacity
            .is_some_and(|size| i64::from(size.get()) < confirmed_seats)
        {
            let confirmed_seats = Capacity::try_new(confirmed_seats).expect("in range");
            return Err(CapacityBelowConfirmed { confirmed_seats }.into());
        }
        let details = &mut self.events.get_mut(&event_id).expect("found").details;
        if let Some(name) = change.name {
            details.name = name;
        }
        if let Some(venue) = change.venue {
            details.venue = Some(venue);
        }
        if let Some(start_at) = change.start_at {
            details.start_at = start_at;
        }
        if let Some(size) = change.capacity {
            details.capacity = size;
        }
        let event = self.event(event_id).expect("found");
        let left = |event: &Event| i64::from(event.seats_available().get());
        Ok(ChangedEvent {
            seats_gained: left(&event) - left(&before),
            event,
        })
    }

    pub(crate) fn delete(&mut self, event_id: EventId) -> Result<(), DeleteEventError> {
        let confirmed = self.confirmed(event_id).count() as i64;
        match self.events.get_mut(&event_id) {
            Some(show) if !show.deleted => {
                show.deleted = true;
                self.drifts.delete(event_id, confirmed);
                Ok(())
            }
            _ => Err(DeleteEventError::EventNotFound(event_id)),
        }
    }

    pub(crate) fn book(&mut self, command: BookSeats, stamp: Stamp) -> Result<Booked, BookError> {
        let keyed = command.idempotency_key.clone();
        let keyed = keyed.map(|key| (command.user_id, key));
        if let Some((first, booking_id, _)) = keyed.as_ref().and_then(|key| self.keys.get(key)) {
            if *first == command {
                return Ok(booked(*booking_id, &command, true));
            }
            return Err(BookError::KeyReused(KeyReused));
        }
        if !self.users.contains_key(&command.user_id) {
            return Err(BookError::UserNotFound(command.user_id));
        }
        if self.standings.suspended.contains_key(&command.user_id) {
            return Err(BookError::UserSuspended(command.user_id));
        }
        let event = self
            .event(command.event_id)
            .ok_or(BookError::EventNotFound(command.event_id))?;
        if event.start_at() <= stamp.at {
            return Err(BookError::EventStarted(command.event_id));
        }
        if self.pauses.stop(command.event_id) {
            return Err(BookError::SalesPaused(command.event_id));
        }
        if command.seats.get() > event.seats_available().get() {
            return Err(BookError::NotEnoughSeats {
                event_id: command.event_id,
                seats_left: event.seats_available(),
                seats_requested: command.seats,
            });
        }
        let booking = Booking {
            id: BookingId::try_new(stamp.id).expect("positive"),
            user_id: command.user_id,
            event_id: command.event_id,
            seats: command.seats,
            status: BookingStatus::Confirmed,
            created_at: stamp.at,
        };
        let answer = booked(booking.id, &command, false);
        if let Some(key) = keyed {
            self.keys.insert(key, (command, booking.id, stamp.at));
        }
        self.bookings.insert(booking.id, booking);
        Ok(answer)
    }

    pub(crate) fn cancel(&mut self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        let booking = self
            .booking(booking_id)
            .ok_or(CancelError::BookingNotFound(booking_id))?;
        let seats_returned = match booking.status {
            BookingStatus::Confirmed => Some(booking.seats),
            BookingStatus::Cancelled => None,
        };
        let stored = self.bookings.get_mut(&booking_id).expect("found");
        stored.status = BookingStatus::Cancelled;
        Ok(Cancelled {
            booking_id,
            event_id: booking.event_id,
            seats_returned,
        })
    }

    /// Marks bookings of deleted events, as they already read.
    pub(crate) fn finish_deletions(&mut self, bookings_max: usize) -> usize {
        let (events, drifts) = (&self.events, &self.drifts);
        let pending = self.bookings.values_mut().filter(|booking| {
            booking.status == BookingStatus::Confirmed
                && events[&booking.event_id].deleted
                && !drifts.is_unmarked(booking.event_id)
        });
        let mut marked = 0;
        for booking in pending.take(bookings_max) {
            booking.status = BookingStatus::Cancelled;
            marked += 1;
        }
        marked
    }

    pub(crate) fn forget_keys_of(&mut self, user_id: UserId) {
        self.keys.retain(|(owner, _), _| *owner != user_id);
    }

    pub(crate) fn forget_keys(&mut self, before: DateTime<Utc>, keys_max: usize) -> usize {
        let old = self.keys.iter().filter(|(_, (.., at))| *at < before);
        let old: Vec<_> = old.take(keys_max).map(|(key, _)| key.clone()).collect();
        self.keys.retain(|key, _| !old.contains(key));
        old.len()
    }

    pub(crate) fn level_times(&mut self, at: DateTime<Utc>) {
        self.users
            .values_mut()
            .for_each(|user| user.created_at = at);
        self.bookings
            .values_mut()
            .for_each(|booking| booking.created_at = at);
    }

    pub(crate) fn event(&self, event_id: EventId) -> Option<Event> {
        let show = self.events.get(&event_id).filter(|show| !show.deleted)?;
        let left = i64::from(show.details.capacity.get()) - self.confirmed_seats(event_id)
            + self.drifts.seats(event_id);
        let left = Capacity::try_new(left).expect("never negative");
        Some(Event::try_new(event_id, show.details.clone(), left).expect("within the capacity"))
    }

    pub(crate) fn booking(&self, booking_id: BookingId) -> Option<Booking> {
        let mut booking = self.bookings.get(&booking_id)?.clone();
        if self.events[&booking.event_id].deleted {
            booking.status = BookingStatus::Cancelled;
        }
        Some(booking)
    }

    /// All users, newest first.
    pub(crate) fn users(&self) -> Vec<User> {
        let mut users: Vec<_> = self.users.values().cloned().collect();
        users.sort_by_key(|user| Reverse((user.created_at, user.id)));
        users
    }

    /// All events that are not deleted, by their beginning.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut events: Vec<_> = self
            .events
            .keys()
            .filter_map(|id| self.event(*id))
            .collect();
        events.sort_by_key(|event| (event.start_at(), event.id()));
        events
    }

    /// A user's bookings, newest first; `None` for nobody's.
    pub(crate) fn history(&self, user_id: UserId) -> Option<Vec<Booking>> {
        self.users.get(&user_id)?;
        Some(self.newest(|booking| booking.user_id == user_id))
    }

    /// An event's bookings, newest first; `None` if there never was such an event.
    pub(crate) fn attendance(&self, event_id: EventId) -> Option<Vec<AttendedBooking>> {
        self.events.get(&event_id)?;
        let bookings = self.newest(|booking| booking.event_id == event_id);
        let attended = bookings.into_iter().map(|booking| {
            let user = self.users.get(&booking.user_id);
            AttendedBooking {
                user_email: match user {
                    Some(user) => user.email.clone(),
                    None => Email::of_erased(booking.user_id),
                },
                user_name: user.and_then(|user| user.name.clone()),
                booking,
            }
        });
        Some(attended.collect())
    }

    /// The figures of all events that are not deleted, most booked first.
    pub(crate) fn sales(&self) -> Vec<EventSales> {
        let mut sales: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| {
                let confirmed = self.confirmed(event.id()).count() as i64;
                Some(EventSales {
                    event_id: event.id(),
                    name: event.name().clone(),
                    confirmed_bookings: self.drifts.figure(event.id(), confirmed)?,
                    capacity: event.capacity(),
                    seats_available: event.seats_available(),
                })
            })
            .collect();
        sales.sort_by_key(|sales| Reverse((sales.confirmed_bookings, sales.event_id)));
        sales
    }

    /// Confirmed bookings of all events that are not deleted.
    pub(crate) fn confirmed_total(&self) -> i64 {
        let events = self.events().into_iter();
        let counted = events.map(|event| self.confirmed(event.id()).count() as i64);
        counted.sum::<i64>() + self.drifts.total()
    }

    /// Has a key stand for a booking, as if one seat had been asked for.
    pub(super) fn bind_by_hand(
        &mut self,
        user_id: UserId,
        key: IdempotencyKey,
        booking_id: BookingId,
        event_id: EventId,
        at: DateTime<Utc>,
    ) {
        let command = BookSeats {
            user_id,
            event_id,
            seats: SeatCount::ONE,
            idempotency_key: Some(key.clone()),
        };
        let bound = (command, booking_id, at);
        self.keys.insert((user_id, key), bound);
    }

    fn newest(&self, wanted: impl Fn(&Booking) -> bool) -> Vec<Booking> {
        let mut bookings: Vec<_> = self
            .bookings
            .keys()
            .filter_map(|id| self.booking(*id))
            .filter(wanted)
            .collect();
        bookings.sort_by_key(|booking| Reverse((booking.created_at, booking.id)));
        bookings
    }

    pub(super) fn confirmed(&self, event_id: EventId) -> impl Iterator<Item = &Booking> {
        self.bookings.values().filter(move |booking| {
            booking.event_id == event_id && booking.status == BookingStatus::Confirmed
        })
    }

    pub(super) fn confirmed_seats(&self, event_id: EventId) -> i64 {
        let seats = self
            .confirmed(event_id)
            .map(|booking| i64::from(booking.seats.get()));
        seats.sum()
    }
}

fn booked(booking_id: BookingId, command: &BookSeats, replayed: bool) -> Booked {
    Booked {
        booking_id,
        user_id: command.user_id,
        event_id: command.event_id,
        seats: command.seats,
        replayed,
    }
}

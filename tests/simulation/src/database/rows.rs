//! The rows, and what must be true of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::model::{
    BookingId, BookingStatus, Capacity, Event, EventId, EventSeats, IdempotencyKey, KeyedBooking,
    PublishEvent, SeatCount, UserId,
};
use domain::rules::{Change, EventFacts, Sale};

use super::number;

#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) details: PublishEvent,
    pub(crate) seats_available: Capacity,
    is_deleted: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) user_id: UserId,
    pub(crate) event_id: EventId,
    pub(crate) seats: SeatCount,
    pub(crate) status: BookingStatus,
}

#[derive(Debug, Default)]
pub(crate) struct Rows {
    events: BTreeMap<EventId, EventRow>,
    pub(super) bookings: BTreeMap<BookingId, Booking>,
    pub(super) keys: BTreeMap<(UserId, IdempotencyKey), KeyedBooking>,
    /// Ids of bookings that were drawn.
    drawn: i64,
    events_drawn: i64,
}

/// What a transaction writes.
#[derive(Debug)]
pub(crate) enum Written {
    Sales {
        sales: Vec<Sale>,
        cancelled: Vec<BookingId>,
        changes: BTreeMap<EventId, Change>,
    },
    Published(EventId, PublishEvent),
    Changed {
        event: Event,
        seats_gained: i64,
    },
    Deleted(EventId),
}

impl Rows {
    pub(super) fn event(&self, event_id: EventId) -> Option<&EventRow> {
        self.events.get(&event_id).filter(|event| !event.is_deleted)
    }

    pub(super) fn seats_left(&self, event_id: EventId) -> Option<i64> {
        Some(self.event(event_id)?.seats_available.get().into())
    }

    pub(super) fn is_upcoming(&self, event_id: EventId, now: DateTime<Utc>) -> bool {
        let event = self.event(event_id);
        event.is_some_and(|event| event.details.start_at > now)
    }

    pub(super) fn facts(&self, event_id: EventId, now: DateTime<Utc>) -> Option<EventFacts> {
        let event = self.event(event_id)?;
        Some(EventFacts {
            start_at: event.details.start_at,
            seats_available: event.seats_available,
            now,
            is_paused: false,
        })
    }

    pub(super) fn as_event(&self, event_id: EventId) -> Option<Event> {
        let event = self.event(event_id)?;
        Event::try_new(event_id, event.details.clone(), event.seats_available).ok()
    }

    pub(super) fn upcoming(&self, now: DateTime<Utc>) -> Vec<EventSeats> {
        let upcoming = self
            .events
            .keys()
            .filter_map(|event_id| self.seats(*event_id));
        let mut upcoming: Vec<_> = upcoming.filter(|event| event.start_at > now).collect();
        upcoming.sort_by_key(|event| (event.start_at, event.event_id));
        upcoming
    }

    pub(super) fn seats(&self, event_id: EventId) -> Option<EventSeats> {
        let event = self.event(event_id)?;
        Some(EventSeats {
            event_id,
            seats_available: event.seats_available,
            start_at: event.details.start_at,
        })
    }

    /// Ids have gaps: they are drawn outside of transactions.
    pub(super) fn draw_id(&mut self) -> BookingId {
        self.drawn += 1;
        BookingId::try_new(self.drawn).expect("positive")
    }

    pub(super) fn draw_event_id(&mut self) -> EventId {
        self.events_drawn += 1;
        EventId::try_new(self.events_drawn).expect("positive")
    }

    /// Writes all of it, or nothing where a constraint forbids it, and says which
    /// events it was about.
    pub(super) fn write(&mut self, written: &Written) -> Result<BTreeSet<EventId>, String> {
        match written {
            Written::Sales {
                sales,
                cancelled,
                changes,
            } => {
                self.check_sales(sales, cancelled, changes)?;
                for sale in sales {
                    self.sell(sale);
                }
                for booking_id in cancelled {
                    if let Some(booking) = self.bookings.get_mut(booking_id) {
                        booking.status = BookingStatus::Cancelled;
                    }
                }
                for (event_id, change) in changes {
                    if let Some(event) = self.events.get_mut(event_id) {
                        event.seats_available = changed(event, change)?;
                    }
                }
                Ok(changes.keys().copied().collect())
            }
            Written::Published(event_id, details) => {
                let event = EventRow {
                    seats_available: details.capacity,
                    details: details.clone(),
                    is_deleted: false,
                };
                self.events.insert(*event_id, event);
                Ok(BTreeSet::from([*event_id]))
            }
            Written::Changed { event, .. } => {
                let row = self.events.get_mut(&event.id()).ok_or("no such event")?;
                row.details.capacity = event.capacity();
                row.seats_available = event.seats_available();
                Ok(BTreeSet::from([event.id()]))
            }
            Written::Deleted(event_id) => {
                if let Some(event) = self.events.get_mut(event_id) {
                    event.is_deleted = true;
                }
                Ok(BTreeSet::from([*event_id]))
            }
        }
    }

    fn check_sales(
        &self,
        sales: &[Sale],
        cancelled: &[BookingId],
        changes: &BTreeMap<EventId, Change>,
    ) -> Result<(), String> {
        for (event_id, change) in changes {
            changed(self.event(*event_id).ok_or("no such event")?, change)?;
        }
        for sale in sales {
            let key = sale.idempotency_key.clone().map(|key| (sale.user_id, key));
            if self.bookings.contains_key(&sale.booking_id)
                || key.is_some_and(|key| self.keys.contains_key(&key))
            {
                return Err(format!("booking {} or its key exists", sale.booking_id));
            }
        }
        let mut seen = BTreeSet::new();
        for booking_id in cancelled {
            let booking = self.bookings.get(booking_id).ok_or("no such booking")?;
            if booking.status != BookingStatus::Confirmed || !seen.insert(booking_id) {
                return Err(format!("booking {booking_id} is cancelled twice"));
            }
        }
        Ok(())
    }

    fn sell(&mut self, sale: &Sale) {
        let Sale {
            booking_id,
            user_id,
            event_id,
            seats,
            ..
        } = *sale;
        let status = BookingStatus::Confirmed;
        self.bookings.insert(
            booking_id,
            Booking {
                user_id,
                event_id,
                seats,
                status,
            },
        );
        if let Some(key) = &sale.idempotency_key {
            let first = KeyedBooking {
                booking_id,
                event_id,
                seats,
            };
            self.keys.insert((user_id, key.clone()), first);
        }
    }

    /// That seats and bookings agree, for these events, and that no user has two
    /// bookings: in a history each is somebody with one wish.
    pub(super) fn check(&self, event_ids: &BTreeSet<EventId>) -> Result<(), String> {
        for event_id in event_ids {
            let Some(event) = self.event(*event_id) else {
                continue;
            };
            let of_event = |booking: &&Booking| {
                booking.event_id == *event_id && booking.status == BookingStatus::Confirmed
            };
            let booked: i64 = self
                .bookings
                .values()
                .filter(of_event)
                .map(|b| number(b.seats))
                .sum();
            let capacity = i64::from(event.details.capacity.get());
            let left = i64::from(event.seats_available.get());
            if booked > capacity {
                return Err(format!(
                    "event {event_id} is oversold: {booked} of {capacity} seats"
                ));
            }
            if booked + left != capacity {
                return Err(format!(
                    "event {event_id} has {capacity} seats, {booked} booked and {left} left"
                ));
            }
        }
        let mut users = BTreeSet::new();
        for booking in self.bookings.values() {
            if !users.insert(booking.user_id) {
                return Err(format!(
                    "user {} has two bookings for one wish",
                    booking.user_id
                ));
            }
        }
        Ok(())
    }
}

/// Seats left after a change; the constraint of the table.
fn changed(event: &EventRow, change: &Change) -> Result<Capacity, String> {
    let left = i64::from(event.seats_available.get()) + change.seats;
    let left = Capacity::try_new(left).map_err(|_| format!("{left} seats would be left"))?;
    if left > event.details.capacity {
        return Err(format!(
            "{left} of {} seats would be left",
            event.details.capacity
        ));
    }
    Ok(left)
}

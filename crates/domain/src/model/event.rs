//! Events and the commands that make and change them.

use chrono::{DateTime, Utc};

use super::{Capacity, EventId, EventName, Invalid, Venue};

/// Something that seats are sold for.
///
/// Invariant: `seats_available` never exceeds `capacity`; the difference is
/// what confirmed bookings hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    id: EventId,
    name: EventName,
    venue: Option<Venue>,
    start_at: DateTime<Utc>,
    capacity: Capacity,
    seats_available: Capacity,
}

impl Event {
    /// Puts an event together from stored parts.
    ///
    /// # Errors
    /// Refuses more seats available than there are.
    pub fn try_new(
        id: EventId,
        details: PublishEvent,
        seats_available: Capacity,
    ) -> Result<Self, Invalid> {
        let PublishEvent {
            name,
            venue,
            start_at,
            capacity,
        } = details;
        if seats_available > capacity {
            return Err(Invalid::new(format!(
                "seats_available {seats_available} must not exceed capacity {capacity}"
            )));
        }
        Ok(Self {
            id,
            name,
            venue,
            start_at,
            capacity,
            seats_available,
        })
    }

    /// Its name in the system.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// What it is called.
    pub fn name(&self) -> &EventName {
        &self.name
    }

    /// Where it takes place, if that is known.
    pub fn venue(&self) -> Option<&Venue> {
        self.venue.as_ref()
    }

    /// When it begins; sales end then.
    pub fn start_at(&self) -> DateTime<Utc> {
        self.start_at
    }

    /// How many seats it has in all.
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// How many of them nobody has booked.
    pub fn seats_available(&self) -> Capacity {
        self.seats_available
    }

    /// How many seats confirmed bookings hold.
    pub fn confirmed_seats(&self) -> Capacity {
        self.capacity
            .less(self.seats_available)
            .unwrap_or(Capacity::NONE)
    }
}

/// The command: put this event on sale. Also the details of an event that are
/// the organiser's to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishEvent {
    /// What it is called.
    pub name: EventName,
    /// Where it takes place, if that is known.
    pub venue: Option<Venue>,
    /// When it begins. The past is accepted: such an event sells nothing.
    pub start_at: DateTime<Utc>,
    /// How many seats it has.
    pub capacity: Capacity,
}

/// The command: change some details of an event. `None` leaves a detail as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventChange {
    /// A new name.
    pub name: Option<EventName>,
    /// A new venue.
    pub venue: Option<Venue>,
    /// A new beginning.
    pub start_at: Option<DateTime<Utc>>,
    /// A new size, at least the confirmed seats.
    pub capacity: Option<Capacity>,
}

/// The answer to an [`EventChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedEvent {
    /// The event as it is now.
    pub event: Event,
    /// How many more (or, negative, fewer) seats it has left than before.
    pub seats_gained: i64,
}

/// How many seats an event has left: what a seat gate is rebuilt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSeats {
    /// Which event.
    pub event_id: EventId,
    /// Seats that nobody has booked.
    pub seats_available: Capacity,
    /// When it begins, after which nobody needs a gate.
    pub start_at: DateTime<Utc>,
}

impl From<&Event> for EventSeats {
    fn from(event: &Event) -> Self {
        Self {
            event_id: event.id,
            seats_available: event.seats_available,
            start_at: event.start_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(count: i64) -> Capacity {
        Capacity::try_new(count).expect("in range")
    }

    #[test]
    fn an_event_has_no_more_seats_left_than_it_has() {
        let details = PublishEvent {
            name: EventName::parse("Tech Talk").expect("not empty"),
            venue: Venue::parse("Hall B").ok(),
            start_at: DateTime::UNIX_EPOCH,
            capacity: seats(5),
        };
        let event_id = EventId::try_new(7).expect("positive");
        let event = |left| Event::try_new(event_id, details.clone(), seats(left));
        assert!(event(6).is_err());
        let unsold = event(5).expect("all of them");
        assert_eq!(unsold.confirmed_seats(), Capacity::NONE);
        let event = event(2).expect("some of them");
        assert_eq!((event.id(), event.start_at()), (event_id, details.start_at));
        assert_eq!(
            (event.name(), event.venue()),
            (&details.name, details.venue.as_ref())
        );
        assert_eq!(
            [
                event.capacity(),
                event.seats_available(),
                event.confirmed_seats()
            ],
            [5, 2, 3].map(seats)
        );
        let expected = EventSeats {
            event_id,
            seats_available: seats(2),
            start_at: details.start_at,
        };
        assert_eq!(EventSeats::from(&event), expected);
    }
}

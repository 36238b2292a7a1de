//! What a change of an event's details does to its seats.

use crate::model::{Capacity, ChangedEvent, Event, EventChange, PublishEvent};

/// A new capacity would leave people with bookings but without seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must not be below the {confirmed_seats} seats already booked")]
pub struct CapacityBelowConfirmed {
    /// Seats that confirmed bookings hold.
    pub confirmed_seats: Capacity,
}

/// Applies a change to the event as read under its lock.
///
/// Invariant: the confirmed seats stay what they were; all that is added to or
/// taken from the capacity is added to or taken from the seats left.
///
/// # Errors
/// Refuses a capacity below the confirmed seats, and then changes nothing.
pub fn change(event: &Event, change: EventChange) -> Result<ChangedEvent, CapacityBelowConfirmed> {
    let confirmed_seats = event.confirmed_seats();
    let capacity = change.capacity.unwrap_or(event.capacity());
    let seats_available = capacity
        .less(confirmed_seats)
        .ok_or(CapacityBelowConfirmed { confirmed_seats })?;
    let details = PublishEvent {
        name: change.name.unwrap_or_else(|| event.name().clone()),
        venue: change.venue.or_else(|| event.venue().cloned()),
        start_at: change.start_at.unwrap_or(event.start_at()),
        capacity,
    };
    let seats_gained = i64::from(seats_available.get()) - i64::from(event.seats_available().get());
    let event = Event::try_new(event.id(), details, seats_available)
        .expect("the seats left are the capacity less some seats");
    Ok(ChangedEvent {
        event,
        seats_gained,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::{EventId, EventName};

    fn seats(n: i64) -> Capacity {
        Capacity::try_new(n).expect("in range")
    }

    fn event(capacity: i64, left: i64) -> Event {
        let details = PublishEvent {
            name: EventName::parse("Tech Talk").expect("not empty"),
            venue: None,
            start_at: DateTime::UNIX_EPOCH,
            capacity: seats(capacity),
        };
        Event::try_new(EventId::try_new(1).expect("positive"), details, seats(left))
            .expect("consistent")
    }

    #[test]
    fn resizing_never_goes_below_the_confirmed_seats() {
        for (new, outcome) in [
            (10, Ok((7, 5))),
            (5, Ok((2, 0))),
            (3, Ok((0, -2))),
            (2, Err(3)),
            (0, Err(3)),
        ] {
            let resize = EventChange {
                capacity: Some(seats(new)),
                ..EventChange::default()
            };
            let got = change(&event(5, 2), resize)
                .map(|changed| (changed.event.seats_available().get(), changed.seats_gained))
                .map_err(|refused| refused.confirmed_seats.get());
            assert_eq!(got, outcome, "5 seats, 3 confirmed, resized to {new}");
        }
    }

    #[test]
    fn no_change_changes_nothing() {
        let before = event(5, 2);
        let changed = change(&before, EventChange::default()).expect("nothing to refuse");
        assert_eq!(
            changed,
            ChangedEvent {
                event: before,
                seats_gained: 0
            }
        );
    }
}

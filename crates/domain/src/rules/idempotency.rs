//! When a repeated request is a replay and when it is a mistake.

use crate::model::{BookSeats, Booked, KeyedBooking};

/// The key was used before, for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was already used for a different booking")]
pub struct KeyReused;

/// Answers a command whose key is bound: with the first answer when it asks
/// for the same, whatever became of event and booking since.
///
/// # Errors
/// Refuses a command that asks for something else under the same key.
pub fn replay(first: &KeyedBooking, command: &BookSeats) -> Result<Booked, KeyReused> {
    if !first.is_same_request(command) {
        return Err(KeyReused);
    }
    Ok(Booked {
        booking_id: first.booking_id,
        user_id: command.user_id,
        event_id: first.event_id,
        seats: first.seats,
        replayed: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BookingId, EventId, SeatCount, UserId};

    #[test]
    fn only_the_same_request_is_replayed() {
        let event_id = EventId::try_new(7).expect("positive");
        let booking_id = BookingId::try_new(3).expect("positive");
        let first = KeyedBooking {
            booking_id,
            event_id,
            seats: SeatCount::ONE,
        };
        let command = BookSeats {
            user_id: UserId::try_new(1).expect("positive"),
            event_id,
            seats: SeatCount::ONE,
            idempotency_key: None,
        };
        let replayed = replay(&first, &command).expect("the same request");
        assert_eq!((replayed.booking_id, replayed.replayed), (booking_id, true));

        let two = SeatCount::try_new(2).expect("in range");
        let more_seats = BookSeats {
            seats: two,
            ..command.clone()
        };
        assert_eq!(replay(&first, &more_seats), Err(KeyReused));
        let other_event = BookSeats {
            event_id: EventId::try_new(8).expect("positive"),
            ..command
        };
        assert_eq!(replay(&first, &other_event), Err(KeyReused));
    }
}

//! Who gets the seats that are left.

use chrono::{DateTime, Utc};

use super::KeyReused;
use crate::model::{Capacity, SeatCount};

/// Limits on what one booking may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookingPolicy {
    /// The most seats of one booking.
    pub seats_per_booking_max: SeatCount,
}

impl BookingPolicy {
    /// Checks what a command asks for before any store is touched.
    ///
    /// # Errors
    /// Refuses more seats than one booking may have.
    pub fn check(&self, seats: SeatCount) -> Result<(), TooManySeats> {
        let seats_max = self.seats_per_booking_max;
        if seats > seats_max {
            Err(TooManySeats { seats_max })
        } else {
            Ok(())
        }
    }
}

/// A booking asked for more seats than one booking may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at most {seats_max}")]
pub struct TooManySeats {
    /// The most seats of one booking.
    pub seats_max: SeatCount,
}

/// What the store knows of the event, read under the event's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFacts {
    /// When it begins.
    pub start_at: DateTime<Utc>,
    /// Seats that nobody has booked.
    pub seats_available: Capacity,
    /// The store's clock, read after the lock was taken.
    pub now: DateTime<Utc>,
    /// Whether somebody has stopped its sales for now.
    pub is_paused: bool,
}

/// How a user stands with the box office. Who was erased stands nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May book.
    Good,
    /// An admin decided that they may not.
    Suspended,
}

/// A request for seats of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatRequest {
    /// How the user stands; `None` for one whom the store does not know.
    pub user: Option<Standing>,
    /// How many seats are asked for.
    pub seats: SeatCount,
}

/// Why a request gets no seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is registered under the user's id.
    UserNotFound,
    /// The user may not book.
    UserSuspended,
    /// There is no such event, or it was deleted.
    EventNotFound,
    /// The event has begun.
    EventStarted,
    /// Sales of the event are paused.
    SalesPaused,
    /// Fewer seats are left than were asked for.
    NotEnoughSeats {
        /// How many were left when this request's turn came.
        seats_left: Capacity,
    },
    /// The request's idempotency key stands for another request.
    KeyReused(KeyReused),
}

/// Gives seats to one request and takes them off those that the event has left.
/// Called for one request after the other, in their order of arrival, with the
/// same facts.
///
/// A request that wants more than is left goes away empty and does not stand
/// in the way of a smaller one behind it. An event has started from the very
/// instant `start_at` on. What will never be sold again is told before what is
/// only paused, and a pause before the seats that are left.
///
/// # Errors
/// The [`Refusal`]; the facts stay as they are.
pub fn allot(event: Option<&mut EventFacts>, request: &SeatRequest) -> Result<SeatCount, Refusal> {
    match request.user {
        None => return Err(Refusal::UserNotFound),
        Some(Standing::Suspended) => return Err(Refusal::UserSuspended),
        Some(Standing::Good) => {}
    }
    let event = event.ok_or(Refusal::EventNotFound)?;
    if event.now >= event.start_at {
        return Err(Refusal::EventStarted);
    }
    if event.is_paused {
        return Err(Refusal::SalesPaused);
    }
    let seats_left = event.seats_available;
    event.seats_available = seats_left
        .take(request.seats)
        .ok_or(Refusal::NotEnoughSeats { seats_left })?;
    Ok(request.seats)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn seats(n: u32) -> SeatCount {
        SeatCount::try_new(i64::from(n)).expect("in range")
    }

    fn event_with(seats_left: u32) -> EventFacts {
        EventFacts {
            start_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(1),
            seats_available: Capacity::try_new(i64::from(seats_left)).expect("in range"),
            now: DateTime::UNIX_EPOCH,
            is_paused: false,
        }
    }

    fn wanting(n: u32) -> SeatRequest {
        SeatRequest {
            user: Some(Standing::Good),
            seats: seats(n),
        }
    }

    fn allot_all(event: &mut EventFacts, requests: &[SeatRequest]) -> Vec<Result<u32, Refusal>> {
        let answers = requests
            .iter()
            .map(|request| allot(Some(&mut *event), request));
        answers.map(|answer| answer.map(SeatCount::get)).collect()
    }

    #[test]
    fn the_last_seat_goes_to_whoever_came_first() {
        let refused = Refusal::NotEnoughSeats {
            seats_left: Capacity::NONE,
        };
        let answers = allot_all(&mut event_with(1), &[wanting(1), wanting(1)]);
        assert_eq!(answers, [Ok(1), Err(refused)]);
    }

    #[test]
    fn a_request_too_large_does_not_block_a_smaller_one() {
        let refused = Refusal::NotEnoughSeats {
            seats_left: Capacity::try_new(2).expect("in range"),
        };
        let answers = allot_all(&mut event_with(2), &[wanting(3), wanting(2)]);
        assert_eq!(answers, [Err(refused), Ok(2)]);
    }

    #[test]
    fn sales_end_at_the_very_start() {
        let mut event = event_with(1);
        event.now = event.start_at;
        assert_eq!(
            allot_all(&mut event, &[wanting(1)]),
            [Err(Refusal::EventStarted)]
        );
        event.now = event.start_at - TimeDelta::microseconds(1);
        assert_eq!(allot_all(&mut event, &[wanting(1)]), [Ok(1)]);
    }

    #[test]
    fn while_sales_are_paused_nobody_gets_a_seat() {
        let mut event = event_with(3);
        event.is_paused = true;
        assert_eq!(
            allot_all(&mut event, &[wanting(1), wanting(4)]),
            [Err(Refusal::SalesPaused); 2]
        );
        event.is_paused = false;
        assert_eq!(allot_all(&mut event, &[wanting(3)]), [Ok(3)]);
    }

    #[test]
    fn a_pause_is_told_after_everything_but_the_seats() {
        let mut event = event_with(0);
        event.is_paused = true;
        for (user, refusal) in [
            (None, Refusal::UserNotFound),
            (Some(Standing::Suspended), Refusal::UserSuspended),
            (Some(Standing::Good), Refusal::SalesPaused),
        ] {
            let request = SeatRequest { user, ..wanting(1) };
            assert_eq!(allot(Some(&mut event), &request), Err(refusal));
        }
        event.now = event.start_at;
        assert_eq!(
            allot_all(&mut event, &[wanting(1)]),
            [Err(Refusal::EventStarted)]
        );
    }

    #[test]
    fn unknown_users_and_events_are_told_apart() {
        let nobody = SeatRequest {
            user: None,
            seats: SeatCount::ONE,
        };
        assert_eq!(
            allot(Some(&mut event_with(1)), &nobody),
            Err(Refusal::UserNotFound)
        );
        assert_eq!(allot(None, &nobody), Err(Refusal::UserNotFound));
        assert_eq!(allot(None, &wanting(1)), Err(Refusal::EventNotFound));
    }

    #[test]
    fn whoever_is_suspended_gets_nothing() {
        let suspended = SeatRequest {
            user: Some(Standing::Suspended),
            seats: SeatCount::ONE,
        };
        let mut event = event_with(1);
        assert_eq!(
            allot(Some(&mut event), &suspended),
            Err(Refusal::UserSuspended)
        );
        assert_eq!(event, event_with(1));
    }

    #[test]
    fn one_booking_has_its_limit() {
        let policy = BookingPolicy {
            seats_per_booking_max: seats(4),
        };
        assert_eq!(policy.check(seats(4)), Ok(()));
        assert_eq!(
            policy.check(seats(5)),
            Err(TooManySeats {
                seats_max: seats(4)
            })
        );
    }

    fn standing() -> impl Strategy<Value = Option<Standing>> {
        prop_oneof![
            3 => Just(Some(Standing::Good)),
            1 => Just(Some(Standing::Suspended)),
            1 => Just(None),
        ]
    }

    proptest! {
        #[test]
        fn no_seat_is_given_twice(
            seats_left in 0u32..50,
            wanted in prop::collection::vec((1u32..10, standing()), 0..40),
        ) {
            let requests: Vec<_> = wanted
                .iter()
                .map(|&(n, user)| SeatRequest { user, seats: seats(n) })
                .collect();
            let mut event = event_with(seats_left);
            let answers = allot_all(&mut event, &requests);
            let granted: u32 = answers.iter().flatten().sum();
            prop_assert_eq!(granted + event.seats_available.get(), seats_left);
            // Nobody is refused seats that were there at their turn.
            let mut left = seats_left;
            for (request, answer) in requests.iter().zip(&answers) {
                match answer {
                    Ok(seats) => left -= seats,
                    Err(Refusal::NotEnoughSeats { seats_left }) => {
                        prop_assert_eq!(seats_left.get(), left);
                        prop_assert!(request.seats.get() > left);
                    }
                    Err(_) => prop_assert!(request.user != Some(Standing::Good)),
                }
            }
        }
    }
}

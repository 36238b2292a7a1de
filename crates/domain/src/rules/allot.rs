//! Who gets the seats that are left.

use chrono::{DateTime, Utc};

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
}

/// One of several requests for seats of the same event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatRequest {
    /// Whether the store knows the user.
    pub user_exists: bool,
    /// How many seats are asked for.
    pub seats: SeatCount,
}

/// Why a request gets no seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is registered under the user's id.
    UserNotFound,
    /// There is no such event, or it was deleted.
    EventNotFound,
    /// The event has begun.
    EventStarted,
    /// Fewer seats are left than were asked for.
    NotEnoughSeats {
        /// How many were left when this request's turn came.
        seats_left: Capacity,
    },
}

/// What became of several requests for the same event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allotment {
    /// One answer for each request, in their order.
    pub answers: Vec<Result<SeatCount, Refusal>>,
    /// Seats given away in all.
    pub seats_sold: u32,
    /// Requests that got their seats.
    pub bookings: u32,
}

/// Gives the seats that are left to the requests in their order of arrival.
///
/// A request that wants more than is left goes away empty and does not stand
/// in the way of a smaller one behind it. An event has started from the very
/// instant `start_at` on.
///
/// Invariant: `seats_sold` is the sum of the granted requests and never
/// exceeds `event.seats_available`.
pub fn allot(event: Option<&EventFacts>, requests: &[SeatRequest]) -> Allotment {
    let seats_available = event.map_or(Capacity::NONE, |event| event.seats_available);
    let mut seats_left = seats_available;
    let answers: Vec<_> = requests
        .iter()
        .map(|request| {
            may_book(event, request)?;
            let seats_left_after = seats_left
                .take(request.seats)
                .ok_or(Refusal::NotEnoughSeats { seats_left })?;
            seats_left = seats_left_after;
            Ok(request.seats)
        })
        .collect();
    let bookings = answers.iter().filter(|answer| answer.is_ok()).count();
    Allotment {
        answers,
        seats_sold: seats_available.get() - seats_left.get(),
        bookings: u32::try_from(bookings).unwrap_or(u32::MAX),
    }
}

fn may_book(event: Option<&EventFacts>, request: &SeatRequest) -> Result<(), Refusal> {
    if !request.user_exists {
        return Err(Refusal::UserNotFound);
    }
    let event = event.ok_or(Refusal::EventNotFound)?;
    if event.now >= event.start_at {
        return Err(Refusal::EventStarted);
    }
    Ok(())
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
        }
    }

    fn wanting(n: u32) -> SeatRequest {
        SeatRequest {
            user_exists: true,
            seats: seats(n),
        }
    }

    #[test]
    fn the_last_seat_goes_to_whoever_came_first() {
        let allotment = allot(Some(&event_with(1)), &[wanting(1), wanting(1)]);
        let refused = Refusal::NotEnoughSeats {
            seats_left: Capacity::NONE,
        };
        assert_eq!(allotment.answers, [Ok(SeatCount::ONE), Err(refused)]);
        assert_eq!((allotment.seats_sold, allotment.bookings), (1, 1));
    }

    #[test]
    fn a_request_too_large_does_not_block_a_smaller_one() {
        let allotment = allot(Some(&event_with(2)), &[wanting(3), wanting(2)]);
        let refused = Refusal::NotEnoughSeats {
            seats_left: Capacity::try_new(2).expect("in range"),
        };
        assert_eq!(allotment.answers, [Err(refused), Ok(seats(2))]);
    }

    #[test]
    fn sales_end_at_the_very_start() {
        let mut event = event_with(1);
        event.now = event.start_at;
        assert_eq!(
            allot(Some(&event), &[wanting(1)]).answers,
            [Err(Refusal::EventStarted)]
        );
        event.now = event.start_at - TimeDelta::microseconds(1);
        assert_eq!(
            allot(Some(&event), &[wanting(1)]).answers,
            [Ok(SeatCount::ONE)]
        );
    }

    #[test]
    fn unknown_users_and_events_are_told_apart() {
        let nobody = SeatRequest {
            user_exists: false,
            seats: SeatCount::ONE,
        };
        assert_eq!(
            allot(Some(&event_with(1)), &[nobody]).answers,
            [Err(Refusal::UserNotFound)]
        );
        assert_eq!(allot(None, &[nobody]).answers, [Err(Refusal::UserNotFound)]);
        assert_eq!(
            allot(None, &[wanting(1)]).answers,
            [Err(Refusal::EventNotFound)]
        );
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

    proptest! {
        #[test]
        fn no_seat_is_given_twice(
            seats_left in 0u32..50,
            wanted in prop::collection::vec((1u32..10, any::<bool>()), 0..40),
        ) {
            let requests: Vec<_> = wanted
                .iter()
                .map(|&(n, user_exists)| SeatRequest { user_exists, seats: seats(n) })
                .collect();
            let allotment = allot(Some(&event_with(seats_left)), &requests);
            let granted: u32 = allotment.answers.iter().flatten().map(|s| s.get()).sum();
            prop_assert_eq!(granted, allotment.seats_sold);
            prop_assert!(granted <= seats_left);
            prop_assert_eq!(allotment.answers.len(), requests.len());
            // Nobody is refused seats that were there at their turn.
            let mut left = seats_left;
            for (request, answer) in requests.iter().zip(&allotment.answers) {
                match answer {
                    Ok(s) => left -= s.get(),
                    Err(Refusal::NotEnoughSeats { seats_left }) => {
                        prop_assert_eq!(seats_left.get(), left);
                        prop_assert!(request.seats.get() > left);
                    }
                    Err(_) => prop_assert!(!request.user_exists),
                }
            }
        }
    }
}

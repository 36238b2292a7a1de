//! Bookings and the command that makes one.

use chrono::{DateTime, Utc};

use super::{BookingId, Email, EventId, IdempotencyKey, Invalid, SeatCount, UserId, UserName};

/// Whether a booking holds its seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BookingStatus {
    /// The seats are the buyer's.
    Confirmed,
    /// The seats went back, or the event was deleted.
    Cancelled,
}

impl BookingStatus {
    /// The word that stores and clients use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads the word back.
    ///
    /// # Errors
    /// Refuses every other word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        match word {
            "CONFIRMED" => Ok(Self::Confirmed),
            "CANCELLED" => Ok(Self::Cancelled),
            _ => Err(Invalid::new("must be CONFIRMED or CANCELLED")),
        }
    }
}

/// Seats that somebody booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its name.
    pub id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub event_id: EventId,
    /// How many seats.
    pub seats: SeatCount,
    /// Whether it still holds them.
    pub status: BookingStatus,
    /// When it was made, by the store's clock.
    pub created_at: DateTime<Utc>,
}

/// A booking beside the person who made it, as the organiser sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttendedBooking {
    /// The booking.
    pub booking: Booking,
    /// The buyer's address; [`Email::of_erased`] of one who was erased.
    pub user_email: Email,
    /// The buyer's name, if given and not erased.
    pub user_name: Option<UserName>,
}

/// The command: give this user that many seats of this event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookSeats {
    /// Who wants them.
    pub user_id: UserId,
    /// Of which event.
    pub event_id: EventId,
    /// How many.
    pub seats: SeatCount,
    /// The caller's name for this request, if it may be repeated.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// The answer to a successful [`BookSeats`]. It is the same when the command
/// is replayed later, whatever became of the booking since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The booking that was made.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    pub event_id: EventId,
    /// How many seats.
    pub seats: SeatCount,
    /// Whether an earlier request with the same key made it.
    pub replayed: bool,
}

/// The answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancelled {
    /// The booking that is cancelled now.
    pub booking_id: BookingId,
    /// The event that it was for.
    pub event_id: EventId,
    /// The seats that this very call gave back; `None` when it was cancelled before.
    pub seats_returned: Option<SeatCount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_is_written_and_no_other_word_is() {
        for (status, word) in [
            (BookingStatus::Confirmed, "CONFIRMED"),
            (BookingStatus::Cancelled, "CANCELLED"),
        ] {
            assert_eq!(status.as_str(), word);
            assert_eq!(BookingStatus::parse(word), Ok(status));
        }
        assert!(BookingStatus::parse("confirmed").is_err());
    }
}

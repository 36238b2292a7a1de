//! Keys with which a caller marks two requests as the same one.

use super::{BookSeats, BookingId, EventId, Invalid, SeatCount};

/// A caller's name for one booking, 1 to 255 characters, unique per user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

/// draft-ietf-httpapi-idempotency-key-header-07 leaves the length open; 255 is
/// what the older service stored.
const CHARACTERS_MAX: usize = 255;

impl IdempotencyKey {
    /// Accepts 1 to 255 characters, taken as they are.
    ///
    /// # Errors
    /// Refuses empty and overlong keys and control characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let characters = text.chars().count();
        if !(1..=CHARACTERS_MAX).contains(&characters) {
            return Err(Invalid::new(format!(
                "must have 1 to {CHARACTERS_MAX} characters"
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new("must not contain control characters"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a store remembers under a key: the booking that it made and what was
/// asked for, so that a replay can be told from a reuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedBooking {
    /// The booking that the first request made.
    pub booking_id: BookingId,
    /// The event that the first request named.
    pub event_id: EventId,
    /// The seats that the first request asked for.
    pub seats: SeatCount,
}

impl KeyedBooking {
    /// Whether `command` asks for the same as the request that bound the key.
    pub fn is_same_request(&self, command: &BookSeats) -> bool {
        self.event_id == command.event_id && self.seats == command.seats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_characters_that_can_be_seen() {
        for good in [" ", "k", &"ü".repeat(255)] {
            let key = IdempotencyKey::parse(good).expect("a key");
            assert_eq!(key.as_str(), good);
        }
        for bad in ["", "a\nb", &"x".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
    }
}

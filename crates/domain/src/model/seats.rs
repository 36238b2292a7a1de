//! Numbers of seats.

use super::Invalid;

/// How many seats one booking asks for: 1 to 2,147,483,647. How many of them
/// one buyer may have at once is a rule, not a type: see
/// [`BookingPolicy`](crate::rules::BookingPolicy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatCount(u32);

impl SeatCount {
    /// One seat.
    pub const ONE: Self = Self(1);

    /// Accepts 1 to 2,147,483,647 seats.
    ///
    /// # Errors
    /// Refuses everything outside that range.
    pub fn try_new(seats: i64) -> Result<Self, Invalid> {
        if seats < 1 {
            return Err(Invalid::new("must be at least 1"));
        }
        match i32::try_from(seats) {
            Ok(seats) => Ok(Self(seats.unsigned_abs())),
            Err(_) => Err(Invalid::new(format!("must be at most {}", i32::MAX))),
        }
    }

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for SeatCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How many seats an event has in all, or has left: 0 to 2,147,483,647.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capacity(u32);

impl Capacity {
    /// No seat at all.
    pub const NONE: Self = Self(0);

    /// Accepts 0 to 2,147,483,647 seats.
    ///
    /// # Errors
    /// Refuses everything outside that range.
    pub fn try_new(seats: i64) -> Result<Self, Invalid> {
        if seats < 0 {
            return Err(Invalid::new("must not be negative"));
        }
        match i32::try_from(seats) {
            Ok(seats) => Ok(Self(seats.unsigned_abs())),
            Err(_) => Err(Invalid::new(format!("must be at most {}", i32::MAX))),
        }
    }

    /// The number itself.
    pub fn get(self) -> u32 {
        self.0
    }

    /// What is left after `seats` are taken, if there are that many.
    pub fn take(self, seats: SeatCount) -> Option<Self> {
        self.0.checked_sub(seats.0).map(Self)
    }

    /// What is left after `seats` came back: 2,147,483,647 at most.
    pub fn put_back(self, seats: SeatCount) -> Self {
        Self(self.0.saturating_add(seats.0).min(i32::MAX.unsigned_abs()))
    }

    /// The difference to `other`, `None` when `other` is larger.
    pub fn less(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl std::fmt::Display for Capacity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_asks_for_at_least_one_seat() {
        assert!(SeatCount::try_new(0).is_err());
        assert!(SeatCount::try_new(-1).is_err());
        assert_eq!(SeatCount::try_new(1), Ok(SeatCount::ONE));
    }

    #[test]
    fn numbers_end_where_the_stores_integer_ends() {
        let most = i64::from(i32::MAX);
        assert_eq!(
            SeatCount::try_new(most).map(SeatCount::get),
            Ok(2_147_483_647)
        );
        assert!(SeatCount::try_new(most + 1).is_err());
        assert!(SeatCount::try_new(i64::MAX).is_err());
        assert!(Capacity::try_new(most + 1).is_err());
        assert!(Capacity::try_new(i64::MIN).is_err());
        assert_eq!(Capacity::try_new(0), Ok(Capacity::NONE));
    }

    #[test]
    fn numbers_are_shown_in_digits() {
        let most = i64::from(i32::MAX);
        let (seats, capacity) = (SeatCount::try_new(most), Capacity::try_new(most));
        assert_eq!(seats.expect("in range").to_string(), "2147483647");
        assert_eq!(capacity.expect("in range").to_string(), "2147483647");
    }

    #[test]
    fn no_more_can_be_taken_than_there_is() {
        let two = Capacity::try_new(2).expect("in range");
        let three = SeatCount::try_new(3).expect("in range");
        assert_eq!(two.take(three), None);
        assert_eq!(two.take(SeatCount::ONE), Capacity::try_new(1).ok());
    }
}

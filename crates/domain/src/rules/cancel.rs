//! What a cancellation does.

use crate::model::{BookingStatus, SeatCount};

/// What a store has to do for a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// Mark the booking cancelled and give these seats back.
    Release(SeatCount),
    /// Nothing: it was cancelled before, and its seats went back then.
    AlreadyCancelled,
}

/// Decides on a cancellation from the booking as read under the lock of its
/// event. Bookings of a deleted event count as cancelled: deleting took their
/// seats with it.
pub fn cancel(status: BookingStatus, seats: SeatCount, event_deleted: bool) -> Cancellation {
    match status {
        BookingStatus::Confirmed if !event_deleted => Cancellation::Release(seats),
        BookingStatus::Confirmed | BookingStatus::Cancelled => Cancellation::AlreadyCancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_come_back_once_and_never_from_a_deleted_event() {
        use BookingStatus::{Cancelled, Confirmed};
        let two = SeatCount::try_new(2).expect("in range");
        for (status, event_deleted, decision) in [
            (Confirmed, false, Cancellation::Release(two)),
            (Cancelled, false, Cancellation::AlreadyCancelled),
            (Confirmed, true, Cancellation::AlreadyCancelled),
            (Cancelled, true, Cancellation::AlreadyCancelled),
        ] {
            assert_eq!(
                cancel(status, two, event_deleted),
                decision,
                "{status:?} {event_deleted}"
            );
        }
    }
}

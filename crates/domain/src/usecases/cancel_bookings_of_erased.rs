//! Cancelling what erased users have booked.

use crate::ports::{AccountStore, BookingStore, CancelError, SeatGate, StoreError};

use super::cancel;

/// How many bookings are looked up at a time.
const BOOKINGS_MAX: usize = 100;

/// Cancels the bookings of erased users of events that are yet to come, until
/// none is left. Returns how many it cancelled. Safe beside live traffic and
/// beside other processes that do the same.
///
/// # Errors
/// Trouble in the store; what was cancelled before stays cancelled.
pub async fn cancel_bookings_of_erased(
    accounts: &(impl AccountStore + ?Sized),
    store: &(impl BookingStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
) -> Result<usize, StoreError> {
    let mut cancelled = 0;
    loop {
        let bookings = accounts.bookings_of_erased(BOOKINGS_MAX).await?;
        if bookings.is_empty() {
            return Ok(cancelled);
        }
        for booking_id in bookings {
            match cancel(store, gate, booking_id).await {
                Ok(_) | Err(CancelError::BookingNotFound(_)) => cancelled += 1,
                Err(CancelError::Store(error)) => return Err(error),
            }
        }
    }
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;
    use mockall::Sequence;

    use super::*;
    use crate::model::{BookingId, Cancelled, EventId, SeatCount};
    use crate::ports::mocks::{MockAccountStore, MockBookingStore, MockSeatGate};

    fn booking(id: i64) -> BookingId {
        BookingId::try_new(id).expect("positive")
    }

    #[test]
    fn all_of_them_are_cancelled_and_the_gate_gets_the_seats() {
        let mut accounts = MockAccountStore::new();
        let mut sequence = Sequence::new();
        for ids in [vec![1, 2], vec![3], vec![]] {
            accounts
                .expect_bookings_of_erased()
                .once()
                .in_sequence(&mut sequence)
                .return_once(move |_| Ok(ids.into_iter().map(booking).collect()));
        }
        let mut store = MockBookingStore::new();
        store.expect_cancel().times(3).returning(|booking_id| {
            Ok(Cancelled {
                booking_id,
                event_id: EventId::try_new(7).expect("positive"),
                seats_returned: Some(SeatCount::ONE),
            })
        });
        let mut gate = MockSeatGate::new();
        gate.expect_adjust().times(3).return_const(());
        let cancelled = block_on(cancel_bookings_of_erased(&accounts, &store, &gate));
        assert_eq!(cancelled.expect("no trouble"), 3);
    }

    #[test]
    fn trouble_ends_it() {
        let mut accounts = MockAccountStore::new();
        accounts
            .expect_bookings_of_erased()
            .once()
            .returning(|_| Ok(vec![booking(1), booking(2)]));
        let mut store = MockBookingStore::new();
        store
            .expect_cancel()
            .once()
            .returning(|_| Err(StoreError::Busy("full".into()).into()));
        let outcome = block_on(cancel_bookings_of_erased(
            &accounts,
            &store,
            &MockSeatGate::new(),
        ));
        assert!(matches!(outcome, Err(StoreError::Busy(_))));
    }
}

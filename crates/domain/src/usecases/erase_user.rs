//! Erasing a user.

use crate::model::UserId;
use crate::ports::{AccountError, AccountStore, BookingStore, SeatGate};

use super::cancel_bookings_of_erased;

/// Erases a user and cancels what they booked of events that are yet to come,
/// so that the seats can be sold again. The bookings' figures stay.
///
/// The person is gone first. A cancellation that fails is left to
/// [`cancel_bookings_of_erased`], which housekeeping repeats.
///
/// # Errors
/// As [`AccountStore::erase`].
pub async fn erase_user(
    accounts: &(impl AccountStore + ?Sized),
    store: &(impl BookingStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    user_id: UserId,
) -> Result<(), AccountError> {
    accounts.erase(user_id).await?;
    // They are erased, whatever becomes of this.
    let _ = cancel_bookings_of_erased(accounts, store, gate).await;
    Ok(())
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::ports::StoreError;
    use crate::ports::mocks::{MockAccountStore, MockBookingStore, MockSeatGate};

    fn erase(accounts: &MockAccountStore) -> Result<(), AccountError> {
        let user_id = UserId::try_new(1).expect("positive");
        let (store, gate) = (MockBookingStore::new(), MockSeatGate::new());
        block_on(erase_user(accounts, &store, &gate, user_id))
    }

    #[test]
    fn who_is_erased_stays_so_when_the_cancellations_have_to_wait() {
        let mut accounts = MockAccountStore::new();
        accounts.expect_erase().once().returning(|_| Ok(()));
        accounts
            .expect_bookings_of_erased()
            .once()
            .returning(|_| Err(StoreError::Busy("full".into())));
        assert!(erase(&accounts).is_ok());
    }

    #[test]
    fn nothing_is_cancelled_for_who_was_not_erased() {
        let mut accounts = MockAccountStore::new();
        accounts
            .expect_erase()
            .once()
            .returning(|user_id| Err(AccountError::UserNotFound(user_id)));
        assert!(matches!(
            erase(&accounts),
            Err(AccountError::UserNotFound(_))
        ));
    }
}

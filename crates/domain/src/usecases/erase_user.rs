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

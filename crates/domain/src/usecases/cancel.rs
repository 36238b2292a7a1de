//! Cancelling a booking.

use crate::model::{BookingId, Cancelled};
use crate::ports::{BookingStore, CancelError, SeatGate};

/// Cancels a booking; the seats are free again, in the store and at the gate,
/// before this returns.
///
/// # Errors
/// As [`BookingStore::cancel`].
pub async fn cancel(
    store: &(impl BookingStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    booking_id: BookingId,
) -> Result<Cancelled, CancelError> {
    let cancelled = store.cancel(booking_id).await?;
    if let Some(seats) = cancelled.seats_returned {
        gate.adjust(cancelled.event_id, i64::from(seats.get()))
            .await;
    }
    Ok(cancelled)
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;
    use mockall::predicate::eq;

    use super::*;
    use crate::model::{EventId, SeatCount};
    use crate::ports::mocks::{MockBookingStore, MockSeatGate};

    #[test]
    fn the_gate_gets_the_seats_back_only_from_the_call_that_returned_them() {
        let booking_id = BookingId::try_new(3).expect("positive");
        let event_id = EventId::try_new(7).expect("positive");
        for (seats_returned, adjustments) in [(SeatCount::try_new(2).ok(), 1), (None, 0)] {
            let mut store = MockBookingStore::new();
            store.expect_cancel().returning(move |booking_id| {
                Ok(Cancelled {
                    booking_id,
                    event_id,
                    seats_returned,
                })
            });
            let mut gate = MockSeatGate::new();
            gate.expect_adjust()
                .with(eq(event_id), eq(2))
                .times(adjustments)
                .return_const(());
            block_on(cancel(&store, &gate, booking_id)).expect("cancelled");
        }
    }
}

//! Deleting an event.

use crate::model::EventId;
use crate::ports::{DeleteEventError, EventStore, SeatGate};

/// Deletes an event and removes its gate. Its bookings read as cancelled from
/// now on; marking them one by one is left to maintenance.
///
/// # Errors
/// As [`EventStore::delete`].
pub async fn delete_event(
    store: &(impl EventStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event_id: EventId,
) -> Result<(), DeleteEventError> {
    store.delete(event_id).await?;
    gate.close(event_id).await;
    Ok(())
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;
    use mockall::predicate::eq;

    use super::*;
    use crate::ports::mocks::{MockEventStore, MockSeatGate};

    #[test]
    fn the_gate_is_closed_once_the_event_is_gone() {
        let event_id = EventId::try_new(7).expect("positive");
        for is_there in [true, false] {
            let mut store = MockEventStore::new();
            store.expect_delete().once().return_once(move |event_id| {
                is_there
                    .then_some(())
                    .ok_or(DeleteEventError::EventNotFound(event_id))
            });
            let mut gate = MockSeatGate::new();
            gate.expect_close()
                .with(eq(event_id))
                .times(usize::from(is_there))
                .return_const(());
            let deleted = block_on(delete_event(&store, &gate, event_id));
            assert_eq!(deleted.is_ok(), is_there);
        }
    }
}

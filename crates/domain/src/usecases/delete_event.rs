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

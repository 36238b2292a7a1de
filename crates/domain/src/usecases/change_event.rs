//! Changing an event's details.

use crate::model::{Event, EventChange, EventId};
use crate::ports::{ChangeEventError, EventStore, SeatGate};

/// Changes an event; seats that this adds or removes are added or removed at
/// the gate before it returns.
///
/// # Errors
/// As [`EventStore::change`].
pub async fn change_event(
    store: &(impl EventStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event_id: EventId,
    change: EventChange,
) -> Result<Event, ChangeEventError> {
    let changed = store.change(event_id, change).await?;
    if changed.seats_gained != 0 {
        gate.adjust(event_id, changed.seats_gained).await;
    }
    Ok(changed.event)
}

//! Putting an event on sale.

use crate::model::{Event, EventSeats, PublishEvent};
use crate::ports::{EventStore, SeatGate, StoreError};

/// Publishes an event and opens its gate.
///
/// # Errors
/// As [`EventStore::publish`].
pub async fn publish_event(
    store: &(impl EventStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event: PublishEvent,
) -> Result<Event, StoreError> {
    let event = store.publish(event).await?;
    gate.open(EventSeats::from(&event)).await;
    Ok(event)
}

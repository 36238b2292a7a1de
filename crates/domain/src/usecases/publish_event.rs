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

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use chrono::DateTime;
    use futures::executor::block_on;
    use mockall::predicate::eq;

    use super::*;
    use crate::model::{Capacity, EventId, EventName};
    use crate::ports::mocks::{MockEventStore, MockSeatGate};

    #[test]
    fn the_gate_opens_with_the_seats_of_the_event() {
        let details = PublishEvent {
            name: EventName::parse("Tech Talk").expect("not empty"),
            venue: None,
            start_at: DateTime::UNIX_EPOCH,
            capacity: Capacity::try_new(5).expect("in range"),
        };
        let event_id = EventId::try_new(7).expect("positive");
        let event = Event::try_new(event_id, details.clone(), details.capacity);
        let event = event.expect("consistent");
        let mut store = MockEventStore::new();
        let published = event.clone();
        store.expect_publish().return_once(|_| Ok(published));
        let mut gate = MockSeatGate::new();
        gate.expect_open()
            .with(eq(EventSeats::from(&event)))
            .once()
            .return_const(());
        let got = block_on(publish_event(&store, &gate, details));
        assert_eq!(got.expect("published"), event);
    }
}

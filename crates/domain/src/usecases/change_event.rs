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

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use chrono::DateTime;
    use futures::executor::block_on;
    use mockall::predicate::eq;

    use super::*;
    use crate::model::{Capacity, ChangedEvent, EventName, PublishEvent};
    use crate::ports::mocks::{MockEventStore, MockSeatGate};

    #[test]
    fn the_gate_gets_and_loses_the_seats_that_the_event_does() {
        let event_id = EventId::try_new(7).expect("positive");
        let details = PublishEvent {
            name: EventName::parse("Tech Talk").expect("not empty"),
            venue: None,
            start_at: DateTime::UNIX_EPOCH,
            capacity: Capacity::NONE,
        };
        let event = Event::try_new(event_id, details, Capacity::NONE).expect("consistent");
        for (seats_gained, adjustments) in [(3, 1), (-3, 1), (0, 0)] {
            let mut store = MockEventStore::new();
            let changed = ChangedEvent {
                event: event.clone(),
                seats_gained,
            };
            store.expect_change().return_once(|_, _| Ok(changed));
            let mut gate = MockSeatGate::new();
            gate.expect_adjust()
                .with(eq(event_id), eq(seats_gained))
                .times(adjustments)
                .return_const(());
            let got = block_on(change_event(
                &store,
                &gate,
                event_id,
                EventChange::default(),
            ));
            assert_eq!(got.expect("changed"), event);
        }
    }
}

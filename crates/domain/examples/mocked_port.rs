//! A test of somebody else's code that swaps in a mock of a port.
//!
//! `box_office_sign` stands for code of another service that reads Utsavam's
//! port; the test below tells the mock what to answer and needs no database.
//!
//! Run it with `cargo run -p domain --features mocks --example mocked_port`.

use chrono::DateTime;
use domain::model::{Capacity, Event, EventId, EventName, PublishEvent};
use domain::ports::mocks::MockEventCatalogue;
use domain::ports::{EventCatalogue, FindEventError};

/// What the sign above the box office says about an event.
async fn box_office_sign(catalogue: &dyn EventCatalogue, event_id: EventId) -> String {
    match catalogue.find(event_id).await {
        Ok(event) if event.seats_available() == Capacity::NONE => "SOLD OUT".to_owned(),
        Ok(event) => format!("{} seats left", event.seats_available()),
        Err(FindEventError::EventNotFound(_)) => "no such event".to_owned(),
        Err(FindEventError::Store(_)) => "please ask inside".to_owned(),
    }
}

fn event_with(seats_left: i64) -> Event {
    let details = PublishEvent {
        name: EventName::parse("Indie Concert").expect("not empty"),
        venue: None,
        start_at: DateTime::UNIX_EPOCH,
        capacity: Capacity::try_new(5).expect("in range"),
    };
    let seats_left = Capacity::try_new(seats_left).expect("in range");
    Event::try_new(EventId::try_new(1).expect("positive"), details, seats_left).expect("at most 5")
}

fn main() {
    for (seats_left, sign) in [(3, "3 seats left"), (0, "SOLD OUT")] {
        let mut catalogue = MockEventCatalogue::new();
        catalogue
            .expect_find()
            .times(1)
            .returning(move |_| Ok(event_with(seats_left)));
        let event_id = EventId::try_new(1).expect("positive");
        let shown = futures::executor::block_on(box_office_sign(&catalogue, event_id));
        assert_eq!(shown, sign);
        println!("with {seats_left} seats left the sign says: {shown}");
    }
}

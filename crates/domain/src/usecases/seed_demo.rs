//! Data to try the service with.

use chrono::{DateTime, TimeDelta};

use crate::model::{Capacity, Email, EventName, NewUser, PublishEvent, UserName, Venue};
use crate::ports::{DemoStore, SeatGate, StoreError};

/// How far ahead demo events begin: 30 days.
const LEAD: TimeDelta = TimeDelta::days(30);

const USERS: [(&str, &str); 3] = [
    ("alice@example.com", "Alice"),
    ("bob@example.com", "Bob"),
    ("carol@example.com", "Carol"),
];

const EVENTS: [(&str, &str, i64); 3] = [
    ("Indie Concert", "Stadium A", 5),
    ("Tech Talk", "Hall B", 50),
    ("Art Expo", "Gallery C", 100),
];

/// What is there after seeding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoData {
    /// Addresses of the demo users.
    pub emails: Vec<String>,
    /// Names of the demo events.
    pub event_names: Vec<String>,
}

/// Makes sure that the demo users and events exist and that the events are
/// still to come. Doing it again, also at the same time, changes nothing.
///
/// # Errors
/// As [`DemoStore::ensure`].
pub async fn seed_demo(
    store: &(impl DemoStore + ?Sized),
    gate: &(impl SeatGate + ?Sized),
) -> Result<DemoData, StoreError> {
    for seats in store.ensure(users(), events(), LEAD).await? {
        gate.open(seats).await;
    }
    Ok(DemoData {
        emails: USERS.map(|(email, _)| email.to_owned()).to_vec(),
        event_names: EVENTS.map(|(name, ..)| name.to_owned()).to_vec(),
    })
}

fn users() -> Vec<NewUser> {
    USERS
        .into_iter()
        .map(|(email, name)| NewUser {
            email: Email::parse(email).expect("a constant address"),
            name: Some(UserName::parse(name).expect("a constant name")),
            password: None,
        })
        .collect()
}

fn events() -> Vec<PublishEvent> {
    EVENTS
        .into_iter()
        .map(|(name, venue, capacity)| PublishEvent {
            name: EventName::parse(name).expect("a constant name"),
            venue: Some(Venue::parse(venue).expect("a constant venue")),
            start_at: DateTime::UNIX_EPOCH,
            capacity: Capacity::try_new(capacity).expect("a constant in range"),
        })
        .collect()
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use futures::executor::block_on;
    use mockall::predicate::eq;

    use super::*;
    use crate::model::{EventId, EventSeats};
    use crate::ports::mocks::{MockDemoStore, MockSeatGate};

    #[test]
    fn what_is_told_is_what_the_store_was_asked_for() {
        let seats = EventSeats {
            event_id: EventId::try_new(7).expect("positive"),
            seats_available: Capacity::NONE,
            start_at: DateTime::UNIX_EPOCH,
        };
        let mut store = MockDemoStore::new();
        store
            .expect_ensure()
            .once()
            .returning(move |users, events, _| {
                let emails = users.iter().map(|user| user.email.as_str());
                assert!(emails.eq(USERS.map(|(email, _)| email)));
                let names = events.iter().map(|event| event.name.as_str());
                assert!(names.eq(EVENTS.map(|(name, ..)| name)));
                Ok(vec![seats])
            });
        let mut gate = MockSeatGate::new();
        gate.expect_open().with(eq(seats)).once().return_const(());
        let told = block_on(seed_demo(&store, &gate)).expect("no trouble");
        assert_eq!(told.emails, USERS.map(|(email, _)| email));
        assert_eq!(told.event_names, EVENTS.map(|(name, ..)| name));
    }
}

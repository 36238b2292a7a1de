//! Data to try the service with.

use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{Event, EventSeats, NewUser, PublishEvent};

use crate::Bench;
use crate::parallel::parallel;
use crate::values::{capacity, details, new_user, odd_texts, past, venue, year};

const LEAD: TimeDelta = TimeDelta::days(30);

fn people() -> Vec<NewUser> {
    vec![
        new_user("alice@example.com", Some("Alice")),
        new_user("bob@example.com", None),
    ]
}

fn programme() -> Vec<PublishEvent> {
    vec![
        PublishEvent {
            venue: Some(venue("Hall B")),
            ..details("Tech Talk", past(), 50)
        },
        details("Art Expo", year(9000), 0),
    ]
}

async fn ensure(bench: &Bench, users: Vec<NewUser>, events: Vec<PublishEvent>) -> Vec<EventSeats> {
    let seats = bench.demo().ensure(users, events, LEAD).await;
    seats.expect("demo data")
}

/// What the store's clock says.
async fn now(bench: &Bench) -> DateTime<Utc> {
    bench.user().await;
    bench.user_list().await[0].created_at
}

pub async fn users_and_events_that_are_missing_are_made(bench: Bench) {
    let before = now(&bench).await;
    let seats = ensure(&bench, people(), programme()).await;
    let after = now(&bench).await;
    let users = bench.user_list().await;
    for person in people() {
        let found = users.iter().find(|user| user.email == person.email);
        assert_eq!(found.expect("registered").name, person.name);
    }
    assert_eq!(users.len(), people().len() + 2);
    assert_eq!(seats.len(), 2);
    for (seats, wanted) in seats.iter().zip(programme()) {
        let event = bench.find_event(seats.event_id).await;
        // Its own beginning is ignored: it begins so far ahead of now.
        assert!(
            (before + LEAD..=after + LEAD).contains(&event.start_at()),
            "{event:?} between {before} and {after}"
        );
        let wanted = PublishEvent {
            start_at: event.start_at(),
            ..wanted
        };
        let size = wanted.capacity;
        assert_eq!(
            Ok(&event),
            Event::try_new(event.id(), wanted, size).as_ref()
        );
        assert_eq!(*seats, EventSeats::from(&event));
        bench.assert_adds_up(event.id()).await;
    }
    assert_eq!(bench.event_list(false).await.len(), 2);
}

pub async fn doing_it_again_changes_nothing(bench: Bench) {
    let seats = ensure(&bench, people(), programme()).await;
    let (users, events) = (bench.user_list().await, bench.event_list(false).await);
    for _ in 0..2 {
        assert_eq!(ensure(&bench, people(), programme()).await, seats);
        assert_eq!(bench.user_list().await, users);
        assert_eq!(bench.event_list(false).await, events);
    }
}

pub async fn parallel_calls_leave_one_of_each(bench: Bench) {
    for round in 0..6 {
        let events: Vec<_> = (0..3)
            .map(|number| details(&format!("Round {round} event {number}"), past(), 5))
            .collect();
        // Without users too: what keeps addresses apart must not be what keeps
        // events apart.
        let users = if round % 2 == 0 { vec![] } else { people() };
        let answers = parallel(8, |_| {
            let (bench, users, events) = (bench.clone(), users.clone(), events.clone());
            async move { ensure(&bench, users, events).await }
        })
        .await;
        assert!(
            answers.iter().all(|seats| *seats == answers[0]),
            "{answers:?}"
        );
        assert_eq!(bench.event_list(false).await.len(), 3 * (round + 1));
    }
    assert_eq!(bench.user_list().await.len(), 2);
    assert_eq!(bench.report().await.1.len(), 18);
}

pub async fn what_is_there_stays_as_it_is(bench: Bench) {
    let alice = bench
        .register(new_user("alice@example.com", Some("Alice Cooper")))
        .await;
    let mine = details("Tech Talk", year(2099), 7);
    let mine = bench.events().publish(mine).await.expect("published").id();
    bench.book(alice.id, mine, 3).await;
    let event = bench.find_event(mine).await;
    let seats = ensure(&bench, people(), programme()).await;
    assert_eq!(seats[0], EventSeats::from(&event));
    assert_eq!(bench.find_event(mine).await, event);
    let users = bench.user_list().await;
    assert_eq!(users.iter().find(|user| user.id == alice.id), Some(&alice));
    assert_eq!((users.len(), bench.event_list(false).await.len()), (2, 2));
}

pub async fn an_event_that_has_started_is_moved_ahead(bench: Bench) {
    let seats = ensure(&bench, people(), programme()).await;
    let event = seats[0].event_id;
    let user = bench.user().await;
    let booking = bench.book(user, event, 3).await;
    bench.start_at(event, past()).await;
    let before = bench.find_event(event).await;

    let from = now(&bench).await;
    let seats = ensure(&bench, people(), programme()).await;
    let to = now(&bench).await;
    let moved = bench.find_event(event).await;
    assert!(
        (from + LEAD..=to + LEAD).contains(&moved.start_at()),
        "{moved:?}"
    );
    let expected = PublishEvent {
        name: before.name().clone(),
        venue: before.venue().cloned(),
        start_at: moved.start_at(),
        capacity: before.capacity(),
    };
    assert_eq!(
        Event::try_new(event, expected, capacity(47)),
        Ok(moved.clone())
    );
    assert_eq!(seats[0], EventSeats::from(&moved));
    assert_eq!(bench.history(user).await[0].id, booking);
    bench.book(user, event, 1).await;
    bench.assert_adds_up(event).await;
}

pub async fn the_name_of_a_deleted_event_is_free(bench: Bench) {
    let first = ensure(&bench, people(), programme()).await;
    bench.delete(first[0].event_id).await;
    let second = ensure(&bench, people(), programme()).await;
    assert_ne!(second[0].event_id, first[0].event_id);
    assert_eq!(second[1], first[1]);
    assert_eq!(bench.event_list(true).await.len(), 2);
    bench.assert_adds_up(second[0].event_id).await;
}

pub async fn what_is_asked_for_twice_is_made_once(bench: Bench) {
    let users = [people(), people()].concat();
    let events = [programme(), programme()].concat();
    let seats = ensure(&bench, users, events).await;
    assert_eq!(seats.len(), 4);
    assert_eq!(seats[..2], seats[2..]);
    assert_eq!(bench.user_list().await.len(), 2);
    assert_eq!(bench.event_list(false).await.len(), 2);
}

pub async fn nothing_asked_for_is_nothing_made(bench: Bench) {
    assert_eq!(ensure(&bench, vec![], vec![]).await, []);
    assert_eq!(bench.user_list().await, []);
    assert_eq!(bench.event_list(false).await, []);
}

pub async fn demo_names_of_every_script_are_kept_and_found_again(bench: Bench) {
    let events: Vec<_> = odd_texts()
        .iter()
        .map(|text| details(text, past(), 5))
        .collect();
    let seats = ensure(&bench, vec![], events.clone()).await;
    for (seats, wanted) in seats.iter().zip(&events) {
        assert_eq!(*bench.find_event(seats.event_id).await.name(), wanted.name);
    }
    assert_eq!(ensure(&bench, vec![], events).await, seats);
}

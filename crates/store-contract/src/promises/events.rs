//! Publishing and changing events.

use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{ChangedEvent, Event, EventChange, PublishEvent};
use domain::ports::{BookError, ChangeEventError};
use domain::rules::CapacityBelowConfirmed;

use crate::Bench;
use crate::compare::assert_matches;
use crate::parallel::parallel;
use crate::values::{
    capacity, details, future, later, name, no_event, odd_texts, past, venue, year,
};

async fn publish(bench: &Bench, details: &PublishEvent) -> Event {
    let event = bench.events().publish(details.clone()).await;
    event.expect("published")
}

fn tech_talk() -> PublishEvent {
    PublishEvent {
        venue: Some(venue("Hall B")),
        ..details("Tech Talk", future(), 50)
    }
}

pub async fn an_event_reads_back_as_published_with_all_seats_free(bench: Bench) {
    let nowhere = PublishEvent {
        venue: None,
        ..tech_talk()
    };
    for details in [tech_talk(), nowhere] {
        let event = publish(&bench, &details).await;
        let expected = Event::try_new(event.id(), details.clone(), details.capacity);
        assert_eq!(Ok(&event), expected.as_ref());
        assert_eq!(bench.find_event(event.id()).await, event);
        bench.assert_adds_up(event.id()).await;
    }
}

pub async fn two_events_may_be_alike_in_everything_but_their_id(bench: Bench) {
    let (one, two) = (
        publish(&bench, &tech_talk()).await,
        publish(&bench, &tech_talk()).await,
    );
    assert_ne!(one.id(), two.id());
    assert_eq!(bench.event_list(false).await.len(), 2);
}

pub async fn an_event_may_have_no_seats_or_as_many_as_there_are_numbers(bench: Bench) {
    let user = bench.user().await;
    let (none, most) = (bench.event(0).await, bench.event(i32::MAX.into()).await);
    let refused = bench.try_book(user, none, 1).await;
    assert_matches!(refused, Err(BookError::NotEnoughSeats { seats_left, .. }) if seats_left.get() == 0);
    bench.book(user, most, i32::MAX.into()).await;
    assert_eq!(bench.seats_left(most).await, 0);
    for event in [none, most] {
        bench.assert_adds_up(event).await;
    }
}

pub async fn names_and_venues_of_every_script_are_kept(bench: Bench) {
    for text in odd_texts() {
        let published = PublishEvent {
            venue: Some(venue(&text)),
            ..details(&text, future(), 1)
        };
        let event = publish(&bench, &published).await;
        assert_eq!(
            (event.name(), event.venue()),
            (&published.name, published.venue.as_ref())
        );
        assert_eq!(bench.find_event(event.id()).await, event);

        let plain = bench.event(1).await;
        let change = EventChange {
            name: Some(name(&text)),
            venue: Some(venue(&text)),
            ..EventChange::default()
        };
        let changed = bench.change(plain, change).await.expect("changed").event;
        assert_eq!(
            (changed.name(), changed.venue()),
            (event.name(), event.venue())
        );
        assert_eq!(bench.find_event(plain).await, changed);
    }
}

pub async fn times_keep_their_microseconds_through_all_years(bench: Bench) {
    let micro = TimeDelta::microseconds(1);
    for start_at in [
        year(0),
        year(1) - micro,
        year(1969) + micro,
        past() - micro,
        future() + TimeDelta::microseconds(123_456),
        year(10_000) - micro,
    ] {
        let event = publish(&bench, &details("Any time", start_at, 1)).await;
        assert_eq!(event.start_at(), start_at);
        assert_eq!(bench.find_event(event.id()).await.start_at(), start_at);
        let moved = bench.event(1).await;
        bench.start_at(moved, start_at).await;
        assert_eq!(bench.find_event(moved).await.start_at(), start_at);
    }
}

pub async fn a_time_finer_than_the_store_keeps_is_answered_as_it_is_kept(bench: Bench) {
    for nanoseconds in [1, 499, 500, 501, 999] {
        let start_at: DateTime<Utc> = future() + TimeDelta::nanoseconds(nanoseconds);
        let event = publish(&bench, &details("Nano", start_at, 1)).await;
        assert_eq!(bench.find_event(event.id()).await, event, "published");
        let change = EventChange {
            start_at: Some(start_at + TimeDelta::seconds(1)),
            ..EventChange::default()
        };
        let changed = bench.change(event.id(), change).await.expect("changed");
        assert_eq!(bench.find_event(event.id()).await, changed.event, "changed");
    }
}

pub async fn a_change_of_nothing_changes_nothing(bench: Bench) {
    let event = publish(&bench, &tech_talk()).await;
    let user = bench.user().await;
    bench.book(user, event.id(), 3).await;
    let event = bench.find_event(event.id()).await;
    let changed = bench.change(event.id(), EventChange::default()).await;
    let expected = ChangedEvent {
        event: event.clone(),
        seats_gained: 0,
    };
    assert_eq!(changed.expect("nothing to refuse"), expected);
    assert_eq!(bench.find_event(event.id()).await, event);
}

pub async fn each_detail_changes_alone(bench: Bench) {
    let bystander = publish(&bench, &tech_talk()).await;
    let event_id = publish(&bench, &tech_talk()).await.id();
    let mut expected = tech_talk();
    let changes = [
        EventChange {
            name: Some(name("Art Expo")),
            ..EventChange::default()
        },
        EventChange {
            venue: Some(venue("Gallery C")),
            ..EventChange::default()
        },
        EventChange {
            start_at: Some(later(7)),
            ..EventChange::default()
        },
        EventChange {
            capacity: Some(capacity(60)),
            ..EventChange::default()
        },
    ];
    for change in changes {
        expected.name = change.name.clone().unwrap_or(expected.name);
        expected.venue = change.venue.clone().or(expected.venue);
        expected.start_at = change.start_at.unwrap_or(expected.start_at);
        expected.capacity = change.capacity.unwrap_or(expected.capacity);
        let changed = bench.change(event_id, change).await.expect("changed").event;
        let wanted = Event::try_new(event_id, expected.clone(), expected.capacity);
        assert_eq!(Ok(&changed), wanted.as_ref());
        assert_eq!(bench.find_event(event_id).await, changed);
    }
    assert_eq!(bench.find_event(bystander.id()).await, bystander);
}

pub async fn a_resize_keeps_the_confirmed_seats_and_says_what_was_gained(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.book(user, event, 3).await;
    let most = i64::from(i32::MAX);
    for (seats, left, gained) in [
        (10, 7, 5),
        (4, 1, -6),
        (3, 0, -1),
        (3, 0, 0),
        (most, most - 3, most - 3),
        (3, 0, 3 - most),
    ] {
        let changed = bench.resize(event, seats).await.expect("resized");
        assert_eq!(i64::from(changed.event.seats_available().get()), left);
        assert_eq!(changed.seats_gained, gained, "resized to {seats}");
        assert_eq!(bench.find_event(event).await, changed.event);
        bench.assert_adds_up(event).await;
    }
}

pub async fn a_resize_below_the_confirmed_seats_is_refused_and_changes_nothing(bench: Bench) {
    let (user, event_id) = (bench.user().await, bench.event(5).await);
    bench.book(user, event_id, 2).await;
    let last = bench.book(user, event_id, 1).await;
    let before = bench.find_event(event_id).await;
    for seats in [0, 2] {
        let change = EventChange {
            name: Some(name("Renamed")),
            venue: Some(venue("Elsewhere")),
            start_at: Some(past()),
            capacity: Some(capacity(seats)),
        };
        let refused = bench.change(event_id, change).await;
        assert_matches!(
            refused,
            Err(ChangeEventError::CapacityBelowConfirmed(CapacityBelowConfirmed { confirmed_seats }))
                if confirmed_seats.get() == 3
        );
        assert_eq!(bench.find_event(event_id).await, before);
    }
    bench.cancel(last).await;
    bench.resize(event_id, 2).await.expect("2 are confirmed");
    bench.assert_adds_up(event_id).await;
}

pub async fn seats_that_a_resize_added_are_sold_and_those_it_took_are_not(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(1).await);
    bench.book(user, event, 1).await;
    bench.resize(event, 3).await.expect("resized");
    bench.book(user, event, 1).await;
    bench.resize(event, 2).await.expect("resized");
    let refused = bench.try_book(user, event, 1).await;
    assert_matches!(refused, Err(BookError::NotEnoughSeats { seats_left, .. }) if seats_left.get() == 0);
    bench.assert_adds_up(event).await;
}

pub async fn an_event_that_is_unknown_or_deleted_is_not_changed(bench: Bench) {
    let (user, deleted) = (bench.user().await, bench.event(5).await);
    bench.book(user, deleted, 3).await;
    bench.delete(deleted).await;
    for event in [deleted, no_event()] {
        // Not found comes first: what the event had confirmed is nobody's business.
        for seats in [0, 10] {
            let refused = bench.resize(event, seats).await;
            assert_matches!(refused, Err(ChangeEventError::EventNotFound(id)) if id == event);
        }
        let refused = bench.change(event, EventChange::default()).await;
        assert_matches!(refused, Err(ChangeEventError::EventNotFound(id)) if id == event);
    }
}

pub async fn an_event_that_is_moved_to_the_past_sells_nothing_until_moved_back(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.start_at(event, past()).await;
    let refused = bench.try_book(user, event, 1).await;
    assert_matches!(refused, Err(BookError::EventStarted(id)) if id == event);
    bench.start_at(event, future()).await;
    bench.book(user, event, 1).await;
    bench.assert_adds_up(event).await;
}

pub async fn an_event_that_has_started_can_still_be_changed(bench: Bench) {
    let event = bench.event_at(past(), 5).await;
    let changed = bench.resize(event, 7).await.expect("resized");
    assert_eq!(changed.seats_gained, 2);
    assert_eq!(bench.find_event(event).await, changed.event);
}

pub async fn parallel_resizes_add_up(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(40).await);
    bench.book(user, event, 20).await;
    let answers = parallel(16, |number| {
        let bench = bench.clone();
        // Some of them are below the confirmed seats.
        async move { bench.resize(event, 15 + number as i64).await }
    })
    .await;
    let mut gained = 0;
    let mut sizes = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(changed) => {
                gained += changed.seats_gained;
                assert_eq!(changed.event.capacity(), capacity(15 + number as i64));
                sizes.push(changed.event.capacity());
            }
            Err(refused) => {
                assert_matches!(refused, ChangeEventError::CapacityBelowConfirmed(_));
                assert!(number < 5, "{number}");
            }
        }
    }
    assert_eq!(sizes.len(), 11);
    let event = bench.find_event(event).await;
    assert!(sizes.contains(&event.capacity()));
    assert_eq!(i64::from(event.seats_available().get()), 20 + gained);
    bench.assert_adds_up(event.id()).await;
}

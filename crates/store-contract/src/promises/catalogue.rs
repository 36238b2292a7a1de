//! Listing events and their seats.

use domain::model::{Event, EventSeats, Listing, Page, Pointed, Timeline};
use domain::ports::FindEventError;

use crate::Bench;
use crate::compare::assert_matches;
use crate::paging::{assert_every_page_size, walk};
use crate::values::{first_place, future, last_place, later, limit, no_event, past, year};

async fn page(bench: &Bench, upcoming_only: bool, page: Page<Timeline>) -> Listing<Event> {
    let listing = bench.catalogue().list(upcoming_only, page).await;
    listing.expect("the events")
}

async fn upcoming_seats(bench: &Bench, after: Option<Timeline>, max: usize) -> Vec<EventSeats> {
    let seats = bench.catalogue().seats_of_upcoming(after, max).await;
    seats.expect("the seats")
}

/// Started and upcoming events, several at the same time, published in an
/// order that is not the list's. In the order of the list.
async fn programme(bench: &Bench) -> Vec<Event> {
    let starts = [
        later(9),
        past(),
        later(1),
        later(9),
        year(1),
        later(5),
        past(),
        later(9),
    ];
    let mut events = Vec::new();
    for start_at in starts {
        let event = bench.event_at(start_at, 5).await;
        events.push(bench.find_event(event).await);
    }
    events.sort_by_key(|event| (event.start_at(), event.id()));
    events
}

pub async fn an_event_that_is_unknown_is_not_found(bench: Bench) {
    bench.event(1).await;
    let found = bench.catalogue().find(no_event()).await;
    assert_matches!(found, Err(FindEventError::EventNotFound(id)) if id == no_event());
    let seats = bench.catalogue().seats_of(no_event()).await;
    assert_eq!(seats.expect("an answer"), None);
}

pub async fn an_empty_catalogue_lists_nothing(bench: Bench) {
    for upcoming_only in [false, true] {
        let listing = page(&bench, upcoming_only, Page::first(limit(1))).await;
        assert_eq!((listing.entries, listing.next), (vec![], None));
    }
    assert_eq!(upcoming_seats(&bench, None, 10).await, []);
}

pub async fn events_are_listed_by_their_beginning_and_then_by_id(bench: Bench) {
    let events = programme(&bench).await;
    assert_every_page_size(&events, |wanted| page(&bench, false, wanted)).await;
}

pub async fn the_upcoming_list_leaves_out_what_has_started(bench: Bench) {
    let mut events = programme(&bench).await;
    events.retain(|event| event.start_at() > past());
    assert_eq!(events.len(), 5);
    assert_every_page_size(&events, |wanted| page(&bench, true, wanted)).await;
}

pub async fn a_list_shows_the_seats_left_and_the_changes_made(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.book(user, event, 2).await;
    bench.resize(event, 9).await.expect("resized");
    let events = [bench.find_event(event).await];
    assert_eq!(events[0].seats_available().get(), 7);
    for upcoming_only in [false, true] {
        assert_eq!(bench.event_list(upcoming_only).await, events);
    }
}

pub async fn an_event_that_moves_changes_its_place_in_the_list(bench: Bench) {
    let (one, two) = (bench.event(1).await, bench.event(1).await);
    bench.start_at(one, later(5)).await;
    let ids: Vec<_> = bench.event_list(true).await.iter().map(Event::id).collect();
    assert_eq!(ids, [two, one]);
    bench.start_at(two, past()).await;
    let ids: Vec<_> = bench.event_list(true).await.iter().map(Event::id).collect();
    assert_eq!(ids, [one]);
    let ids: Vec<_> = bench
        .event_list(false)
        .await
        .iter()
        .map(Event::id)
        .collect();
    assert_eq!(ids, [two, one]);
}

pub async fn deletions_between_pages_neither_repeat_nor_skip_what_is_left(bench: Bench) {
    let mut ids = Vec::new();
    for _ in 0..8 {
        // All at the same time: only the ids tell them apart.
        ids.push(bench.event(1).await);
    }
    ids.sort();
    for upcoming_only in [false, true] {
        let before = bench.event_list(upcoming_only).await;
        let wanted = Page::first(limit(before.len() / 2));
        let first = page(&bench, upcoming_only, wanted).await;
        let place = first.next.expect("there is more");
        // The entry that the place names, and one on either side of it.
        let half = before.len() / 2;
        for gone in [half - 2, half - 1, half] {
            bench.delete(before[gone].id()).await;
        }
        let wanted = Page {
            limit: limit(100),
            after: Some(place),
        };
        let rest = page(&bench, upcoming_only, wanted).await;
        assert_eq!(rest.entries, before[half + 1..]);
        assert_eq!(rest.next, None);
    }
}

pub async fn any_place_in_the_list_of_events_is_accepted(bench: Bench) {
    let events = programme(&bench).await;
    let upcoming: Vec<_> = events
        .iter()
        .filter(|event| event.start_at() > past())
        .cloned()
        .collect();
    // Between two events that begin at the same time, and where nothing is.
    let nine = events[events.len() - 2].cursor();
    for (after, of_all, of_upcoming) in [
        (first_place(), 8, 5),
        (last_place(), 0, 0),
        (
            Timeline {
                at: past(),
                id: i64::MAX,
            },
            5,
            5,
        ),
        (
            Timeline {
                at: year(2001),
                id: 0,
            },
            5,
            5,
        ),
        (
            Timeline {
                at: later(5),
                id: i64::MIN,
            },
            4,
            4,
        ),
        (
            Timeline {
                at: later(5),
                id: i64::MAX,
            },
            3,
            3,
        ),
        (
            Timeline {
                at: later(6),
                id: 0,
            },
            3,
            3,
        ),
        (nine, 1, 1),
    ] {
        let wanted = Page {
            limit: limit(100),
            after: Some(after),
        };
        let listing = page(&bench, false, wanted).await;
        assert_eq!(
            listing.entries,
            events[events.len() - of_all..],
            "{after:?}"
        );
        assert_eq!(listing.next, None);
        let behind = &upcoming[upcoming.len() - of_upcoming..];
        let listing = page(&bench, true, wanted).await;
        assert_eq!(listing.entries, behind, "{after:?}");
        assert_eq!(listing.next, None);
        let seats: Vec<_> = behind.iter().map(EventSeats::from).collect();
        assert_eq!(
            upcoming_seats(&bench, Some(after), 100).await,
            seats,
            "{after:?}"
        );
    }
}

pub async fn seats_of_upcoming_events_come_in_order_and_in_pieces(bench: Bench) {
    let user = bench.user().await;
    let mut events = programme(&bench).await;
    events.retain(|event| event.start_at() > past());
    for (number, event) in events.iter_mut().enumerate().skip(1) {
        bench.book(user, event.id(), number as i64).await;
        *event = bench.find_event(event.id()).await;
    }
    let expected: Vec<_> = events.iter().map(EventSeats::from).collect();
    for events_max in [1, 2, 5, 6, 500] {
        let mut seats: Vec<EventSeats> = Vec::new();
        loop {
            let after = seats.last().map(|last| Timeline {
                at: last.start_at,
                id: last.event_id.get(),
            });
            let piece = upcoming_seats(&bench, after, events_max).await;
            assert!(piece.len() <= events_max);
            if piece.is_empty() {
                break;
            }
            seats.extend(piece);
        }
        assert_eq!(seats, expected, "{events_max} at once");
    }
    assert_eq!(upcoming_seats(&bench, None, 0).await, []);
}

pub async fn seats_of_one_event_are_told_before_and_after_it_started(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.book(user, event, 2).await;
    for start_at in [future(), past()] {
        bench.start_at(event, start_at).await;
        let seats = bench.catalogue().seats_of(event).await.expect("an answer");
        let expected = EventSeats::from(&bench.find_event(event).await);
        assert_eq!(seats, Some(expected));
        assert_eq!(
            (expected.seats_available.get(), expected.start_at),
            (3, start_at)
        );
    }
}

pub async fn a_long_catalogue_is_walked_page_by_page(bench: Bench) {
    for number in 0..101 {
        bench.event_at(later(number % 7), 1).await;
    }
    let mut events = bench.event_list(false).await;
    assert_eq!(events.len(), 101);
    assert!(events.is_sorted_by_key(|event| (event.start_at(), event.id())));
    bench.delete(events.remove(50).id()).await;
    // Exactly one full page.
    let listing = page(&bench, true, Page::first(limit(100))).await;
    assert_eq!((listing.entries.len(), listing.next), (100, None));
    for entries in [7, 50, 99] {
        let walked = walk(limit(entries), |wanted| page(&bench, true, wanted)).await;
        assert_eq!(walked, events);
    }
}

//! Reading bookings, a user's history and an event's list.

use domain::model::{BookingStatus, EventId, Page, Pointed, Timeline, UserId};
use domain::ports::{EventBookingsError, FindBookingError, HistoryError};

use crate::Bench;
use crate::compare::assert_matches;
use crate::paging::assert_every_page_size;
use crate::values::{
    first_place, last_place, limit, new_user, no_booking, no_event, nobody, odd_texts,
};

/// Two users and two events with bookings crosswise: seven of the first user,
/// six for the first event.
async fn busy_box_office(bench: &Bench) -> (UserId, EventId) {
    let (alice, bob) = (bench.user().await, bench.user().await);
    let (one, two) = (bench.event(100).await, bench.event(100).await);
    for (user, event) in [
        (alice, one),
        (bob, one),
        (alice, two),
        (alice, one),
        (alice, two),
        (bob, two),
        (alice, one),
        (bob, one),
        (alice, two),
        (alice, one),
    ] {
        bench.book(user, event, 2).await;
    }
    (alice, one)
}

pub async fn a_booking_that_never_was_is_not_found(bench: Bench) {
    busy_box_office(&bench).await;
    let found = bench.records().find(no_booking()).await;
    assert_matches!(found, Err(FindBookingError::BookingNotFound(id)) if id == no_booking());
}

pub async fn the_history_of_an_unknown_user_is_not_found_and_of_a_new_one_empty(bench: Bench) {
    busy_box_office(&bench).await;
    for page in [
        Page::first(limit(5)),
        Page {
            limit: limit(5),
            after: Some(last_place()),
        },
    ] {
        let refused = bench.records().of_user(nobody(), page).await;
        assert_matches!(refused, Err(HistoryError::UserNotFound(id)) if id == nobody());
        let user = bench.user().await;
        let listing = bench.history_page(user, page).await;
        assert_eq!((listing.entries, listing.next), (vec![], None));
    }
}

pub async fn the_list_of_an_unknown_event_is_not_found_and_of_a_new_one_empty(bench: Bench) {
    busy_box_office(&bench).await;
    for page in [
        Page::first(limit(5)),
        Page {
            limit: limit(5),
            after: Some(last_place()),
        },
    ] {
        let refused = bench.records().of_event(no_event(), page).await;
        assert_matches!(refused, Err(EventBookingsError::EventNotFound(id)) if id == no_event());
        let event = bench.event(5).await;
        let listing = bench.attendance_page(event, page).await;
        assert_eq!((listing.entries, listing.next), (vec![], None));
    }
}

pub async fn histories_and_lists_are_newest_first_and_everyones_own(bench: Bench) {
    let (user, event) = busy_box_office(&bench).await;
    let history = bench.history(user).await;
    assert_eq!(history.len(), 7);
    assert!(
        history.is_sorted_by_key(|booking| std::cmp::Reverse((booking.created_at, booking.id)))
    );
    assert!(history.iter().all(|booking| booking.user_id == user));
    assert_every_page_size(&history, |page| bench.history_page(user, page)).await;

    let bookings = bench.attendance(event).await;
    assert_eq!(bookings.len(), 6);
    assert!(bookings.is_sorted_by_key(|attended| std::cmp::Reverse(attended.cursor())));
    assert!(
        bookings
            .iter()
            .all(|attended| attended.booking.event_id == event)
    );
    assert_every_page_size(&bookings, |page| bench.attendance_page(event, page)).await;
    for attended in bookings {
        assert_eq!(
            bench.find_booking(attended.booking.id).await,
            attended.booking
        );
    }
}

pub async fn bookings_of_the_same_time_are_listed_by_falling_id(bench: Bench) {
    let (user, event) = busy_box_office(&bench).await;
    bench.level_times().await;
    let history = bench.history(user).await;
    assert_eq!(history.len(), 7);
    assert!(
        history
            .windows(2)
            .all(|two| two[0].created_at == two[1].created_at)
    );
    assert!(history.is_sorted_by_key(|booking| std::cmp::Reverse(booking.id)));
    assert_every_page_size(&history, |page| bench.history_page(user, page)).await;
    let bookings = bench.attendance(event).await;
    assert_eq!(bookings.len(), 6);
    assert!(bookings.is_sorted_by_key(|attended| std::cmp::Reverse(attended.booking.id)));
    assert_every_page_size(&bookings, |page| bench.attendance_page(event, page)).await;
}

pub async fn cancelled_bookings_keep_their_place(bench: Bench) {
    let (user, event) = busy_box_office(&bench).await;
    let (history, bookings) = (bench.history(user).await, bench.attendance(event).await);
    bench.cancel(history[3].id).await;
    let mut expected = history.clone();
    expected[3].status = BookingStatus::Cancelled;
    assert_eq!(bench.history(user).await, expected);
    let ids: Vec<_> = bench.attendance(event).await;
    let ids: Vec<_> = ids.iter().map(|attended| attended.booking.id).collect();
    let before: Vec<_> = bookings
        .iter()
        .map(|attended| attended.booking.id)
        .collect();
    assert_eq!(ids, before);
}

pub async fn cancellations_deletions_and_new_bookings_between_pages_disturb_no_walk(bench: Bench) {
    let (user, event) = busy_box_office(&bench).await;
    let (history, bookings) = (bench.history(user).await, bench.attendance(event).await);
    let first = bench.history_page(user, Page::first(limit(3))).await;
    let list = bench.attendance_page(event, Page::first(limit(3))).await;
    bench.cancel(history[2].id).await;
    bench.book(user, event, 1).await;
    bench.delete(event).await;
    bench
        .maintenance()
        .finish_deletions(3)
        .await
        .expect("marked");

    let rest = Page {
        limit: limit(100),
        after: first.next,
    };
    let rest = bench.history_page(user, rest).await;
    let ids: Vec<_> = rest.entries.iter().map(|booking| booking.id).collect();
    let expected: Vec<_> = history[3..].iter().map(|booking| booking.id).collect();
    assert_eq!((ids, rest.next), (expected, None));
    let rest = Page {
        limit: limit(100),
        after: list.next,
    };
    let rest = bench.attendance_page(event, rest).await;
    let ids: Vec<_> = rest
        .entries
        .iter()
        .map(|attended| attended.booking.id)
        .collect();
    let expected: Vec<_> = bookings[3..]
        .iter()
        .map(|attended| attended.booking.id)
        .collect();
    assert_eq!((ids, rest.next), (expected, None));
}

pub async fn any_place_in_a_list_of_bookings_is_accepted(bench: Bench) {
    let (user, event) = busy_box_office(&bench).await;
    let history = bench.history(user).await;
    let bookings = bench.attendance(event).await;
    let second = history[1].created_at;
    for (after, left) in [
        (last_place(), 7),
        (first_place(), 0),
        (
            Timeline {
                at: second,
                id: i64::MAX,
            },
            6,
        ),
        (
            Timeline {
                at: second,
                id: i64::MIN,
            },
            5,
        ),
    ] {
        let page = Page {
            limit: limit(100),
            after: Some(after),
        };
        let listing = bench.history_page(user, page).await;
        assert_eq!(listing.entries, history[7 - left..], "{after:?}");
        assert_eq!(listing.next, None);
        let expected: Vec<_> = bookings
            .iter()
            .filter(|entry| entry.cursor() < after)
            .cloned()
            .collect();
        let listing = bench.attendance_page(event, page).await;
        assert_eq!(listing.entries, expected, "{after:?}");
    }
}

pub async fn an_events_list_shows_who_booked(bench: Bench) {
    let event = bench.event(100).await;
    let mut expected = Vec::new();
    let names = odd_texts();
    let names = names.iter().map(|name| Some(name.as_str()));
    for (number, name) in names.chain([None]).enumerate() {
        let email = format!("jos\u{e9}+{number}@उदाहरण.example");
        let user = bench.register(new_user(&email, name)).await;
        let booking = bench.book(user.id, event, 1).await;
        expected.push((booking, user.email, user.name));
    }
    let mut shown: Vec<_> = bench
        .attendance(event)
        .await
        .into_iter()
        .map(|attended| (attended.booking.id, attended.user_email, attended.user_name))
        .collect();
    shown.reverse();
    assert_eq!(shown, expected);
}

pub async fn a_long_history_is_walked_page_by_page(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(1000).await);
    for _ in 0..200 {
        bench.book(user, event, 1).await;
    }
    let history = bench.history(user).await;
    assert_eq!(history.len(), 200);
    // Two exactly full pages, and nothing behind them.
    let first = bench.history_page(user, Page::first(limit(100))).await;
    let second = Page {
        limit: limit(100),
        after: first.next,
    };
    let second = bench.history_page(user, second).await;
    assert_eq!((second.entries.len(), second.next), (100, None));
    assert_eq!([first.entries, second.entries].concat(), history);
    assert_eq!(bench.attendance(event).await.len(), 200);
    bench.assert_adds_up(event).await;
}

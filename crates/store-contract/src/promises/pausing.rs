//! Pausing sales: nothing is sold, and everything else goes on.

use domain::model::{BookingStatus, EventId, Page};
use domain::ports::{BookError, PauseError};

use crate::Bench;
use crate::compare::assert_matches;
use crate::paging::assert_every_page_size;
use crate::parallel::parallel;
use crate::values::{first_place, last_place, limit, no_event, nobody, past};

/// Fails unless a booking is refused because sales are paused.
async fn assert_paused(bench: &Bench, event: EventId) {
    let user = bench.user().await;
    let refused = bench.try_book(user, event, 1).await;
    assert_matches!(refused, Err(BookError::SalesPaused(id)) if id == event);
}

pub async fn a_pause_has_a_time_that_stays(bench: Bench) {
    let (event, other) = (bench.event(3).await, bench.event(3).await);
    assert_eq!(bench.paused().await, (None, vec![]));
    let paused_at = bench.pause(event).await;
    let all_paused_at = bench.pause_all().await;
    assert!(paused_at <= all_paused_at, "by the store's clock");
    for _ in 0..2 {
        assert_eq!(bench.pause(event).await, paused_at);
        assert_eq!(bench.pause_all().await, all_paused_at);
        let (all, events) = bench.paused().await;
        assert_eq!(all, Some(all_paused_at));
        let events: Vec<_> = events.iter().map(|e| (e.event_id, e.paused_at)).collect();
        assert_eq!(events, [(event, paused_at)]);
    }
    for _ in 0..2 {
        bench.resume(event).await;
        bench.resume_all().await;
        assert_eq!(bench.paused().await, (None, vec![]));
    }
    assert!(bench.pause(event).await >= all_paused_at, "another pause");
    assert!(bench.pause(other).await >= all_paused_at);
    assert!(bench.pause_all().await >= all_paused_at);
}

pub async fn a_paused_event_sells_nothing_until_it_is_resumed(bench: Bench) {
    let user = bench.user().await;
    let (event, other) = (bench.event(3).await, bench.event(3).await);
    bench.book(user, event, 1).await;
    let before = bench.find_event(event).await;
    bench.pause(event).await;
    for _ in 0..2 {
        assert_paused(&bench, event).await;
    }
    assert_eq!(bench.find_event(event).await, before);
    assert_eq!(bench.attendance(event).await.len(), 1);
    bench.assert_adds_up(event).await;
    bench.book(user, other, 3).await;
    bench.resume(event).await;
    bench.book(user, event, 2).await;
    bench.assert_adds_up(event).await;
}

pub async fn a_pause_of_all_stops_every_event_also_later_ones(bench: Bench) {
    let user = bench.user().await;
    let (event, other) = (bench.event(3).await, bench.event(3).await);
    bench.pause_all().await;
    let later = bench.event(3).await;
    for event in [event, other, later] {
        assert_paused(&bench, event).await;
        bench.assert_adds_up(event).await;
    }
    bench.resume_all().await;
    for event in [event, other, later] {
        bench.book(user, event, 3).await;
    }
}

pub async fn an_event_sells_when_neither_it_nor_everything_is_paused(bench: Bench) {
    let user = bench.user().await;
    let (event, other) = (bench.event(3).await, bench.event(3).await);
    bench.pause(event).await;
    bench.pause_all().await;
    // It does not resume the others, nor is it resumed while all are paused.
    bench.resume(event).await;
    assert_paused(&bench, event).await;
    bench.pause(event).await;
    bench.resume_all().await;
    assert_paused(&bench, event).await;
    bench.book(user, other, 1).await;
    bench.resume(event).await;
    bench.book(user, event, 1).await;
}

pub async fn a_pause_is_told_after_everything_but_the_seats(bench: Bench) {
    let user = bench.user().await;
    let (started, sold_out) = (bench.event_at(past(), 3).await, bench.event(1).await);
    let deleted = bench.event(3).await;
    bench.book(user, sold_out, 1).await;
    bench.pause_all().await;
    for event in [started, sold_out, deleted] {
        bench.pause(event).await;
    }
    bench.delete(deleted).await;
    let unknown = bench.try_book(nobody(), sold_out, 1).await;
    assert_matches!(unknown, Err(BookError::UserNotFound(_)));
    for event in [no_event(), deleted] {
        let unknown = bench.try_book(user, event, 1).await;
        assert_matches!(unknown, Err(BookError::EventNotFound(id)) if id == event);
    }
    let late = bench.try_book(user, started, 1).await;
    assert_matches!(late, Err(BookError::EventStarted(id)) if id == started);
    assert_paused(&bench, sold_out).await;
}

pub async fn a_bound_key_is_answered_in_spite_of_a_pause(bench: Bench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    let first = bench.try_book_once(user, event, 2, "key").await;
    let first = first.expect("booked");
    bench.pause(event).await;
    bench.pause_all().await;
    let again = bench.try_book_once(user, event, 2, "key").await;
    let again = again.expect("repeated");
    assert_eq!((again.booking_id, again.replayed), (first.booking_id, true));
    let reused = bench.try_book_once(user, event, 1, "key").await;
    assert_matches!(reused, Err(BookError::KeyReused(_)));
    let fresh = bench.try_book_once(user, event, 1, "another").await;
    assert_matches!(fresh, Err(BookError::SalesPaused(id)) if id == event);
    assert_eq!(bench.history(user).await.len(), 1);
    bench.assert_adds_up(event).await;
}

pub async fn a_refusal_of_what_is_paused_leaves_the_key_free(bench: Bench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    for pause in [true, false] {
        if pause {
            bench.pause(event).await;
        } else {
            bench.pause_all().await;
        }
        let name = format!("key {pause}");
        let refused = bench.try_book_once(user, event, 2, &name).await;
        assert_matches!(refused, Err(BookError::SalesPaused(id)) if id == event);
        bench.resume(event).await;
        bench.resume_all().await;
        let booked = bench.try_book_once(user, event, 1, &name).await;
        assert!(!booked.expect("booked").replayed);
    }
    assert_eq!(bench.seats_left(event).await, 3);
}

pub async fn all_else_goes_on_while_sales_are_paused(bench: Bench) {
    let user = bench.user().await;
    let event = bench.event(5).await;
    let (kept, cancelled) = (
        bench.book(user, event, 2).await,
        bench.book(user, event, 3).await,
    );
    bench.pause(event).await;
    bench.pause_all().await;
    let returned = bench.cancel(cancelled).await.seats_returned;
    assert_eq!(returned.map(|seats| seats.get()), Some(3));
    assert_eq!(bench.cancel(cancelled).await.seats_returned, None);
    bench.resize(event, 4).await.expect("resized");
    assert_eq!(bench.seats_left(event).await, 2);
    assert_eq!(
        bench.find_booking(kept).await.status,
        BookingStatus::Confirmed
    );
    assert_eq!(bench.history(user).await.len(), 2);
    assert_eq!(bench.event_list(true).await.len(), 1);
    bench.assert_adds_up(event).await;
    assert_paused(&bench, event).await;
    bench.delete(event).await;
    assert_eq!(bench.cancel(kept).await.seats_returned, None);
}

pub async fn an_event_that_is_unknown_or_deleted_is_neither_paused_nor_resumed(bench: Bench) {
    let deleted = bench.event(3).await;
    bench.pause(deleted).await;
    bench.delete(deleted).await;
    for event in [no_event(), deleted] {
        let paused = bench.control().pause(event).await;
        assert_matches!(paused, Err(PauseError::EventNotFound(id)) if id == event);
        let resumed = bench.control().resume(event).await;
        assert_matches!(resumed, Err(PauseError::EventNotFound(id)) if id == event);
    }
    assert_eq!(bench.paused().await, (None, vec![]));
}

pub async fn what_is_paused_is_listed_the_latest_first(bench: Bench) {
    let mut paused = Vec::new();
    for number in 0..7 {
        let event = bench.event(3).await;
        if number % 3 != 2 {
            paused.push(event);
        }
    }
    for event in &paused {
        bench.pause(*event).await;
    }
    let (resumed, deleted) = (paused.remove(1), paused.remove(2));
    bench.resume(resumed).await;
    bench.delete(deleted).await;
    paused.reverse();
    let (_, listed) = bench.paused().await;
    let ids: Vec<_> = listed.iter().map(|event| event.event_id).collect();
    assert_eq!(ids, paused);
    for event in &listed {
        assert_eq!(event.name, *bench.find_event(event.event_id).await.name());
    }
    assert_every_page_size(&listed, |page| bench.paused_page(page)).await;
    // Whoever is paused by all others is not in the list.
    bench.pause_all().await;
    assert_eq!(bench.paused().await.1, listed);
}

pub async fn any_place_in_the_list_of_what_is_paused_is_accepted(bench: Bench) {
    let event = bench.event(3).await;
    bench.pause(event).await;
    for (place, found) in [(first_place(), 0), (last_place(), 1)] {
        let page = Page {
            limit: limit(10),
            after: Some(place),
        };
        assert_eq!(bench.paused_page(page).await.entries.len(), found);
    }
}

pub async fn parallel_pauses_have_one_time(bench: Bench) {
    let event = bench.event(3).await;
    let times = parallel(12, |number| {
        let bench = bench.clone();
        async move {
            if number % 2 == 0 {
                bench.pause(event).await
            } else {
                bench.pause_all().await
            }
        }
    })
    .await;
    for (number, time) in times.iter().enumerate() {
        assert_eq!(*time, times[number % 2]);
    }
    let (all, events) = bench.paused().await;
    assert_eq!(all, Some(times[1]));
    assert_eq!(events[0].paused_at, times[0]);
}

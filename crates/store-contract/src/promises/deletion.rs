//! Deleting events, and what is left of them.

use domain::model::{BookingStatus, Page, PageLimit};
use domain::ports::{BookError, DeleteEventError, FindEventError};

use crate::Bench;
use crate::bench::confirmed;
use crate::compare::assert_matches;
use crate::parallel::{parallel, patiently};
use crate::values::no_event;

/// Runs maintenance until nothing is left to mark.
async fn mark_all(bench: &Bench) {
    while bench
        .maintenance()
        .finish_deletions(100)
        .await
        .expect("marked")
        > 0
    {}
}

pub async fn a_deleted_event_is_hidden_everywhere(bench: Bench) {
    let (kept, deleted) = (bench.event(5).await, bench.event(5).await);
    bench.delete(deleted).await;
    let found = bench.catalogue().find(deleted).await;
    assert_matches!(found, Err(FindEventError::EventNotFound(id)) if id == deleted);
    for upcoming_only in [false, true] {
        let ids: Vec<_> = bench.event_list(upcoming_only).await;
        assert_eq!(
            ids.iter().map(|event| event.id()).collect::<Vec<_>>(),
            [kept]
        );
    }
    let seats = bench.catalogue().seats_of(deleted).await;
    assert_eq!(seats.expect("an answer"), None);
    let seats = bench.catalogue().seats_of_upcoming(None, 10).await;
    let ids: Vec<_> = seats
        .expect("an answer")
        .iter()
        .map(|seats| seats.event_id)
        .collect();
    assert_eq!(ids, [kept]);
    bench.assert_adds_up(kept).await;
}

pub async fn a_deleted_event_sells_nothing(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.delete(event).await;
    let refused = bench.try_book(user, event, 1).await;
    assert_matches!(refused, Err(BookError::EventNotFound(id)) if id == event);
    assert_eq!(bench.history(user).await, []);
}

pub async fn an_event_is_deleted_once(bench: Bench) {
    let event = bench.event(5).await;
    bench.delete(event).await;
    for gone in [event, no_event()] {
        let refused = bench.events().delete(gone).await;
        assert_matches!(refused, Err(DeleteEventError::EventNotFound(id)) if id == gone);
    }
}

pub async fn of_parallel_deletions_exactly_one_succeeds(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    bench.book(user, event, 2).await;
    let other = bench.event(5).await;
    bench.book(user, other, 1).await;
    let answers = parallel(8, |_| {
        let bench = bench.clone();
        async move { patiently(|| bench.events().delete(event)).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_matches!(refused, DeleteEventError::EventNotFound(id) if id == event);
    }
    assert_eq!(bench.report().await.0, 1, "its booking left the sum once");
    bench.assert_adds_up(other).await;
}

pub async fn bookings_of_a_deleted_event_read_as_cancelled_before_and_after_marking(bench: Bench) {
    let (alice, bob) = (bench.user().await, bench.user().await);
    let (kept, deleted) = (bench.event(9).await, bench.event(9).await);
    let booking = bench.book(alice, deleted, 2).await;
    let cancelled = bench.book(bob, deleted, 1).await;
    bench.cancel(cancelled).await;
    let other = bench.book(alice, kept, 3).await;
    let before = bench.find_booking(booking).await;
    bench.delete(deleted).await;

    for marked in [false, true] {
        if marked {
            mark_all(&bench).await;
        }
        let found = bench.find_booking(booking).await;
        let mut expected = before.clone();
        expected.status = BookingStatus::Cancelled;
        assert_eq!(found, expected, "nothing but the status changes");
        let history = bench.history(alice).await;
        let statuses: Vec<_> = history
            .iter()
            .map(|booking| (booking.id, booking.status))
            .collect();
        assert_eq!(
            statuses,
            [
                (other, BookingStatus::Confirmed),
                (booking, BookingStatus::Cancelled)
            ]
        );
        let bookings = bench.attendance(deleted).await;
        let ids: Vec<_> = bookings
            .iter()
            .map(|attended| attended.booking.id)
            .collect();
        assert_eq!(ids, [cancelled, booking], "the event's list is still there");
        let bookings = bookings.iter().map(|attended| &attended.booking);
        assert!(confirmed(bookings).is_empty());
        bench.assert_adds_up(kept).await;
    }
}

pub async fn the_list_of_a_deleted_event_without_bookings_is_empty(bench: Bench) {
    let event = bench.event(5).await;
    bench.delete(event).await;
    assert_eq!(bench.attendance(event).await, []);
}

pub async fn figures_of_a_deleted_event_leave_the_report_and_the_sum(bench: Bench) {
    let user = bench.user().await;
    let (kept, deleted) = (bench.event(9).await, bench.event(9).await);
    bench.book(user, kept, 1).await;
    for _ in 0..3 {
        bench.book(user, deleted, 1).await;
    }
    assert_eq!(bench.report().await.0, 4);
    bench.delete(deleted).await;
    for _ in 0..2 {
        let (total, figures) = bench.report().await;
        let ids: Vec<_> = figures.iter().map(|sales| sales.event_id).collect();
        assert_eq!((total, ids), (1, vec![kept]));
        mark_all(&bench).await;
    }
}

pub async fn cancelling_a_booking_of_a_deleted_event_returns_no_seats(bench: Bench) {
    let user = bench.user().await;
    let (kept, event) = (bench.event(9).await, bench.event(9).await);
    bench.book(user, kept, 1).await;
    let (early, late) = (
        bench.book(user, event, 2).await,
        bench.book(user, event, 2).await,
    );
    bench.delete(event).await;
    assert_eq!(bench.cancel(early).await.seats_returned, None);
    mark_all(&bench).await;
    for booking in [early, late] {
        let cancelled = bench.cancel(booking).await;
        assert_eq!(
            (cancelled.event_id, cancelled.seats_returned),
            (event, None)
        );
        let status = bench.find_booking(booking).await.status;
        assert_eq!(status, BookingStatus::Cancelled);
    }
    bench.assert_adds_up(kept).await;
}

pub async fn a_deletion_touches_no_other_event(bench: Bench) {
    let user = bench.user().await;
    let (before, event, behind) = (
        bench.event(5).await,
        bench.event(5).await,
        bench.event(5).await,
    );
    for event in [before, event, behind] {
        bench.book(user, event, 2).await;
    }
    bench.delete(event).await;
    mark_all(&bench).await;
    for event in [before, behind] {
        assert_eq!(bench.seats_left(event).await, 3);
        bench.assert_adds_up(event).await;
    }
    let report = bench.sales().report(Page::first(PageLimit::MAX)).await;
    assert_eq!(report.expect("the report").confirmed_bookings_total, 2);
}

//! Making and cancelling bookings, one at a time.

use domain::model::{Booked, Booking, BookingStatus, Cancelled, EventId, UserId};
use domain::ports::{BookError, CancelError};

use crate::Bench;
use crate::compare::assert_matches;
use crate::values::{no_booking, no_event, nobody, past, seats};

/// Fails unless a refused command has left no trace.
async fn assert_no_trace(bench: &Bench, user: UserId, event: EventId, left: u32) {
    assert_eq!(bench.history(user).await, []);
    assert_eq!(bench.attendance(event).await, []);
    assert_eq!(bench.seats_left(event).await, left);
    bench.assert_adds_up(event).await;
}

pub async fn a_booking_takes_its_seats_and_reads_back(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booked = bench.try_book(user, event, 2).await.expect("booked");
    let expected = Booked {
        booking_id: booked.booking_id,
        user_id: user,
        event_id: event,
        seats: seats(2),
        replayed: false,
    };
    assert_eq!(booked, expected);
    assert_eq!(bench.seats_left(event).await, 3);
    let booking = bench.find_booking(booked.booking_id).await;
    let expected = Booking {
        id: booked.booking_id,
        user_id: user,
        event_id: event,
        seats: seats(2),
        status: BookingStatus::Confirmed,
        created_at: booking.created_at,
    };
    assert_eq!(booking, expected);
    bench.assert_adds_up(event).await;
}

pub async fn a_booking_is_dated_by_the_stores_clock(bench: Bench) {
    let event = bench.event(5).await;
    let before = bench.user().await;
    let booking = bench.book(before, event, 1).await;
    let booking = bench.find_booking(booking).await;
    bench.user().await;
    let users = bench.user_list().await;
    let [after, before] = &users[..] else {
        panic!("{users:?}")
    };
    assert!(
        (before.created_at..=after.created_at).contains(&booking.created_at),
        "{booking:?} was made after {before:?} and before {after:?}"
    );
}

pub async fn a_user_may_book_an_event_many_times(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(3).await);
    let mut bookings = Vec::new();
    for _ in 0..3 {
        bookings.push(bench.book(user, event, 1).await);
    }
    bookings.sort();
    bookings.dedup();
    assert_eq!(bookings.len(), 3);
    assert_eq!(bench.seats_left(event).await, 0);
    bench.assert_adds_up(event).await;
}

pub async fn all_seats_can_be_sold_and_not_one_more(bench: Bench) {
    let (user, late, event) = (bench.user().await, bench.user().await, bench.event(5).await);
    bench.book(user, event, 3).await;
    for (asked, left) in [(3, 2), (i32::MAX.into(), 2)] {
        let refused = bench.try_book(late, event, asked).await;
        assert_matches!(
            refused,
            Err(BookError::NotEnoughSeats { event_id, seats_left, seats_requested })
                if event_id == event && seats_left.get() == left && seats_requested == seats(asked)
        );
    }
    // What was too large for one does not stand in the way of a smaller one.
    bench.book(user, event, 2).await;
    let refused = bench.try_book(late, event, 1).await;
    assert_matches!(refused, Err(BookError::NotEnoughSeats { seats_left, .. }) if seats_left.get() == 0);
    assert_eq!(bench.history(late).await, []);
    bench.assert_adds_up(event).await;
}

pub async fn an_unknown_user_comes_before_everything_about_the_event(bench: Bench) {
    let started = bench.event_at(past(), 5).await;
    let deleted = bench.event(5).await;
    bench.delete(deleted).await;
    let (open, full) = (bench.event(5).await, bench.event(0).await);
    for event in [open, full, started, deleted, no_event()] {
        for refused in [
            bench.try_book(nobody(), event, 1).await,
            bench.try_book_once(nobody(), event, 1, "key").await,
        ] {
            assert_matches!(refused, Err(BookError::UserNotFound(id)) if id == nobody());
        }
    }
    let user = bench.user().await;
    assert_no_trace(&bench, user, open, 5).await;
}

pub async fn an_unknown_or_deleted_event_comes_before_its_beginning_and_its_seats(bench: Bench) {
    let user = bench.user().await;
    let deleted = bench.event_at(past(), 0).await;
    bench.delete(deleted).await;
    for event in [deleted, no_event()] {
        for refused in [
            bench.try_book(user, event, 1).await,
            bench.try_book_once(user, event, 1, "key").await,
        ] {
            assert_matches!(refused, Err(BookError::EventNotFound(id)) if id == event);
        }
    }
    assert_eq!(bench.history(user).await, []);
}

pub async fn a_started_event_comes_before_its_seats(bench: Bench) {
    let user = bench.user().await;
    for capacity in [0, 5] {
        let event = bench.event_at(past(), capacity).await;
        for refused in [
            bench.try_book(user, event, 1).await,
            bench.try_book_once(user, event, 1, "key").await,
        ] {
            assert_matches!(refused, Err(BookError::EventStarted(id)) if id == event);
        }
        assert_no_trace(&bench, user, event, capacity as u32).await;
    }
}

pub async fn a_refusal_leaves_no_trace(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(2).await);
    for _ in 0..3 {
        let refused = bench.try_book(user, event, 3).await;
        assert_matches!(refused, Err(BookError::NotEnoughSeats { seats_left, .. }) if seats_left.get() == 2);
        assert_no_trace(&bench, user, event, 2).await;
    }
}

pub async fn a_booking_takes_seats_of_no_other_event(bench: Bench) {
    let user = bench.user().await;
    let (one, two) = (bench.event(5).await, bench.event(5).await);
    let booking = bench.book(user, one, 4).await;
    assert_eq!(bench.seats_left(two).await, 5);
    bench.book(user, two, 1).await;
    bench.cancel(booking).await;
    assert_eq!(
        (bench.seats_left(one).await, bench.seats_left(two).await),
        (5, 4)
    );
    for event in [one, two] {
        bench.assert_adds_up(event).await;
    }
}

pub async fn a_cancellation_returns_the_seats_once(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booking = bench.book(user, event, 2).await;
    let bystander = bench.book(user, event, 1).await;
    let before = bench.find_booking(booking).await;
    for seats_returned in [Some(seats(2)), None, None] {
        let cancelled = bench.cancel(booking).await;
        let expected = Cancelled {
            booking_id: booking,
            event_id: event,
            seats_returned,
        };
        assert_eq!(cancelled, expected);
        assert_eq!(bench.seats_left(event).await, 4);
        let mut expected = before.clone();
        expected.status = BookingStatus::Cancelled;
        assert_eq!(bench.find_booking(booking).await, expected);
        bench.assert_adds_up(event).await;
    }
    let status = bench.find_booking(bystander).await.status;
    assert_eq!(status, BookingStatus::Confirmed);
    assert_eq!(bench.history(user).await.len(), 2);
}

pub async fn a_booking_that_never_was_cannot_be_cancelled(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(1).await);
    bench.book(user, event, 1).await;
    let refused = bench.bookings().cancel(no_booking()).await;
    assert_matches!(refused, Err(CancelError::BookingNotFound(id)) if id == no_booking());
    assert_eq!(bench.seats_left(event).await, 0);
}

pub async fn returned_seats_are_sold_again(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(1).await);
    for _ in 0..3 {
        let booking = bench.book(user, event, 1).await;
        let refused = bench.try_book(user, event, 1).await;
        assert_matches!(refused, Err(BookError::NotEnoughSeats { .. }));
        bench.cancel(booking).await;
    }
    assert_eq!(bench.history(user).await.len(), 3);
    bench.assert_adds_up(event).await;
}

pub async fn a_booking_of_an_event_that_started_can_be_cancelled(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booking = bench.book(user, event, 2).await;
    bench.start_at(event, past()).await;
    assert_eq!(bench.cancel(booking).await.seats_returned, Some(seats(2)));
    assert_eq!(bench.seats_left(event).await, 5);
    bench.assert_adds_up(event).await;
}

pub async fn seats_returned_after_a_resize_fit_the_new_size(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booking = bench.book(user, event, 3).await;
    bench.resize(event, 3).await.expect("resized");
    bench.cancel(booking).await;
    assert_eq!(bench.seats_left(event).await, 3);
    bench.assert_adds_up(event).await;
}

//! Marking the bookings of deleted events.

use domain::model::{BookingStatus, EventId};

use crate::Bench;
use crate::bench::confirmed;
use crate::parallel::{parallel, patiently};

/// Far more pieces than any of these tests has work for.
const PIECES_MAX: usize = 200;

async fn finish(bench: &Bench, bookings_max: usize) -> usize {
    let marked = patiently(|| bench.maintenance().finish_deletions(bookings_max)).await;
    let marked = marked.expect("marked");
    assert!(marked <= bookings_max, "{marked} of at most {bookings_max}");
    marked
}

/// A deleted event with 5 bookings, one of them cancelled before.
async fn deleted_event(bench: &Bench) -> EventId {
    let (user, event) = (bench.user().await, bench.event(100).await);
    let mut bookings = Vec::new();
    for _ in 0..5 {
        bookings.push(bench.book(user, event, 2).await);
    }
    bench.cancel(bookings[2]).await;
    bench.delete(event).await;
    event
}

pub async fn where_nothing_was_deleted_nothing_is_marked(bench: Bench) {
    assert_eq!(finish(&bench, 10).await, 0);
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booking = bench.book(user, event, 1).await;
    assert_eq!(finish(&bench, 10).await, 0);
    let status = bench.find_booking(booking).await.status;
    assert_eq!(status, BookingStatus::Confirmed);
}

pub async fn deletions_are_finished_in_pieces_of_any_size(bench: Bench) {
    let kept = bench.event(5).await;
    let user = bench.user().await;
    bench.book(user, kept, 2).await;
    for bookings_max in [1, 2, 4, 5, 100] {
        let events = [deleted_event(&bench).await, deleted_event(&bench).await];
        assert!(finish(&bench, bookings_max).await > 0, "there is work");
        let mut pieces = 0;
        while finish(&bench, bookings_max).await > 0 {
            pieces += 1;
            assert!(pieces < PIECES_MAX, "pieces of {bookings_max} never end");
            for event in events {
                let bookings = bench.attendance(event).await;
                assert_eq!(bookings.len(), 5);
                let bookings = bookings.iter().map(|attended| &attended.booking);
                assert!(confirmed(bookings).is_empty());
            }
        }
        assert_eq!(finish(&bench, bookings_max).await, 0, "nothing comes back");
        bench.assert_adds_up(kept).await;
    }
}

pub async fn deletions_are_finished_by_many_at_the_same_time(bench: Bench) {
    let (user, kept) = (bench.user().await, bench.event(100).await);
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(deleted_event(&bench).await);
    }
    parallel(12, |number| {
        let bench = bench.clone();
        async move {
            match number % 3 {
                0 => drop(bench.book(user, kept, 1).await),
                _ => while finish(&bench, 1).await > 0 {},
            }
        }
    })
    .await;
    // Whoever is beside another may pass by what that one has in hand.
    let mut pieces = 0;
    while finish(&bench, 1).await > 0 {
        pieces += 1;
        assert!(pieces < PIECES_MAX);
    }
    for event in events {
        let bookings = bench.attendance(event).await;
        let bookings = bookings.iter().map(|attended| &attended.booking);
        assert!(confirmed(bookings).is_empty());
    }
    assert_eq!(bench.seats_left(kept).await, 96);
    bench.assert_adds_up(kept).await;
}

pub async fn keys_that_are_young_are_kept(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let first = bench.try_book_once(user, event, 1, "key").await;
    let first = first.expect("booked");
    let forgotten = bench.maintenance().forget_keys(100).await;
    assert_eq!(forgotten.expect("looked"), 0);
    let again = bench.try_book_once(user, event, 1, "key").await;
    let again = again.expect("replayed");
    assert_eq!((again.booking_id, again.replayed), (first.booking_id, true));
}

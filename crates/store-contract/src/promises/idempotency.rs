//! Repeating a command under the key of an earlier one.

use domain::model::{Booked, EventId, UserId};
use domain::ports::BookError;

use crate::Bench;
use crate::compare::assert_matches;
use crate::parallel::parallel;
use crate::values::{future, no_event, odd_texts, past, seats};

/// Somebody who booked 2 of 5 seats under "key".
async fn a_keyed_booking(bench: &Bench) -> (UserId, EventId, Booked) {
    let (user, event) = (bench.user().await, bench.event(5).await);
    let booked = bench.try_book_once(user, event, 2, "key").await;
    let booked = booked.expect("booked");
    assert!(!booked.replayed);
    (user, event, booked)
}

/// Fails unless the same command is answered as it was the first time.
async fn assert_replayed(bench: &Bench, first: &Booked) {
    let again = bench
        .try_book_once(
            first.user_id,
            first.event_id,
            i64::from(first.seats.get()),
            "key",
        )
        .await;
    let expected = Booked {
        replayed: true,
        ..first.clone()
    };
    assert_eq!(again.expect("replayed"), expected);
}

pub async fn a_repeated_request_is_answered_with_the_first_booking(bench: Bench) {
    let (user, event, first) = a_keyed_booking(&bench).await;
    for _ in 0..3 {
        assert_replayed(&bench, &first).await;
    }
    assert_eq!(bench.history(user).await.len(), 1);
    assert_eq!(bench.seats_left(event).await, 3);
    bench.assert_adds_up(event).await;
}

pub async fn a_request_is_replayed_after_the_event_sold_out(bench: Bench) {
    let (user, event, first) = a_keyed_booking(&bench).await;
    bench.book(user, event, 3).await;
    assert_replayed(&bench, &first).await;
    bench.assert_adds_up(event).await;
}

pub async fn a_request_is_replayed_after_the_event_started_grew_or_shrank(bench: Bench) {
    let (_, event, first) = a_keyed_booking(&bench).await;
    for size in [2, 9] {
        bench.resize(event, size).await.expect("resized");
        assert_replayed(&bench, &first).await;
    }
    bench.start_at(event, past()).await;
    assert_replayed(&bench, &first).await;
    bench.assert_adds_up(event).await;
}

pub async fn a_request_is_replayed_after_its_booking_was_cancelled(bench: Bench) {
    let (_, event, first) = a_keyed_booking(&bench).await;
    bench.cancel(first.booking_id).await;
    assert_replayed(&bench, &first).await;
    assert_eq!(bench.seats_left(event).await, 5, "a replay books nothing");
    bench.assert_adds_up(event).await;
}

pub async fn a_request_is_replayed_after_the_event_was_deleted(bench: Bench) {
    let (_, event, first) = a_keyed_booking(&bench).await;
    bench.delete(event).await;
    assert_replayed(&bench, &first).await;
    while bench
        .maintenance()
        .finish_deletions(10)
        .await
        .expect("done")
        > 0
    {}
    assert_replayed(&bench, &first).await;
    assert_eq!(bench.report().await, (0, vec![]));
}

pub async fn a_key_of_another_request_is_refused_before_anything_else(bench: Bench) {
    let (user, event, first) = a_keyed_booking(&bench).await;
    let (other, started) = (bench.event(5).await, bench.event_at(past(), 5).await);
    for (event, count) in [
        (event, 1),
        (event, 3),
        (event, 100),
        (other, 2),
        (started, 2),
        (no_event(), 2),
    ] {
        let refused = bench.try_book_once(user, event, count, "key").await;
        assert_matches!(refused, Err(BookError::KeyReused(_)));
    }
    bench.delete(event).await;
    let refused = bench.try_book_once(user, event, 3, "key").await;
    assert_matches!(refused, Err(BookError::KeyReused(_)));
    assert_eq!(bench.history(user).await.len(), 1);
    assert_eq!(bench.seats_left(other).await, 5);
    assert_replayed(&bench, &first).await;
}

pub async fn the_same_key_of_another_user_is_another_key(bench: Bench) {
    let (_, event, first) = a_keyed_booking(&bench).await;
    let other = bench.user().await;
    let booked = bench.try_book_once(other, event, 1, "key").await;
    let booked = booked.expect("booked");
    assert!(!booked.replayed);
    assert_ne!(booked.booking_id, first.booking_id);
    assert_replayed(&bench, &first).await;
    bench.assert_adds_up(event).await;
}

pub async fn another_key_of_the_same_user_is_another_booking(bench: Bench) {
    let (user, event, first) = a_keyed_booking(&bench).await;
    let booked = bench.try_book_once(user, event, 2, "key 2").await;
    assert_ne!(booked.expect("booked").booking_id, first.booking_id);
    bench.book(user, event, 1).await;
    assert_eq!(bench.history(user).await.len(), 3);
    bench.assert_adds_up(event).await;
}

pub async fn a_refusal_leaves_the_key_free_for_any_request(bench: Bench) {
    let user = bench.user().await;
    let (event, other) = (bench.event(1).await, bench.event(9).await);
    let refused = bench.try_book_once(user, event, 2, "key").await;
    assert_matches!(refused, Err(BookError::NotEnoughSeats { .. }));
    bench.start_at(event, past()).await;
    let refused = bench.try_book_once(user, event, 2, "key").await;
    assert_matches!(refused, Err(BookError::EventStarted(_)));
    let refused = bench.try_book_once(user, no_event(), 2, "key").await;
    assert_matches!(refused, Err(BookError::EventNotFound(_)));

    let booked = bench.try_book_once(user, other, 4, "key").await;
    assert!(!booked.expect("the key is free").replayed);
    bench.start_at(event, future()).await;
    let refused = bench.try_book_once(user, event, 1, "key").await;
    assert_matches!(refused, Err(BookError::KeyReused(_)));
    bench.assert_adds_up(other).await;
}

pub async fn a_key_of_a_user_who_is_unknown_binds_nothing(bench: Bench) {
    let event = bench.event(5).await;
    let user = bench.user().await;
    // Nobody yet has this id; stores that count up give it out next.
    let next = domain::model::UserId::try_new(user.get() + 1).expect("positive");
    let refused = bench.try_book_once(next, event, 1, "key").await;
    assert_matches!(refused, Err(BookError::UserNotFound(_)));
    let late = bench.user().await;
    let booked = bench.try_book_once(late, event, 2, "key").await;
    assert!(!booked.expect("booked").replayed);
    bench.assert_adds_up(event).await;
}

pub async fn keys_are_told_apart_to_the_last_character(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(1000).await);
    let mut keys = odd_texts();
    keys.extend(
        [
            " ", "  ", "a", "A", " a", "a ", "á", "a\u{301}", "ß", "ss", "%", "_", "a%", "00",
            "0.0", "null",
        ]
        .map(str::to_owned),
    );
    keys.push(format!("{}y", "x".repeat(254)));
    let mut bookings = Vec::new();
    for key in &keys {
        let booked = bench.try_book_once(user, event, 1, key).await;
        let booked = booked.unwrap_or_else(|error| panic!("{key:?}: {error}"));
        assert!(!booked.replayed, "{key:?}");
        bookings.push(booked.booking_id);
    }
    for (key, booking) in keys.iter().zip(&bookings) {
        let again = bench.try_book_once(user, event, 1, key).await;
        let again = again.expect("replayed");
        assert_eq!(
            (again.booking_id, again.replayed),
            (*booking, true),
            "{key:?}"
        );
    }
    assert_eq!(bench.history(user).await.len(), keys.len());
    bench.assert_adds_up(event).await;
}

pub async fn of_parallel_duplicates_one_books_and_the_others_repeat_it(bench: Bench) {
    for round in 0..4 {
        // Also when the booking takes the last seats.
        let (user, event) = (bench.user().await, bench.event(2 + round % 2).await);
        let answers = parallel(16, |_| {
            let bench = bench.clone();
            async move { bench.try_book_once(user, event, 2, "key").await }
        })
        .await;
        let answers: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.expect("booked or repeated"))
            .collect();
        let first: Vec<_> = answers.iter().filter(|answer| !answer.replayed).collect();
        assert_eq!(first.len(), 1, "{answers:?}");
        let history = bench.history(user).await;
        assert_eq!(history.len(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| answer.booking_id == history[0].id)
        );
        bench.assert_adds_up(event).await;
    }
}

pub async fn of_parallel_requests_under_one_key_exactly_one_books(bench: Bench) {
    for _ in 0..4 {
        let user = bench.user().await;
        let events = [bench.event(100).await, bench.event(100).await];
        let answers = parallel(16, |number| {
            let bench = bench.clone();
            async move {
                let (event, count) = (events[number % 2], 1 + number as i64 / 2);
                bench.try_book_once(user, event, count, "key").await
            }
        })
        .await;
        let (booked, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(booked.len(), 1, "{booked:?}");
        for refused in refused {
            assert_matches!(refused, Err(BookError::KeyReused(_)));
        }
        let booked = booked.into_iter().flatten().next().expect("one");
        let history = bench.history(user).await;
        assert_eq!(history.len(), 1);
        assert_eq!(
            (history[0].id, history[0].seats),
            (booked.booking_id, booked.seats)
        );
        for event in events {
            bench.assert_adds_up(event).await;
        }
    }
}

pub async fn of_parallel_requests_under_one_key_the_impossible_do_not_stop_the_possible(
    bench: Bench,
) {
    for _ in 0..4 {
        let (user, event) = (bench.user().await, bench.event(5).await);
        let answers = parallel(16, |number| {
            let bench = bench.clone();
            let count = if number % 4 == 3 { 2 } else { 6 };
            async move { (count, bench.try_book_once(user, event, count, "key").await) }
        })
        .await;
        let mut made = 0;
        for (count, answer) in answers {
            match answer {
                Ok(booked) => {
                    assert_eq!((count, booked.seats), (2, seats(2)));
                    made += u32::from(!booked.replayed);
                }
                Err(refused) => {
                    assert_eq!(count, 6, "{refused}");
                    assert_matches!(
                        refused,
                        BookError::NotEnoughSeats { .. } | BookError::KeyReused(_)
                    );
                }
            }
        }
        assert_eq!(made, 1);
        assert_eq!(bench.history(user).await.len(), 1);
        bench.assert_adds_up(event).await;
    }
}

pub async fn parallel_duplicates_of_many_users_make_one_booking_each(bench: Bench) {
    let event = bench.event(8).await;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(bench.user().await);
    }
    let answers = parallel(32, |number| {
        let bench = bench.clone();
        let user = users[number % 8];
        async move { bench.try_book_once(user, event, 1, "key").await }
    })
    .await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for user in users {
        assert_eq!(bench.history(user).await.len(), 1);
    }
    assert_eq!(bench.seats_left(event).await, 0);
    bench.assert_adds_up(event).await;
}

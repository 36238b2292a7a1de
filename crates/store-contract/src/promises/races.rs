//! Many buyers, cancellations, resizes and deletions at the same time.

use domain::model::{EventId, UserId};
use domain::ports::{BookError, ChangeEventError};

use crate::Bench;
use crate::bench::confirmed;
use crate::compare::assert_matches;
use crate::parallel::{parallel, patiently};

/// Rounds of a race: each one may come out otherwise.
const ROUNDS: usize = 4;

async fn crowd(bench: &Bench, people: usize) -> Vec<UserId> {
    let mut users = Vec::new();
    for _ in 0..people {
        users.push(bench.user().await);
    }
    users
}

pub async fn the_last_seat_goes_to_exactly_one_buyer(bench: Bench) {
    let users = crowd(&bench, 32).await;
    for _ in 0..ROUNDS {
        let event = bench.event(1).await;
        let answers = parallel(users.len(), |number| {
            let (bench, user) = (bench.clone(), users[number]);
            async move { bench.try_book(user, event, 1).await }
        })
        .await;
        let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(sold.len(), 1, "{sold:?}");
        for refused in refused {
            assert_matches!(refused, Err(BookError::NotEnoughSeats { seats_left, .. }) if seats_left.get() == 0);
        }
        assert_eq!(bench.attendance(event).await.len(), 1);
        bench.assert_adds_up(event).await;
    }
}

pub async fn many_buyers_get_all_the_seats_and_not_one_more(bench: Bench) {
    let users = crowd(&bench, 8).await;
    for _ in 0..ROUNDS {
        let event = bench.event(25).await;
        let answers = parallel(40, |number| {
            let (bench, user) = (bench.clone(), users[number % 8]);
            let count = 1 + number as i64 % 3;
            async move { (count, bench.try_book(user, event, count).await) }
        })
        .await;
        let left = bench.seats_left(event).await;
        let mut sold = 0;
        for (count, answer) in answers {
            match answer {
                Ok(booked) => sold += booked.seats.get(),
                Err(refused) => {
                    assert_matches!(
                        refused,
                        BookError::NotEnoughSeats { seats_left, .. }
                            if i64::from(seats_left.get()) < count && seats_left.get() >= left
                    );
                }
            }
        }
        // 80 seats were asked for: only what nobody could use may be left.
        assert_eq!(sold + left, 25);
        bench.assert_adds_up(event).await;
    }
}

pub async fn seats_left_only_fall_while_only_bookings_are_made(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(30).await);
    parallel(12, |number| {
        let bench = bench.clone();
        async move {
            let mut left = 30;
            for _ in 0..10 {
                if number < 3 {
                    bench.book(user, event, 1).await;
                } else {
                    let now = bench.seats_left(event).await;
                    assert!(now <= left, "{now} after {left}");
                    left = now;
                }
            }
        }
    })
    .await;
    assert_eq!(bench.seats_left(event).await, 0);
    bench.assert_adds_up(event).await;
}

pub async fn of_parallel_cancellations_exactly_one_returns_the_seats(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(9).await);
    bench.book(user, event, 2).await;
    for _ in 0..ROUNDS {
        let booking = bench.book(user, event, 3).await;
        let answers = parallel(16, |_| {
            let bench = bench.clone();
            async move { bench.cancel(booking).await.seats_returned }
        })
        .await;
        let returned: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(
            returned.iter().map(|seats| seats.get()).collect::<Vec<_>>(),
            [3]
        );
        assert_eq!(bench.seats_left(event).await, 7);
        bench.assert_adds_up(event).await;
    }
}

pub async fn a_seat_that_is_returned_goes_to_at_most_one_buyer(bench: Bench) {
    let users = crowd(&bench, 8).await;
    for _ in 0..ROUNDS {
        let event = bench.event(1).await;
        let booking = bench.book(users[0], event, 1).await;
        let sold = parallel(16, |number| {
            let (bench, user) = (bench.clone(), users[number % 8]);
            async move {
                if number % 4 == 0 {
                    bench.cancel(booking).await;
                    return 0;
                }
                match bench.try_book(user, event, 1).await {
                    Ok(_) => 1,
                    Err(refused) => {
                        assert_matches!(refused, BookError::NotEnoughSeats { .. });
                        0
                    }
                }
            }
        })
        .await;
        let sold: u32 = sold.into_iter().sum();
        assert!(sold <= 1, "{sold}");
        assert_eq!(bench.seats_left(event).await, 1 - sold);
        bench.assert_adds_up(event).await;
    }
}

pub async fn bookings_and_resizes_at_the_same_time_add_up(bench: Bench) {
    let users = crowd(&bench, 4).await;
    for _ in 0..ROUNDS {
        let event = bench.event(10).await;
        let moved = parallel(24, |number| {
            let (bench, user) = (bench.clone(), users[number % 4]);
            async move {
                if number % 3 > 0 {
                    return match bench.try_book(user, event, 1).await {
                        Ok(_) => -1,
                        Err(refused) => {
                            assert_matches!(refused, BookError::NotEnoughSeats { .. });
                            0
                        }
                    };
                }
                match bench.resize(event, 2 + number as i64 / 2).await {
                    Ok(changed) => changed.seats_gained,
                    Err(refused) => {
                        assert_matches!(refused, ChangeEventError::CapacityBelowConfirmed(_));
                        0
                    }
                }
            }
        })
        .await;
        let moved: i64 = moved.into_iter().sum();
        assert_eq!(i64::from(bench.seats_left(event).await), 10 + moved);
        bench.assert_adds_up(event).await;
    }
}

/// Books and then cancels a part of it, while others resize. Gives the
/// bookings that were made.
async fn trade(
    bench: Bench,
    user: UserId,
    event: EventId,
    number: usize,
) -> Vec<domain::model::BookingId> {
    let mut made = Vec::new();
    for turn in 0..6 {
        match bench.try_book(user, event, 1 + turn % 2).await {
            Ok(booked) => {
                if turn % 3 == 0 {
                    bench.cancel(booked.booking_id).await;
                }
                made.push(booked.booking_id);
            }
            Err(refused) => assert_matches!(
                refused,
                BookError::NotEnoughSeats { .. } | BookError::EventNotFound(_)
            ),
        }
        if number.is_multiple_of(3) {
            let resized = bench.resize(event, 5 + turn * 5).await;
            assert_matches!(
                resized,
                Ok(_)
                    | Err(ChangeEventError::CapacityBelowConfirmed(_)
                        | ChangeEventError::EventNotFound(_))
            );
        }
    }
    made
}

pub async fn bookings_cancellations_and_resizes_at_the_same_time_add_up(bench: Bench) {
    let users = crowd(&bench, 12).await;
    let event = bench.event(20).await;
    let made = parallel(12, |number| {
        trade(bench.clone(), users[number], event, number)
    })
    .await;
    let mut made = made.concat();
    made.sort();
    let mut listed: Vec<_> = bench.attendance(event).await;
    listed.sort_by_key(|attended| attended.booking.id);
    let listed: Vec<_> = listed.iter().map(|attended| attended.booking.id).collect();
    assert_eq!(listed, made, "no booking is lost and none is made up");
    bench.assert_adds_up(event).await;
}

pub async fn a_deletion_in_the_middle_of_everything_cancels_every_booking(bench: Bench) {
    let users = crowd(&bench, 12).await;
    let kept = bench.event(5).await;
    bench.book(users[0], kept, 2).await;
    for _ in 0..ROUNDS {
        let event = bench.event(30).await;
        let made = parallel(12, |number| {
            let (bench, user) = (bench.clone(), users[number]);
            async move {
                if number == 7 {
                    bench.try_book(user, event, 1).await.ok();
                    patiently(|| bench.events().delete(event))
                        .await
                        .expect("deleted once");
                    let late = bench.try_book(user, event, 1).await;
                    assert_matches!(late, Err(BookError::EventNotFound(_)));
                    return vec![];
                }
                trade(bench, user, event, number).await
            }
        })
        .await;
        let bookings = bench.attendance(event).await;
        for booking in made.concat() {
            assert!(
                bookings
                    .iter()
                    .any(|attended| attended.booking.id == booking)
            );
            assert_eq!(bench.cancel(booking).await.seats_returned, None);
        }
        assert!(confirmed(bookings.iter().map(|attended| &attended.booking)).is_empty());
        assert_eq!(bench.report().await.0, 1);
        while bench
            .maintenance()
            .finish_deletions(7)
            .await
            .expect("marked")
            > 0
        {}
        bench.assert_adds_up(kept).await;
    }
}

pub async fn buyers_of_several_events_never_wait_for_each_other_in_a_circle(bench: Bench) {
    let users = crowd(&bench, 8).await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(bench.event(1000).await);
    }
    parallel(32, |number| {
        let (bench, user, events) = (bench.clone(), users[number % 8], events.clone());
        async move {
            for turn in 0..8 {
                // Half of them go through the events the other way round, and
                // the same keys meet from both sides.
                let at = if number % 2 == 0 { turn } else { 7 - turn };
                let key = format!("{}", at % 4);
                let booked = bench.try_book_once(user, events[at % 4], 1, &key).await;
                booked.expect("booked or repeated");
            }
        }
    })
    .await;
    for event in events {
        assert_eq!(bench.seats_left(event).await, 1000 - 8);
        bench.assert_adds_up(event).await;
    }
}

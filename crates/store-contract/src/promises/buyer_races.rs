//! Bookings at the same time as the suspension or erasure of their buyers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::model::{BookingStatus, EventId, UserId};
use domain::ports::{BookError, NoGate};
use domain::usecases::cancel_bookings_of_erased;

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::parallel::parallel;

/// Rounds of a race: each one may come out otherwise.
const ROUNDS: usize = 6;

/// As many book at the same time.
const BUYERS: usize = 12;

/// Books for a user from many sides until each was refused a few times. In the
/// midst of it `end` is done. Fails if anything was booked after that.
async fn book_until<F>(
    bench: &AccountsBench,
    (user, events): (UserId, [EventId; 2]),
    end: impl Fn(AccountsBench) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let ended = Arc::new(AtomicBool::new(false));
    let answers = parallel(BUYERS + 1, |number| {
        let (bench, ended, end) = (bench.clone(), Arc::clone(&ended), end(bench.clone()));
        async move {
            if number == BUYERS {
                // Some have booked by then.
                while bench.seats_left(events[0]).await > 1_000_000 - 6 {
                    tokio::task::yield_now().await;
                }
                end.await;
                ended.store(true, Ordering::SeqCst);
                return seats_left(&bench, events).await;
            }
            let mut refusals = 0;
            for turn in 0.. {
                let was_ended = ended.load(Ordering::SeqCst);
                match bench.try_book(user, events[(number + turn) % 2], 1).await {
                    Ok(_) => assert!(!was_ended, "booked after the end"),
                    Err(refused) => {
                        assert_matches!(
                            refused,
                            BookError::UserSuspended(id) | BookError::UserNotFound(id)
                                if id == user
                        );
                        refusals += 1;
                    }
                }
                if refusals == 3 {
                    break;
                }
                // A store that never waits would not let the others in.
                tokio::task::yield_now().await;
            }
            (0, 0)
        }
    })
    .await;
    // A booking that was under way must not have come later either.
    let at_the_end = answers.last().copied();
    assert_eq!(Some(seats_left(bench, events).await), at_the_end);
}

/// Read at the same time, so that little happens in between.
async fn seats_left(bench: &AccountsBench, events: [EventId; 2]) -> (u32, u32) {
    futures::join!(bench.seats_left(events[0]), bench.seats_left(events[1]))
}

/// How many confirmed bookings of these events a user has.
async fn confirmed(bench: &AccountsBench, user: UserId, events: [EventId; 2]) -> usize {
    let mut count = 0;
    for event in events {
        let bookings = bench.attendance(event).await;
        let theirs = bookings.iter().filter(|attended| {
            attended.booking.user_id == user && attended.booking.status == BookingStatus::Confirmed
        });
        count += theirs.count();
    }
    count
}

pub async fn nothing_is_booked_for_a_user_after_their_suspension(bench: AccountsBench) {
    for _ in 0..ROUNDS {
        let user = bench.user().await;
        let events = [bench.event(1_000_000).await, bench.event(1_000_000).await];
        book_until(&bench, (user, events), |bench| async move {
            bench.suspend(user).await;
        })
        .await;
        for event in events {
            bench.assert_adds_up(event).await;
        }
    }
}

pub async fn nothing_is_booked_for_a_user_after_their_erasure(bench: AccountsBench) {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let user = bench.user().await;
        let events = [bench.event(1_000_000).await, bench.event(1_000_000).await];
        book_until(&bench, (user, events), |bench| async move {
            bench.erase(user).await;
        })
        .await;
        let count = confirmed(&bench, user, events).await;
        assert!(count > 0);
        let cancel = cancel_bookings_of_erased(bench.accounts(), bench.bookings(), &NoGate);
        assert_eq!(cancel.await.expect("done"), count);
        assert_eq!(confirmed(&bench, user, events).await, 0);
        all.extend(events);
    }
    for event in all {
        assert_eq!(bench.seats_left(event).await, 1_000_000);
        bench.assert_adds_up(event).await;
    }
}

pub async fn what_erased_users_booked_is_cancelled_by_many_at_the_same_time(bench: AccountsBench) {
    let (user, other) = (bench.user().await, bench.user().await);
    let events = [bench.event(100).await, bench.event(100).await];
    for turn in 0..40 {
        bench.book(user, events[turn % 2], 2).await;
        bench.book(other, events[turn % 2], 1).await;
    }
    bench.erase(user).await;
    parallel(6, |number| {
        let bench = bench.clone();
        async move {
            if number < 2 {
                for turn in 0..10 {
                    bench.book(other, events[turn % 2], 1).await;
                }
                return;
            }
            let cancel = cancel_bookings_of_erased(bench.accounts(), bench.bookings(), &NoGate);
            cancel.await.expect("done");
        }
    })
    .await;
    for event in events {
        assert_eq!(bench.seats_left(event).await, 100 - 30);
        bench.assert_adds_up(event).await;
    }
}

pub async fn suspended_erased_and_other_buyers_in_a_crowd_get_their_own_answers(
    bench: AccountsBench,
) {
    let event = bench.event(1000).await;
    let mut users = Vec::new();
    for number in 0..BUYERS {
        let user = bench.user().await;
        match number % 3 {
            0 => {
                bench.suspend(user).await;
            }
            1 => bench.erase(user).await,
            _ => {}
        }
        users.push(user);
    }
    for _ in 0..ROUNDS {
        parallel(BUYERS, |number| {
            let (bench, user) = (bench.clone(), users[number]);
            async move {
                let answer = bench.try_book(user, event, 1).await;
                match number % 3 {
                    0 => assert_matches!(answer, Err(BookError::UserSuspended(id)) if id == user),
                    1 => assert_matches!(answer, Err(BookError::UserNotFound(id)) if id == user),
                    _ => assert!(answer.is_ok(), "{answer:?}"),
                }
            }
        })
        .await;
    }
    assert_eq!(bench.attendance(event).await.len(), ROUNDS * BUYERS / 3);
    bench.assert_adds_up(event).await;
}

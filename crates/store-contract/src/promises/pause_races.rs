//! Bookings at the same time as the pause that stops them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::model::EventId;
use domain::ports::BookError;

use crate::Bench;
use crate::compare::assert_matches;
use crate::parallel::parallel;

/// Rounds of a race: each one may come out otherwise.
const ROUNDS: usize = 6;

/// As many book at the same time.
const BUYERS: usize = 12;

const SEATS: u32 = 1_000_000;

/// What is paused in the midst of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paused {
    First,
    All,
}

/// Books from many sides until each was refused a few times. Fails if anything that is
/// paused was booked after the pause had been answered.
async fn book_until(bench: &Bench, events: [EventId; 2], paused: Paused) {
    let done = Arc::new(AtomicBool::new(false));
    let answers = parallel(BUYERS + 1, |number| {
        let (bench, done) = (bench.clone(), Arc::clone(&done));
        async move {
            if number < BUYERS {
                book_until_refused(&bench, events, number, &done, paused).await;
                return None;
            }
            // Some have booked by then.
            while bench.seats_left(events[0]).await > SEATS - 6 {
                tokio::task::yield_now().await;
            }
            match paused {
                Paused::First => bench.pause(events[0]).await,
                Paused::All => bench.pause_all().await,
            };
            // A booking that was under way must not come later either.
            let left = stopped(&bench, events, paused).await;
            done.store(true, Ordering::SeqCst);
            Some(left)
        }
    })
    .await;
    let at_the_pause = answers.last().cloned().flatten();
    assert_eq!(Some(stopped(bench, events, paused).await), at_the_pause);
}

/// Seats left of each event that is paused.
async fn stopped(bench: &Bench, events: [EventId; 2], paused: Paused) -> Vec<u32> {
    let first = bench.seats_left(events[0]);
    match paused {
        Paused::First => vec![first.await],
        Paused::All => {
            let (first, second) = futures::join!(first, bench.seats_left(events[1]));
            vec![first, second]
        }
    }
}

async fn book_until_refused(
    bench: &Bench,
    events: [EventId; 2],
    number: usize,
    done: &AtomicBool,
    paused: Paused,
) {
    let user = bench.user().await;
    let mut refusals = 0;
    for turn in 0.. {
        let event = events[(number + turn) % 2];
        let is_stopped = paused == Paused::All || event == events[0];
        let was_done = done.load(Ordering::SeqCst);
        match bench.try_book(user, event, 1).await {
            Ok(_) => assert!(!(was_done && is_stopped), "booked after the pause"),
            Err(refused) => {
                assert_matches!(refused, BookError::SalesPaused(id) if id == event && is_stopped);
                refusals += 1;
            }
        }
        if refusals == 3 {
            break;
        }
        // A store that never waits would not let the others in.
        tokio::task::yield_now().await;
    }
}

async fn two_events(bench: &Bench) -> [EventId; 2] {
    [
        bench.event(SEATS.into()).await,
        bench.event(SEATS.into()).await,
    ]
}

pub async fn nothing_is_booked_of_an_event_after_its_pause(bench: Bench) {
    for _ in 0..ROUNDS {
        let events = two_events(&bench).await;
        book_until(&bench, events, Paused::First).await;
        for event in events {
            bench.assert_adds_up(event).await;
        }
        bench.resume(events[0]).await;
        let user = bench.user().await;
        bench.book(user, events[0], 1).await;
    }
}

pub async fn nothing_is_booked_after_the_pause_of_all(bench: Bench) {
    for _ in 0..ROUNDS {
        let events = two_events(&bench).await;
        book_until(&bench, events, Paused::All).await;
        for event in events {
            bench.assert_adds_up(event).await;
        }
        bench.resume_all().await;
        let user = bench.user().await;
        bench.book(user, events[0], 1).await;
    }
}

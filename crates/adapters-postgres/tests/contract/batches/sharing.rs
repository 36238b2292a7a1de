//! What callers may rely on because their commands share transactions.

use std::num::NonZeroUsize;
use std::time::Duration;

use domain::model::SeatCount;
use domain::ports::{BookError, EventCatalogue, FindEventError};

use crate::shop::{Shop, USERS, all, command, event};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_for_one_event_share_the_next_transaction() {
    let shop = Shop::open(1, 50).await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let rest: Vec<_> = (0..60)
        .map(|n| shop.book(command(n % USERS + 1, 1)))
        .collect();
    // All of them are queued when every task has run once.
    shop.until_queued(60).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let answers = all(rest).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 49);
    let full = |answer: &&Result<_, _>| matches!(answer, Err(BookError::NotEnoughSeats { .. }));
    assert_eq!(answers.iter().filter(full).count(), 11);
    // Rows of one transaction have its id.
    let transactions = "SELECT count(DISTINCT xmin::text) FROM bookings";
    assert_eq!(shop.number(transactions).await, 2);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_held_up_holds_up_no_other() {
    let shop = Shop::open(8, 5).await;
    let holder = shop.hold(3).await;
    let mut tasks: Vec<_> = (0..32).map(|n| shop.book(command(1, n % 8 + 1))).collect();
    let held: Vec<_> = (0..4).map(|n| tasks.remove(2 + 8 * n - n)).collect();
    for answer in all(tasks).await {
        let booked = answer.expect("seats are free");
        assert_ne!(booked.event_id, event(3));
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(all(held).await.iter().all(Result::is_ok));
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_held_up_hold_up_no_other_however_many_they_are() {
    let shop = Shop::open(12, 5).await;
    let mut holders = Vec::new();
    let mut held = Vec::new();
    // More of them than there are batches at a time, and one after the other,
    // so that each gets a batch to itself.
    for event_id in 1..=6 {
        holders.push(shop.hold(event_id).await);
        held.push(shop.book(command(1, event_id)));
        shop.until_queued(held.len() - 1).await;
    }
    shop.until_waiting(1).await;
    let free = (0..24).map(|n| shop.book(command(1, n % 6 + 7)));
    for answer in all(free.collect::<Vec<_>>()).await {
        answer.expect("seats are free");
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    for holder in holders {
        holder.batch_execute("COMMIT").await.expect("let go");
    }
    assert!(all(held).await.iter().all(Result::is_ok));
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_repeats_a_cancellation_waits_for_no_other_event() {
    let shop = Shop::open_with(3, 10, |settings| {
        settings.lock_timeout = Duration::from_secs(60);
        settings.batches.batches_max = NonZeroUsize::MIN;
    })
    .await;
    let booked = shop.book(command(1, 1)).await.expect("no panic");
    let booked = booked.expect("seats are free").booking_id.get();
    shop.cancel(booked).await.expect("no panic");
    let (holder, other_holder) = (shop.hold(3).await, shop.hold(2).await);
    let first = shop.book(command(1, 3));
    shop.until_waiting(1).await;
    // Both in the next batch.
    let repeated = shop.cancel(booked);
    let held = shop.book(command(1, 2));
    shop.until_queued(2).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let repeated = tokio::time::timeout(Duration::from_secs(20), repeated).await;
    let repeated = repeated.expect("it waits for nobody").expect("no panic");
    assert_eq!(repeated.seats_returned, None);
    assert!(!held.is_finished());
    other_holder.batch_execute("COMMIT").await.expect("let go");
    assert!(held.await.expect("no panic").is_ok());
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellations_and_bookings_of_one_batch_follow_their_order() {
    let shop = Shop::open(1, 2).await;
    let first = shop
        .book(command(1, 1))
        .await
        .expect("no panic")
        .expect("free");
    let second = shop
        .book(command(2, 1))
        .await
        .expect("no panic")
        .expect("free");
    let holder = shop.hold(1).await;
    let waits = shop.book(command(3, 1));
    shop.until_waiting(1).await;
    let cancelled = shop.cancel(first.booking_id.get());
    shop.until_queued(1).await;
    let booked = shop.book(command(4, 1));
    let again = shop.cancel(first.booking_id.get());
    shop.until_queued(3).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(waits.await.expect("no panic").is_err(), "sold out");
    assert_eq!(
        cancelled.await.expect("no panic").seats_returned,
        Some(SeatCount::ONE)
    );
    assert!(booked.await.expect("no panic").is_ok(), "a seat came back");
    assert_eq!(again.await.expect("no panic").seats_returned, None);
    shop.cancel(second.booking_id.get())
        .await
        .expect("no panic");
    assert_eq!(
        shop.number("SELECT seats_available::bigint FROM events")
            .await,
        1
    );
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_an_event_gets_no_older_answer_than_a_query_of_their_own_gives() {
    let shop = Shop::open(2, 1_000).await;
    for round in 0..50_u32 {
        let asked_before: Vec<_> = (0..20)
            .map(|n| {
                let events = shop.events.clone();
                tokio::spawn(async move { events.find(event(n % 2 + 1)).await })
            })
            .collect();
        shop.book(command(1, 1))
            .await
            .expect("no panic")
            .expect("free");
        let seen = shop.events.find(event(1)).await.expect("there");
        assert_eq!(seen.seats_available().get(), 999 - round);
        for found in all(asked_before).await {
            let found = found.expect("there");
            let sold = 1_000 - found.seats_available().get();
            let expected = if found.id() == event(1) {
                round..=round + 1
            } else {
                0..=0
            };
            assert!(expected.contains(&sold), "round {round}: {found:?}");
        }
    }
    let missing = shop.events.find(event(99)).await;
    assert!(
        matches!(missing, Err(FindEventError::EventNotFound(_))),
        "{missing:?}"
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_do_not_exist_wait_for_nobody() {
    let shop = Shop::open(100, 50).await;
    shop.sql
        .batch_execute("UPDATE events SET deleted_at = now() WHERE id > 1")
        .await
        .expect("deleted");
    // The one batch that may wait for a lock does.
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let tasks: Vec<_> = (2..200).map(|id| shop.book(command(1, id))).collect();
    for refused in all(tasks).await {
        let unknown = matches!(refused, Err(BookError::EventNotFound(_)));
        assert!(unknown, "{refused:?}");
    }
    assert!(!first.is_finished());
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_what_was_never_counted_leaves_the_total_the_sum_of_the_figures() {
    let shop = Shop::open(2, 10).await;
    shop.sql
        .batch_execute(
            "UPDATE events SET seats_available = 9 WHERE id = 1;
             INSERT INTO bookings (id, user_id, event_id, seats) VALUES (1000, 1, 1, 1)",
        )
        .await
        .expect("inserted by hand");
    let booked = (0..5).map(|_| shop.book(command(1, 2)));
    assert!(
        all(booked.collect::<Vec<_>>())
            .await
            .iter()
            .all(Result::is_ok)
    );
    let cancelled = shop.cancel(1000).await.expect("no panic");
    assert_eq!(cancelled.seats_returned, Some(SeatCount::ONE));
    shop.assert_sums_agree().await;
    // Of those that were counted each one counts.
    let ids = "SELECT min(id) FROM bookings WHERE status = 'CONFIRMED'";
    for _ in 0..5 {
        let counted = shop.number(ids).await;
        shop.cancel(counted).await.expect("no panic");
        shop.assert_sums_agree().await;
    }
    shop.close().await;
}

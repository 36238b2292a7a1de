//! One booking for one key, whatever else is in its batch.

use std::num::NonZeroUsize;
use std::time::Duration;

use domain::model::{BookSeats, SeatCount};
use domain::ports::{BookError, StoreError};

use crate::shop::{Shop, all, command, keyed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_one_batch_for_two_events_makes_one_booking() {
    let shop = Shop::open(2, 10).await;
    let tasks = (0..20).map(|n| shop.book(keyed(1, n % 2 + 1, "k")));
    let answers = all(tasks.collect::<Vec<_>>()).await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 1);
    let same = answers.iter().flatten().filter(|booked| booked.replayed);
    assert_eq!(same.count(), 9);
    let reused = |answer: &&Result<_, _>| matches!(answer, Err(BookError::KeyReused(_)));
    assert_eq!(answers.iter().filter(reused).count(), 10);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_commands_leave_no_key_behind() {
    let shop = Shop::open(2, 3).await;
    let two = |user, key: &str| BookSeats {
        seats: SeatCount::try_new(2).expect("in range"),
        ..keyed(user, 1, key)
    };
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    // In one batch: a sale, a refusal, and a refusal whose key is used again.
    let tasks = vec![
        shop.book(two(1, "sold")),
        shop.book(two(2, "refused")),
        shop.book(two(3, "second try")),
    ];
    shop.until_queued(3).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let sold = all(tasks)
        .await
        .iter()
        .filter(|answer| answer.is_ok())
        .count();
    assert_eq!(sold, 1);
    assert_eq!(
        shop.number("SELECT count(*) FROM idempotency_keys").await,
        1
    );
    let agree = "SELECT count(*) FROM idempotency_keys k JOIN bookings b ON b.id = k.booking_id
                 AND b.user_id = k.user_id AND b.event_id = k.event_id AND b.seats = k.seats";
    assert_eq!(shop.number(agree).await, 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_command_was_refused_says_what_was_sold_under_it() {
    let shop = Shop::open(1, 1).await;
    let holder = shop.hold(1).await;
    let first = shop.book(keyed(2, 1, "other"));
    shop.until_waiting(1).await;
    let two = BookSeats {
        seats: SeatCount::try_new(2).expect("in range"),
        ..keyed(1, 1, "k")
    };
    let refused = shop.book(two);
    shop.until_queued(1).await;
    let sold = shop.book(keyed(1, 1, "k"));
    shop.until_queued(2).await;
    holder
        .batch_execute("UPDATE events SET capacity = 2, seats_available = 2 WHERE id = 1; COMMIT")
        .await
        .expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let refusal = refused.await.expect("no panic");
    assert!(
        matches!(refusal, Err(BookError::NotEnoughSeats { .. })),
        "{refusal:?}"
    );
    let booked = sold.await.expect("no panic").expect("a seat is free");
    let bound = "SELECT booking_id FROM idempotency_keys WHERE key = 'k' AND seats = 1";
    assert_eq!(shop.number(bound).await, booked.booking_id.get());
    let replayed = shop
        .book(keyed(1, 1, "k"))
        .await
        .expect("no panic")
        .expect("a replay");
    assert_eq!(
        (replayed.booking_id, replayed.replayed),
        (booked.booking_id, true)
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_somebody_is_binding_holds_up_no_other_event() {
    let shop = Shop::open_with(3, 10, |settings| {
        settings.lock_timeout = Duration::from_millis(1_500);
        settings.batches.batches_max = NonZeroUsize::MIN;
    })
    .await;
    let binder = shop.session().await;
    binder
        .batch_execute(
            "BEGIN; INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
             VALUES (1, 'k', 1000, 1, 1)",
        )
        .await
        .expect("binding");
    let holder = shop.hold(3).await;
    let first = shop.book(command(1, 3));
    shop.until_waiting(1).await;
    // Both in the next batch.
    let busy = shop.book(keyed(1, 1, "k"));
    let other = shop.book(command(2, 2));
    shop.until_queued(2).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    let other = other.await.expect("no panic");
    assert!(other.is_ok(), "{other:?}");
    let busy = busy.await.expect("no panic");
    let is_busy = matches!(busy, Err(BookError::Store(StoreError::Busy(_))));
    assert!(is_busy, "{busy:?}");
    drop(binder);
    shop.close().await;
}

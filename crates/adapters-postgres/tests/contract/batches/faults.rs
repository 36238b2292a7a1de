//! What fails with a fault, and what does not although it shares a batch with one.

use std::num::NonZeroUsize;

use domain::model::{BookingId, Cancelled};
use domain::ports::{BookError, BookingStore, CancelError, StoreError};
use tokio::task::JoinHandle;

use crate::shop::{Shop, all, command, keyed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_cannot_be_served_fails_alone() {
    let shop = Shop::open(4, 10).await;
    // No value of the model: whoever wants seats of it meets a defect.
    shop.sql
        .batch_execute(
            "INSERT INTO bookings (user_id, event_id, seats) VALUES (1, 2, 1);
             ALTER TABLE bookings DROP CONSTRAINT bookings_status_check;
             UPDATE bookings SET status = 'LOST'",
        )
        .await
        .expect("spoilt");
    let holders = [shop.hold(1).await, shop.hold(2).await];
    let mut tasks: Vec<_> = (0..12).map(|n| shop.book(command(1, n % 3 + 1))).collect();
    let store = shop.store.clone();
    let broken = tokio::spawn(async move {
        let booking_id = BookingId::try_new(1).expect("positive");
        store.cancel(booking_id).await
    });
    tasks.push(shop.book(command(2, 2)));
    shop.until_waiting(1).await;
    for holder in holders {
        holder.batch_execute("COMMIT").await.expect("let go");
    }
    assert!(all(tasks).await.iter().all(Result::is_ok));
    let error = broken.await.expect("no panic").expect_err("a defect");
    let defect = matches!(error, CancelError::Store(StoreError::Failed(_)));
    assert!(defect, "{error:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_writes_other_rows_than_were_decided_on_writes_none() {
    let shop = Shop::open(1, 10).await;
    let first = shop.store.book(command(1, 1)).await.expect("free");
    shop.sql
        .batch_execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RETURN NULL; END $$",
        )
        .await
        .expect("a trap");
    // What is swallowed, and whether a sale and a cancellation need it.
    for (change, table, sells, cancels) in [
        ("INSERT", "bookings", true, false),
        ("UPDATE", "bookings", false, true),
        ("UPDATE", "events", true, true),
        ("UPDATE", "booking_totals", true, true),
    ] {
        shop.sql
            .batch_execute(&format!(
                "CREATE TRIGGER swallow BEFORE {change} ON {table}
                 FOR EACH ROW EXECUTE FUNCTION swallow()"
            ))
            .await
            .expect("set");
        if sells {
            let sold = shop.store.book(keyed(2, 1, "k")).await;
            let failed = matches!(sold, Err(BookError::Store(StoreError::Failed(_))));
            assert!(failed, "{change} {table}: {sold:?}");
        }
        if cancels {
            let cancelled = shop.store.cancel(first.booking_id).await;
            let failed = matches!(cancelled, Err(CancelError::Store(StoreError::Failed(_))));
            assert!(failed, "{change} {table}: {cancelled:?}");
        }
        shop.sql
            .batch_execute(&format!("DROP TRIGGER swallow ON {table}"))
            .await
            .expect("cleared");
        shop.assert_sums_agree().await;
    }
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 0);
    let confirmed = "SELECT count(*) FROM bookings WHERE status = 'CONFIRMED'";
    assert_eq!(shop.number(confirmed).await, 1);
    let sold = shop.store.book(keyed(2, 1, "k")).await;
    assert!(sold.is_ok(), "{sold:?}");
    shop.close().await;
}

/// The seats of a booking inserted by hand were never taken. Alone it cannot be
/// cancelled, and they must not be sold in the same batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_that_were_never_taken_are_not_sold() {
    let shop = Shop::open(1, 10).await;
    insert_by_hand(&shop).await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let cancelled = cancel_by_hand(&shop);
    shop.until_queued(1).await;
    let booked: Vec<_> = (0..12).map(|_| shop.book(command(2, 1))).collect();
    shop.until_queued(13).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    assert_defect(cancelled.await.expect("no panic"));
    let sold = all(booked).await;
    assert_eq!(sold.iter().filter(|answer| answer.is_ok()).count(), 9);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_are_tried_one_by_one_wait_for_their_event_again() {
    let shop = Shop::open_with(2, 10, |settings| {
        settings.batches.batches_max = NonZeroUsize::MIN;
    })
    .await;
    insert_by_hand(&shop).await;
    let other = shop.hold(2).await;
    let first = shop.book(command(1, 2));
    shop.until_waiting(1).await;
    let cancelled = cancel_by_hand(&shop);
    shop.until_queued(1).await;
    let booked = shop.book(command(2, 1));
    shop.until_queued(2).await;
    let holder = shop.hold(1).await;
    other.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    // The batch of two waits, and behind it somebody who gets the event when it
    // has failed.
    shop.until_waiting(1).await;
    let next = shop.hold_next(1);
    shop.until_waiting(2).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    let next = next.await.expect("no panic");
    shop.until_waiting_or(1, || booked.is_finished()).await;
    next.batch_execute("COMMIT").await.expect("let go");
    assert_defect(cancelled.await.expect("no panic"));
    let booked = booked.await.expect("no panic");
    assert!(booked.is_ok(), "{booked:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_one_event_fails_no_other_of_its_batch() {
    let shop = Shop::open_with(3, 10, |settings| {
        settings.batches.batches_max = NonZeroUsize::MIN;
    })
    .await;
    insert_by_hand(&shop).await;
    let holder = shop.hold(3).await;
    let first = shop.book(command(1, 3));
    shop.until_waiting(1).await;
    // Both in the next batch.
    let cancelled = cancel_by_hand(&shop);
    shop.until_queued(1).await;
    let booked = shop.book(command(1, 2));
    shop.until_queued(2).await;
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    assert_defect(cancelled.await.expect("no panic"));
    let booked = booked.await.expect("no panic");
    assert!(booked.is_ok(), "{booked:?}");
    shop.close().await;
}

/// A booking whose seats were never taken.
const BY_HAND: i64 = 1000;

async fn insert_by_hand(shop: &Shop) {
    let insert =
        format!("INSERT INTO bookings (id, user_id, event_id, seats) VALUES ({BY_HAND}, 1, 1, 5)");
    shop.sql.batch_execute(&insert).await.expect("inserted");
}

fn cancel_by_hand(shop: &Shop) -> JoinHandle<Result<Cancelled, CancelError>> {
    let store = shop.store.clone();
    tokio::spawn(async move {
        let booking_id = BookingId::try_new(BY_HAND).expect("positive");
        store.cancel(booking_id).await
    })
}

fn assert_defect(answer: Result<Cancelled, CancelError>) {
    let defect = matches!(answer, Err(CancelError::Store(StoreError::Failed(_))));
    assert!(defect, "{answer:?}");
}

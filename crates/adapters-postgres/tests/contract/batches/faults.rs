//! What fails with a fault, and what does not although it shares a batch with one.

use domain::model::{BookingId, SeatCount};
use domain::ports::{BookError, BookingStore, CancelError, StoreError};

use super::shop::{Shop, all, command, keyed};

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
async fn a_transaction_that_does_not_begin_binds_no_key() {
    let shop = Shop::open_with(1, 10, |settings| settings.pool_size = 1).await;
    // The session forgets how to begin, but not how to bind keys.
    shop.sql
        .batch_execute(
            r#"CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
             DECLARE begin_name text;
             BEGIN
                 SELECT name INTO STRICT begin_name FROM pg_prepared_statements
                 WHERE statement = 'BEGIN';
                 EXECUTE format('DEALLOCATE %I', begin_name);
                 RETURN NEW;
             END $$;
             CREATE TRIGGER forget BEFORE INSERT ON bookings
             FOR EACH ROW EXECUTE FUNCTION forget()"#,
        )
        .await
        .expect("a trap");
    let first = shop.store.book(keyed(1, 1, "first")).await;
    assert!(first.is_ok(), "{first:?}");
    let second = shop.store.book(keyed(1, 1, "second")).await;
    let failed = matches!(second, Err(BookError::Store(StoreError::Failed(_))));
    assert!(failed, "{second:?}");
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 1);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_writes_other_rows_than_were_decided_on_writes_none() {
    let shop = Shop::open(1, 10).await;
    shop.sql
        .batch_execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER swallow BEFORE INSERT ON bookings
             FOR EACH ROW WHEN (NEW.user_id = 2) EXECUTE FUNCTION swallow()",
        )
        .await
        .expect("a trap");
    let swallowed = shop.store.book(keyed(2, 1, "k")).await;
    let failed = matches!(swallowed, Err(BookError::Store(StoreError::Failed(_))));
    assert!(failed, "{swallowed:?}");
    let keys = "SELECT count(*) FROM idempotency_keys";
    assert_eq!(shop.number(keys).await, 0);
    let other = shop.store.book(command(1, 1)).await;
    assert!(other.is_ok(), "{other:?}");
    shop.assert_sums_agree().await;
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

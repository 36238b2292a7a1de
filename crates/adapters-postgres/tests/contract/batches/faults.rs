//! What fails with a fault, and what does not although it shares a batch with one.

use domain::model::BookingId;
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

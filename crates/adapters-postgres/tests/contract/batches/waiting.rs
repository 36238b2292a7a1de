//! What becomes of commands that wait, and of those who wait for them.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use adapters_postgres::Limits;
use domain::ports::{BookError, BookingStore, StoreError};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::shop::{Shop, all, command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once_and_the_rest_is_served() {
    let three = NonZeroUsize::new(3).expect("not zero");
    let shop = Shop::open_with(1, 50, |settings| {
        settings.batches = Limits {
            waiting_per_key_max: three,
            ..settings.batches
        };
    })
    .await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let waiting: Vec<_> = (0..3).map(|_| shop.book(command(1, 1))).collect();
    shop.until_queued(3).await;
    let refused = shop.store.book(command(1, 1)).await;
    let busy = matches!(refused, Err(BookError::Store(StoreError::Busy(_))));
    assert!(busy, "{refused:?}");
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    assert!(all(waiting).await.iter().all(Result::is_ok));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_too_long_never_runs() {
    let shop = Shop::open_with(1, 50, |settings| {
        settings.acquire_timeout = Duration::from_secs(2);
    })
    .await;
    // Opens a connection, which takes long on a busy machine.
    let before = all([shop.book(command(1, 1))]).await;
    before[0].as_ref().expect("booked");
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    // Nor does one whose caller has left.
    let left = shop.book(command(3, 1));
    shop.until_queued(1).await;
    left.abort();
    let late = shop.store.book(command(2, 1)).await;
    let busy = matches!(late, Err(BookError::Store(StoreError::Busy(_))));
    assert!(busy, "{late:?}");
    holder.batch_execute("COMMIT").await.expect("let go");
    assert!(first.await.expect("no panic").is_ok());
    shop.store.drain().await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 2);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_whose_callers_went_away_run_all_the_same() {
    let shop = Shop::open(1, 50).await;
    let holder = shop.hold(1).await;
    let first = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let left: Vec<_> = (0..10).map(|_| shop.book(command(1, 1))).collect();
    shop.until_queued(10).await;
    left.iter().for_each(JoinHandle::abort);
    first.abort();
    holder.batch_execute("COMMIT").await.expect("let go");
    shop.store.drain().await;
    assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 11);
    shop.assert_sums_agree().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_knows_what_became_of_a_batch_that_was_lost() {
    let shop = Shop::open(1, 50).await;
    let doomed = Runtime::new().expect("a runtime");
    let store = shop.store_on(doomed.handle()).await;
    let holder = shop.hold(1).await;
    let lost = tokio::spawn(async move { store.book(command(1, 1)).await });
    shop.until_waiting(1).await;
    // Drops the batch where it is, as a panic would.
    doomed.shutdown_background();
    let lost = lost.await.expect("no panic");
    let unknown = matches!(lost, Err(BookError::Store(StoreError::OutcomeUnknown(_))));
    assert!(unknown, "{lost:?}");
    drop(holder);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_waited_past_the_beginning_is_too_late() {
    let shop = Shop::open(1, 50).await;
    let holder = shop.hold(1).await;
    let late = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    // Behind the beginning of the transaction that waits.
    holder
        .batch_execute("UPDATE events SET start_at = clock_timestamp() WHERE id = 1; COMMIT")
        .await
        .expect("let go");
    let late = late.await.expect("no panic");
    assert!(matches!(late, Err(BookError::EventStarted(_))), "{late:?}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_for_a_lock_in_vain_are_told_together() {
    const LOCK_TIMEOUT: Duration = Duration::from_millis(500);
    let shop = Shop::open_with(1, 50, |settings| settings.lock_timeout = LOCK_TIMEOUT).await;
    let holder = shop.hold(1).await;
    let asked = Instant::now();
    let answers = all((0..40)
        .map(|_| shop.book(command(1, 1)))
        .collect::<Vec<_>>())
    .await;
    let busy = |answer: &Result<_, _>| matches!(answer, Err(BookError::Store(StoreError::Busy(_))));
    assert!(answers.iter().all(busy), "{answers:?}");
    // Two or three batches, not forty.
    assert!(asked.elapsed() < 20 * LOCK_TIMEOUT, "{:?}", asked.elapsed());
    drop(holder);
    shop.close().await;
}

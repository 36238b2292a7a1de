//! Pausing sales while bookings are under way: what was true when a booking's facts
//! were read stays true until it is made, or the pause waits for it.

use std::sync::Arc;
use std::time::Duration;

use adapters_postgres::PgSalesControl;
use domain::model::{Page, PageLimit};
use domain::ports::{BookError, BookingStore, SalesControl, StoreError};
use tokio::task::JoinHandle;

use super::shop::{Shop, command, event};
use super::support;

fn control(shop: &Shop) -> Arc<PgSalesControl> {
    Arc::new(PgSalesControl::new(shop.database.clone()))
}

/// Waits until that many sessions wait for a lock, and fails if the task ends before.
async fn until_waiting_with<T>(shop: &Shop, sessions: i64, task: &JoinHandle<T>) {
    shop.until_waiting_or(sessions, || task.is_finished()).await;
    assert!(!task.is_finished(), "did not wait for the booking");
}

async fn assert_paused(shop: &Shop, event_id: i64) {
    let refused = shop.store.book(command(2, event_id)).await;
    let paused = matches!(refused, Err(BookError::SalesPaused(id)) if id == event(event_id));
    assert!(paused, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_a_booking_that_is_about_to_be_committed() {
    let shop = Shop::open(2, 50).await;
    let control = control(&shop);
    let totals = shop.hold_totals().await;
    let booking = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let pausing = tokio::spawn(async move { control.pause(event(1)).await });
    until_waiting_with(&shop, 2, &pausing).await;
    totals.batch_execute("COMMIT").await.expect("let go");
    assert!(booking.await.expect("no panic").is_ok());
    pausing.await.expect("no panic").expect("paused");
    assert_paused(&shop, 1).await;
    assert!(shop.store.book(command(1, 2)).await.is_ok());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_all_waits_for_every_booking_that_is_about_to_be_committed() {
    let shop = Shop::open(2, 50).await;
    let (control, other) = (control(&shop), tokio::runtime::Handle::current());
    let other = Arc::new(shop.store_on(&other).await);
    let totals = shop.hold_totals().await;
    let booking = shop.book(command(1, 1));
    let elsewhere = other.clone();
    let elsewhere = tokio::spawn(async move { elsewhere.book(command(1, 2)).await });
    shop.until_waiting(2).await;
    let pausing = tokio::spawn(async move { control.pause_all().await });
    until_waiting_with(&shop, 3, &pausing).await;
    totals.batch_execute("COMMIT").await.expect("let go");
    assert!(booking.await.expect("no panic").is_ok());
    assert!(elsewhere.await.expect("no panic").is_ok());
    pausing.await.expect("no panic").expect("paused");
    assert_paused(&shop, 1).await;
    let refused = other.book(command(1, 2)).await;
    let paused = matches!(refused, Err(BookError::SalesPaused(_)));
    assert!(paused, "{refused:?}");
    other.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_waited_for_its_event_past_a_pause_is_refused() {
    for pause_all in [true, false] {
        let shop = Shop::open(1, 50).await;
        let control = control(&shop);
        let holder = shop.hold(1).await;
        let booking = shop.book(command(1, 1));
        shop.until_waiting(1).await;
        if pause_all {
            // It waits for nobody who waits for an event.
            control.pause_all().await.expect("paused");
        } else {
            let pause = "UPDATE events SET sales_paused_at = now() WHERE id = 1";
            holder.batch_execute(pause).await.expect("paused");
        }
        holder.batch_execute("COMMIT").await.expect("let go");
        let refused = booking.await.expect("no panic");
        let paused = matches!(refused, Err(BookError::SalesPaused(_)));
        assert!(paused, "{refused:?}");
        assert_eq!(shop.number("SELECT count(*) FROM bookings").await, 0);
        shop.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_of_all_holds_even_if_a_booking_before_it_does_not_end() {
    let shop = Shop::open(2, 50).await;
    let mut hasty = support::settings(&shop.name, Duration::from_secs(60));
    hasty.lock_timeout = Duration::from_millis(300);
    let control = PgSalesControl::new(support::connect(&hasty).await);
    let totals = shop.hold_totals().await;
    let booking = shop.book(command(1, 1));
    shop.until_waiting(1).await;
    let paused = control.pause_all().await;
    let unknown = matches!(paused, Err(StoreError::OutcomeUnknown(_)));
    assert!(unknown, "{paused:?}");
    assert_paused(&shop, 2).await;
    let told = control.paused(Page::first(PageLimit::MAX)).await;
    assert!(told.expect("told").all_paused_at.is_some());
    totals.batch_execute("COMMIT").await.expect("let go");
    assert!(booking.await.expect("no panic").is_ok());
    control.pause_all().await.expect("now nobody sells");
    shop.close().await;
}

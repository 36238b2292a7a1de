//! What whoever watches is told of batches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use adapters_postgres::PgBookingStore;
use domain::model::{Capacity, EventId};
use domain::ports::{BookingStore, SeatsWatch};
use futures::future::join_all;

use crate::shop::{Shop, command};

#[derive(Debug, Default)]
struct Told(Mutex<Vec<(i64, u32)>>);

impl SeatsWatch for Told {
    fn seats_left(&self, seats_left: &BTreeMap<EventId, Capacity>) {
        let mut told = self.0.lock().expect("not poisoned");
        told.extend(seats_left.iter().map(|(id, left)| (id.get(), left.get())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_what_each_batch_left_before_its_buyers_are() {
    let shop = Shop::open(2, 3).await;
    let told = Arc::new(Told::default());
    let watch: Arc<dyn SeatsWatch> = told.clone();
    let store = PgBookingStore::observed(shop.database.clone(), None, Some(watch));
    let last = || told.0.lock().expect("not poisoned").last().copied();

    let first = store.book(command(1, 1)).await.expect("a seat");
    assert_eq!(last(), Some((1, 2)));
    store.book(command(2, 2)).await.expect("a seat");
    assert_eq!(last(), Some((2, 2)));
    let cancelled = store.cancel(first.booking_id).await;
    cancelled.expect("a booking");
    assert_eq!(last(), Some((1, 3)));
    // Five for three seats: what each batch left is told in its order.
    let buyers = (1..=5).map(|user| store.book(command(user, 1)));
    let sold = join_all(buyers).await.into_iter().filter(Result::is_ok);
    assert_eq!(sold.count(), 3);
    assert_eq!(last(), Some((1, 0)));
    let told_before = told.0.lock().expect("not poisoned").len();
    assert!(store.book(command(1, 1)).await.is_err());
    assert_eq!(last(), Some((1, 0)), "also where nothing was sold");
    assert!(told.0.lock().expect("not poisoned").len() > told_before);
    assert!(store.book(command(1, 99)).await.is_err());
    assert_eq!(last(), Some((1, 0)), "there is no such event");
    store.drain().await;
    shop.close().await;
}

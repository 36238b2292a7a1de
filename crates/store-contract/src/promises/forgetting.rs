//! Forgetting idempotency keys, in a store that was told to keep them for no
//! time at all.

use domain::model::BookingStatus;

use crate::Bench;
use crate::parallel::{parallel, patiently};

async fn forget(bench: &Bench, keys_max: usize) -> usize {
    let forgotten = patiently(|| bench.maintenance().forget_keys(keys_max)).await;
    let forgotten = forgotten.expect("looked");
    assert!(forgotten <= keys_max, "{forgotten} of at most {keys_max}");
    forgotten
}

/// Forgets until so many keys went. A key is old once the store's clock has
/// moved on, which may take a moment.
async fn forget_all(bench: &Bench, keys_max: usize, keys: usize) {
    const ATTEMPTS_MAX: usize = 10_000;
    let mut forgotten = 0;
    for _ in 0..ATTEMPTS_MAX {
        forgotten += forget(bench, keys_max).await;
        if forgotten >= keys {
            break;
        }
    }
    assert_eq!(forgotten, keys);
}

pub async fn old_keys_are_forgotten_in_pieces_and_each_is_counted_once(bench: Bench) {
    let event = bench.event(100).await;
    for keys_max in [1, 2, 3, 100] {
        let user = bench.user().await;
        for number in 0..3 {
            let key = format!("key {number}");
            bench
                .try_book_once(user, event, 1, &key)
                .await
                .expect("booked");
        }
        forget_all(&bench, keys_max, 3).await;
        assert_eq!(forget(&bench, keys_max).await, 0);
    }
    bench.assert_adds_up(event).await;
}

pub async fn a_forgotten_key_is_free_and_its_booking_stays(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(9).await);
    let first = bench.try_book_once(user, event, 1, "key").await;
    let first = first.expect("booked").booking_id;
    forget_all(&bench, 10, 1).await;
    let status = bench.find_booking(first).await.status;
    assert_eq!(status, BookingStatus::Confirmed);
    let second = bench.try_book_once(user, event, 2, "key").await;
    let second = second.expect("the key is free");
    assert!(!second.replayed);
    assert_ne!(second.booking_id, first);
    assert_eq!(bench.history(user).await.len(), 2);
    bench.assert_adds_up(event).await;
}

pub async fn keys_are_forgotten_by_many_at_the_same_time(bench: Bench) {
    let (user, event) = (bench.user().await, bench.event(100).await);
    for number in 0..20 {
        let key = format!("key {number}");
        bench
            .try_book_once(user, event, 1, &key)
            .await
            .expect("booked");
    }
    let forgotten = parallel(8, |_| {
        let bench = bench.clone();
        async move { forget(&bench, 5).await }
    })
    .await;
    let forgotten: usize = forgotten.into_iter().sum();
    assert!(forgotten <= 20, "{forgotten}");
    // Whoever is beside another may pass by what that one has in hand.
    forget_all(&bench, 5, 20 - forgotten).await;
    assert_eq!(forget(&bench, 5).await, 0);
    assert_eq!(bench.history(user).await.len(), 20);
    bench.assert_adds_up(event).await;
}

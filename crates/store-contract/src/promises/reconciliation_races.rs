//! Comparing and repairing while others book.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::model::{EventId, GlanceBounds, UserId};
use domain::rules::compare;
use domain::usecases::Remedy;

use crate::parallel::{parallel, patiently};
use crate::{Damage, ReconciliationBench};

const BOUNDS: GlanceBounds = GlanceBounds {
    events_max: 3,
    bookings_max: 1_000,
};

/// Tasks that book, cancel, resize and delete, and steps of each.
const SELLERS: usize = 6;
const STEPS: usize = 40;

/// Somebody who sells, until this is dropped, in a panic too.
struct Selling(Arc<AtomicUsize>);

impl Drop for Selling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Books with and without a key, cancels, resizes; now and then publishes an event,
/// sells some of it and deletes it.
async fn sell(bench: &ReconciliationBench, user: UserId, events: &[EventId], number: usize) {
    for step in 0..STEPS {
        let event = events[(number + step) % events.len()];
        match (number + step) % 7 {
            0 => {
                let booking = bench.try_book(user, event, 2).await;
                if let Ok(booked) = booking {
                    bench.cancel(booked.booking_id).await;
                }
            }
            1 => {
                let key = format!("{number} {step}");
                let _ = bench.try_book_once(user, event, 1, &key).await;
            }
            2 => {
                let seats = i64::try_from(60 + step).expect("small");
                let _ = bench.resize(event, seats).await;
            }
            3 if step % 3 == 0 => {
                let gone = bench.event(10).await;
                let _ = bench.try_book(user, gone, 1).await;
                bench.delete(gone).await;
                let marked = patiently(|| bench.maintenance().finish_deletions(5)).await;
                marked.expect("marked");
            }
            _ => {
                let _ = bench.try_book(user, event, 1).await;
            }
        }
    }
}

/// Looks everywhere, as often as there is somebody who sells.
async fn look(bench: &ReconciliationBench, events: &[EventId], selling: &AtomicUsize) {
    let store = bench.backend().reconciliation();
    let (mut all, mut upcoming, mut keys) = (None, None, None);
    while selling.load(Ordering::SeqCst) > 0 {
        // A store in memory never waits, and lets nobody else on this thread.
        tokio::task::yield_now().await;
        let glance = patiently(|| store.glance_at_all(all, BOUNDS)).await;
        let glance = glance.expect("looked");
        let differences: Vec<_> = glance.counted.iter().flat_map(compare).collect();
        assert_eq!(differences, [], "{:?}", glance.counted);
        all = glance.next;
        let glance = patiently(|| store.glance_at_upcoming(upcoming, BOUNDS)).await;
        let glance = glance.expect("looked");
        let differences: Vec<_> = glance.counted.iter().flat_map(compare).collect();
        assert_eq!(differences, [], "{:?}", glance.counted);
        upcoming = glance.next;
        let glance = patiently(|| store.check_keys(keys.clone(), 20)).await;
        let glance = glance.expect("looked");
        assert_eq!(glance.faults, []);
        keys = glance.next;
        assert_eq!(bench.check_total().await, None);
        assert_eq!(bench.repair_total().await, None);
        for event in events {
            assert_eq!(bench.check(*event).await, []);
            assert_eq!(bench.repair(*event).await, []);
        }
    }
}

/// Events, and a user for each seller.
async fn market(bench: &ReconciliationBench) -> (Vec<EventId>, Vec<UserId>) {
    let mut events = Vec::new();
    for _ in 0..3 {
        events.push(bench.event(60).await);
    }
    let mut users = Vec::new();
    for _ in 0..SELLERS {
        users.push(bench.user().await);
    }
    (events, users)
}

pub async fn beside_traffic_nothing_looks_different(bench: ReconciliationBench) {
    let (events, users) = market(&bench).await;
    let selling = Arc::new(AtomicUsize::new(SELLERS));
    parallel(SELLERS + 2, |number| {
        let (bench, events, selling) = (bench.clone(), events.clone(), selling.clone());
        let user = users.get(number).copied();
        async move {
            match user {
                Some(user) => {
                    let _selling = Selling(selling);
                    sell(&bench, user, &events, number).await;
                }
                None => look(&bench, &events, &selling).await,
            }
        }
    })
    .await;
    for event in events {
        bench.assert_adds_up(event).await;
    }
    assert_eq!(bench.reconcile(Remedy::Tell).await, []);
}

pub async fn of_parallel_repairs_one_finds_what_was_wrong(bench: ReconciliationBench) {
    let (user, event) = (bench.user().await, bench.event(50).await);
    bench.book(user, event, 1).await;
    for round in 0..5 {
        bench.damage(Damage::SeatsAvailable(event, round)).await;
        bench.damage(Damage::Figure(event, Some(round + 7))).await;
        bench.damage(Damage::Total(round + 1)).await;
        let found = parallel(8, |number| {
            let bench = bench.clone();
            async move {
                match number % 2 {
                    0 => bench.repair(event).await.len(),
                    _ => usize::from(bench.repair_total().await.is_some()),
                }
            }
        })
        .await;
        let of_event: Vec<_> = found
            .iter()
            .step_by(2)
            .filter(|found| **found > 0)
            .collect();
        assert_eq!(of_event, [&2], "{found:?}");
        // The total is compared with figures that are being repaired: whoever
        // comes last finds what is left of it.
        bench.repair_total().await;
        bench.assert_adds_up(event).await;
        bench.damage(Damage::Total(3)).await;
        let found = parallel(6, |_| {
            let bench = bench.clone();
            async move { bench.repair_total().await.is_some() }
        })
        .await;
        let found = found.into_iter().filter(|found| *found);
        assert_eq!(found.count(), 1);
        bench.assert_adds_up(event).await;
    }
}

pub async fn what_is_wrong_is_put_right_beside_traffic(bench: ReconciliationBench) {
    let (events, users) = market(&bench).await;
    let selling = Arc::new(AtomicUsize::new(SELLERS));
    let found = parallel(SELLERS + 2, |number| {
        let (bench, events, selling) = (bench.clone(), events.clone(), selling.clone());
        let user = users.get(number).copied();
        async move {
            if let Some(user) = user {
                let _selling = Selling(selling);
                sell(&bench, user, &events, number).await;
                return 0;
            }
            let mut found = 0;
            loop {
                tokio::task::yield_now().await;
                bench.damage(Damage::Total(3)).await;
                bench.damage(Damage::Figure(events[0], None)).await;
                found += bench.reconcile(Remedy::Repair).await.len();
                if selling.load(Ordering::SeqCst) == 0 {
                    break;
                }
            }
            found
        }
    })
    .await;
    // What one has damaged another may have found.
    assert!(found.iter().sum::<usize>() > 0, "nothing was ever found");
    // Those who repair may have met in the middle.
    bench.reconcile(Remedy::Repair).await;
    assert_eq!(bench.reconcile(Remedy::Tell).await, []);
    for event in events {
        bench.assert_adds_up(event).await;
    }
}

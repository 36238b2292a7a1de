//! Whoever stops waiting for an answer leaves all of the effect or none.

use domain::ports::{DeleteEventError, RegisterError};

use crate::Bench;
use crate::bench::order;
use crate::compare::assert_matches;
use crate::parallel::patiently;
use crate::seed::Seeded;
use crate::values::{capacity, new_user};

/// Waits for a call a while and then drops it: at once, or up to some
/// milliseconds later, by powers of two so that early and late are tried alike.
pub(crate) async fn abandon<F: Future>(call: F, chance: &mut fastrand::Rng) -> Option<F::Output> {
    let yields = 1_u32 << chance.u32(0..14);
    let yields = chance.u32(0..yields);
    let give_up = async {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = call => Some(answer),
        () = give_up => None,
    }
}

pub async fn a_booking_is_made_whole_or_not_at_all(bench: Bench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let (user, event) = (bench.user().await, bench.event(1000).await);
    let commands: Vec<_> = (0..100)
        .map(|number| order(user, event, 3, Some(&format!("key {number}"))))
        .collect();
    for command in &commands {
        abandon(bench.bookings().book(command.clone()), &mut chance).await;
    }
    // Whatever became of the first attempts, repeating settles each of them.
    for command in &commands {
        let booked = patiently(|| bench.bookings().book(command.clone())).await;
        booked.expect("booked or repeated");
    }
    assert_eq!(bench.history(user).await.len(), commands.len());
    assert_eq!(bench.seats_left(event).await, 700);
    bench.assert_adds_up(event).await;
}

pub async fn bookings_dropped_in_a_crowd_are_made_whole_or_not_at_all(bench: Bench) {
    let seeded = Seeded::new();
    let event = bench.event(200).await;
    let user = bench.user().await;
    let chances: Vec<_> = (0..8).map(|number| seeded.chance(number)).collect();
    crate::parallel::parallel(8, |number| {
        let (bench, mut chance) = (bench.clone(), chances[number].clone());
        async move {
            for turn in 0..20 {
                let command = order(user, event, 1, Some(&format!("{number} {turn}")));
                abandon(bench.bookings().book(command.clone()), &mut chance).await;
                let booked = patiently(|| bench.bookings().book(command.clone())).await;
                booked.expect("booked or repeated");
            }
        }
    })
    .await;
    assert_eq!(bench.history(user).await.len(), 160);
    assert_eq!(bench.seats_left(event).await, 40);
    bench.assert_adds_up(event).await;
}

pub async fn a_cancellation_is_made_whole_or_not_at_all(bench: Bench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let (user, event) = (bench.user().await, bench.event(100).await);
    let mut bookings = Vec::new();
    for _ in 0..50 {
        bookings.push(bench.book(user, event, 2).await);
    }
    for booking in &bookings {
        abandon(bench.bookings().cancel(*booking), &mut chance).await;
    }
    for booking in &bookings {
        bench.cancel(*booking).await;
    }
    assert_eq!(bench.seats_left(event).await, 100);
    bench.assert_adds_up(event).await;
}

pub async fn a_registration_is_made_whole_or_not_at_all(bench: Bench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    for number in 0..50 {
        let user = new_user(&format!("user{number}@example.org"), Some("Somebody"));
        abandon(bench.users().register(user.clone()), &mut chance).await;
        let again = patiently(|| bench.users().register(user.clone())).await;
        assert_matches!(again, Ok(_) | Err(RegisterError::EmailTaken(_)));
    }
    assert_eq!(bench.user_list().await.len(), 50);
}

pub async fn a_resize_and_a_deletion_are_made_whole_or_not_at_all(bench: Bench) {
    let seeded = Seeded::new();
    let mut chance = seeded.chance(0);
    let user = bench.user().await;
    for _ in 0..25 {
        let event = bench.event(5).await;
        bench.book(user, event, 3).await;
        let grow = domain::model::EventChange {
            capacity: Some(capacity(9)),
            ..Default::default()
        };
        abandon(bench.events().change(event, grow), &mut chance).await;
        bench.resize(event, 9).await.expect("resized");
        assert_eq!(bench.seats_left(event).await, 6);
        bench.assert_adds_up(event).await;
        abandon(bench.events().delete(event), &mut chance).await;
        let again = patiently(|| bench.events().delete(event)).await;
        assert_matches!(again, Ok(()) | Err(DeleteEventError::EventNotFound(_)));
        assert_eq!(bench.report().await, (0, vec![]));
    }
}

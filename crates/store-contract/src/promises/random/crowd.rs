//! Many at the same time, each doing random things. Nobody can say what the
//! answers should be, but the final state must be the one they describe.

use std::collections::{BTreeMap, BTreeSet};

use domain::model::{
    BookSeats, Booked, BookingId, BookingStatus, Cancelled, ChangedEvent, EventChange, EventId,
    IdempotencyKey, UserId,
};
use domain::ports::{BookError, CancelError, ChangeEventError, DeleteEventError};

use super::operation::{Operation, Scale, World};
use crate::Bench;
use crate::compare::assert_matches;
use crate::parallel::{parallel, patiently};
use crate::seed::{Seeded, steps};

const PEOPLE: usize = 12;
const EVENTS: usize = 4;
const USERS: usize = 5;
const SEATS: i64 = 30;

/// What somebody was told.
#[derive(Debug)]
enum Told {
    Booked(BookSeats, Result<Booked, BookError>),
    Cancelled(Result<Cancelled, CancelError>),
    Changed(EventId, EventChange, Result<ChangedEvent, ChangeEventError>),
    Deleted(EventId, Result<(), DeleteEventError>),
}

pub async fn a_crowd_leaves_what_its_answers_say(bench: Bench) {
    let seeded = Seeded::new();
    let mut world = World::default();
    for _ in 0..USERS {
        world.users.push(bench.user().await);
    }
    for _ in 0..EVENTS {
        world.events.push(bench.event(SEATS).await);
    }
    let chances: Vec<_> = (0..PEOPLE as u64)
        .map(|number| seeded.chance(number))
        .collect();
    let told = parallel(PEOPLE, |number| {
        somebody(bench.clone(), world.clone(), chances[number].clone())
    })
    .await;
    seeded.doing(format!("{told:#?}"));
    let told: Vec<_> = told.into_iter().flatten().collect();
    check_keys(&told);
    let mut total = 0;
    for event in &world.events {
        total += check_event(&bench, *event, &told).await;
    }
    assert_eq!(bench.report().await.0, total, "the sum over all events");
    for user in &world.users {
        let history: BTreeSet<_> = bench.history(*user).await.iter().map(|b| b.id).collect();
        assert_eq!(history, made(&told, |command| command.user_id == *user));
    }
}

async fn somebody(bench: Bench, mut world: World, mut chance: fastrand::Rng) -> Vec<Told> {
    let scale = Scale {
        users_max: 0,
        events_max: 0,
        seats_max: SEATS,
        keys: 12,
    };
    let mut told = Vec::new();
    for _ in 0..steps(25) {
        match world.draw(&scale, &mut chance) {
            Operation::Book(command) => {
                let answer = patiently(|| bench.bookings().book(command.clone())).await;
                // Others' bookings are cancelled too: keys are shared.
                world
                    .bookings
                    .extend(answer.as_ref().map(|booked| booked.booking_id));
                told.push(Told::Booked(command, answer));
            }
            Operation::Cancel(booking) => {
                let answer = patiently(|| bench.bookings().cancel(booking)).await;
                told.push(Told::Cancelled(answer));
            }
            Operation::Change(event, change) => {
                let answer = bench.change(event, change.clone()).await;
                told.push(Told::Changed(event, change, answer));
            }
            // Rarely: a deleted event is a quiet one.
            Operation::Delete(event) if chance.u32(0..8) == 0 => {
                let answer = patiently(|| bench.events().delete(event)).await;
                told.push(Told::Deleted(event, answer));
            }
            Operation::FinishDeletions(most) => {
                let marked = patiently(|| bench.maintenance().finish_deletions(most)).await;
                assert!(marked.expect("marked") <= most);
            }
            Operation::ForgetKeys(most) => {
                let forgotten = patiently(|| bench.maintenance().forget_keys(most)).await;
                assert_eq!(forgotten.expect("looked"), 0, "all are young");
            }
            Operation::Pause(Some(event)) => {
                // It may have been deleted.
                let _ = patiently(|| bench.control().pause(event)).await;
            }
            Operation::Resume(Some(event)) => {
                let _ = patiently(|| bench.control().resume(event)).await;
            }
            Operation::Pause(None) => {
                bench.pause_all().await;
            }
            Operation::Resume(None) => bench.resume_all().await,
            Operation::Delete(_) | Operation::Register(_) | Operation::Publish(_) => {}
        }
    }
    told
}

/// The bookings that were made, replays left out.
fn made(told: &[Told], wanted: impl Fn(&BookSeats) -> bool) -> BTreeSet<BookingId> {
    let made = told.iter().filter_map(|told| match told {
        Told::Booked(command, Ok(booked)) if !booked.replayed && wanted(command) => {
            Some(booked.booking_id)
        }
        _ => None,
    });
    made.collect()
}

/// Each key made one booking; who asked for the same got it, who asked for
/// something else was refused.
fn check_keys(told: &[Told]) {
    let mut bound: BTreeMap<(UserId, IdempotencyKey), (BookSeats, BookingId)> = BTreeMap::new();
    for told in told {
        if let Told::Booked(command, Ok(booked)) = told
            && let Some(key) = &command.idempotency_key
            && !booked.replayed
        {
            let binding = (command.clone(), booked.booking_id);
            let before = bound.insert((command.user_id, key.clone()), binding);
            assert_eq!(before, None, "{key:?} made two bookings");
        }
    }
    for told in told {
        let Told::Booked(command, answer) = told else {
            continue;
        };
        let key = command.idempotency_key.clone();
        let binding = key.and_then(|key| bound.get(&(command.user_id, key)));
        match answer {
            Ok(booked) => {
                assert_eq!(
                    (booked.user_id, booked.event_id),
                    (command.user_id, command.event_id)
                );
                assert_eq!(booked.seats, command.seats);
                if command.idempotency_key.is_some() {
                    assert_eq!(binding, Some(&(command.clone(), booked.booking_id)));
                } else {
                    assert!(!booked.replayed);
                }
            }
            Err(BookError::KeyReused(_)) => {
                let (first, _) = binding.expect("a key that is bound");
                assert_ne!(first, command);
            }
            Err(refused) => assert_matches!(
                refused,
                BookError::UserNotFound(_)
                    | BookError::EventNotFound(_)
                    | BookError::EventStarted(_)
                    | BookError::SalesPaused(_)
                    | BookError::NotEnoughSeats { .. }
            ),
        }
    }
}

/// The sums of one event. Gives its confirmed bookings.
async fn check_event(bench: &Bench, event_id: EventId, told: &[Told]) -> i64 {
    let mut left = SEATS;
    let mut sizes = BTreeSet::from([SEATS]);
    let mut returned = BTreeSet::new();
    let mut deletions = 0;
    for told in told {
        match told {
            Told::Booked(_, Ok(booked)) if !booked.replayed && booked.event_id == event_id => {
                left -= i64::from(booked.seats.get());
            }
            Told::Cancelled(Ok(cancelled)) if cancelled.event_id == event_id => {
                if let Some(seats) = cancelled.seats_returned {
                    left += i64::from(seats.get());
                    assert!(returned.insert(cancelled.booking_id), "{cancelled:?} again");
                }
            }
            Told::Changed(id, change, Ok(changed)) if *id == event_id => {
                left += changed.seats_gained;
                sizes.extend(change.capacity.map(|size| i64::from(size.get())));
            }
            Told::Deleted(id, Ok(())) if *id == event_id => deletions += 1,
            _ => {}
        }
    }
    let bookings = bench.attendance(event_id).await;
    let listed: BTreeSet<_> = bookings
        .iter()
        .map(|attended| attended.booking.id)
        .collect();
    assert_eq!(listed, made(told, |command| command.event_id == event_id));
    assert_eq!(listed.len(), bookings.len());
    let confirmed = bookings.iter().map(|attended| &attended.booking);
    let confirmed: BTreeSet<_> = confirmed
        .filter(|booking| booking.status == BookingStatus::Confirmed)
        .map(|booking| booking.id)
        .collect();
    assert!(deletions <= 1, "deleted {deletions} times");
    if deletions == 1 {
        assert_eq!(confirmed, BTreeSet::new());
        bench.catalogue().find(event_id).await.expect_err("hidden");
        return 0;
    }
    assert_eq!(
        confirmed,
        &listed - &returned,
        "what nobody cancelled is confirmed"
    );
    let event = bench.find_event(event_id).await;
    assert_eq!(
        i64::from(event.seats_available().get()),
        left,
        "event {event_id}"
    );
    assert!(sizes.contains(&i64::from(event.capacity().get())));
    bench.assert_adds_up(event_id).await;
    confirmed.len() as i64
}

//! One operation after the other; the model must give the same answer to each,
//! and everything that can be read must be what the model holds.

use std::fmt::Debug;

use domain::model::{BookSeats, EventId, EventSeats, NewUser, PageLimit};
use domain::ports::FindEventError;

use super::operation::{Operation, Scale, World};
use crate::Bench;
use crate::bench::confirmed;
use crate::paging::walk;
use crate::parallel::patiently;
use crate::reference::{Model, Stamp};
use crate::seed::{Seeded, steps};
use crate::values::{limit, year};

/// The stamp of something that the store has refused to make: if the model
/// makes it, the answers differ. Later than what has started and earlier than
/// what has not.
fn no_stamp() -> Stamp {
    Stamp {
        id: i64::MAX,
        at: year(2050),
    }
}

pub async fn a_sequence_is_answered_as_by_the_model(bench: Bench) {
    let scale = Scale {
        users_max: 6,
        events_max: 8,
        seats_max: 60,
        keys: 30,
    };
    Run::new(bench, scale).play().await;
}

pub async fn a_sequence_at_small_events_is_answered_as_by_the_model(bench: Bench) {
    let scale = Scale {
        users_max: 3,
        events_max: 4,
        seats_max: 6,
        keys: 4,
    };
    Run::new(bench, scale).play().await;
}

struct Run {
    bench: Bench,
    scale: Scale,
    world: World,
    model: Model,
}

impl Run {
    fn new(bench: Bench, scale: Scale) -> Self {
        Self {
            bench,
            scale,
            world: World::default(),
            model: Model::default(),
        }
    }

    async fn play(mut self) {
        let seeded = Seeded::new();
        let mut chance = seeded.chance(0);
        for step in 1..=steps(250) {
            let operation = self.world.draw(&self.scale, &mut chance);
            seeded.doing(format!("step {step}: {operation:?}"));
            self.apply(operation).await;
            self.check(limit(chance.usize(1..=12))).await;
        }
    }

    /// Does it to both and compares the answers.
    async fn apply(&mut self, operation: Operation) {
        let bench = self.bench.clone();
        match operation {
            Operation::Register(user) => self.register(user).await,
            Operation::Publish(details) => {
                let event = bench.events().publish(details.clone()).await;
                let event = event.expect("published");
                assert_eq!(event, self.model.publish(details, event.id().get()));
                self.world.events.push(event.id());
            }
            Operation::Book(command) => self.book(command).await,
            Operation::Cancel(booking) => {
                let answer = patiently(|| bench.bookings().cancel(booking)).await;
                assert_same(&answer, &self.model.cancel(booking));
            }
            Operation::Change(event, change) => {
                let answer = bench.change(event, change.clone()).await;
                assert_same(&answer, &self.model.change(event, change));
            }
            Operation::Delete(event) => {
                let answer = patiently(|| bench.events().delete(event)).await;
                assert_same(&answer, &self.model.delete(event));
            }
            Operation::Pause(Some(event)) => {
                let answer = patiently(|| bench.control().pause(event)).await;
                let at = *answer.as_ref().unwrap_or(&no_stamp().at);
                assert_same(&answer, &self.model.pause(event, at));
            }
            Operation::Pause(None) => {
                let at = bench.pause_all().await;
                assert_eq!(at, self.model.pause_all(at));
            }
            Operation::Resume(Some(event)) => {
                let answer = patiently(|| bench.control().resume(event)).await;
                assert_same(&answer, &self.model.resume(event));
            }
            Operation::Resume(None) => {
                bench.resume_all().await;
                self.model.resume_all();
            }
            // How much a piece does is the store's; that nothing changes to
            // the eye is checked after it.
            Operation::FinishDeletions(most) => {
                let marked = bench.maintenance().finish_deletions(most).await;
                assert!(marked.expect("marked") <= most);
            }
            Operation::ForgetKeys(most) => {
                let forgotten = bench.maintenance().forget_keys(most).await;
                assert_eq!(forgotten.expect("looked"), 0, "all are young");
            }
        }
    }

    async fn register(&mut self, user: NewUser) {
        let answer = patiently(|| self.bench.users().register(user.clone())).await;
        let stamp = answer.as_ref().map_or(no_stamp(), |user| Stamp {
            id: user.id.get(),
            at: user.created_at,
        });
        assert_same(&answer, &self.model.register(user, stamp));
        self.world.users.extend(answer.map(|user| user.id));
    }

    async fn book(&mut self, command: BookSeats) {
        let answer = patiently(|| self.bench.bookings().book(command.clone())).await;
        let mut stamp = no_stamp();
        if let Ok(booked) = &answer
            && !booked.replayed
        {
            let booking = self.bench.find_booking(booked.booking_id).await;
            stamp = Stamp {
                id: booking.id.get(),
                at: booking.created_at,
            };
            self.world.bookings.push(booking.id);
        }
        assert_same(&answer, &self.model.book(command, stamp));
    }

    /// Compares everything that can be read.
    async fn check(&self, entries: PageLimit) {
        let (bench, model) = (&self.bench, &self.model);
        assert_eq!(bench.user_list().await, model.users());
        let events = walk(entries, |page| async move {
            let listing = bench.catalogue().list(false, page).await;
            listing.expect("the events")
        })
        .await;
        assert_eq!(events, model.events());
        let upcoming: Vec<_> = events
            .into_iter()
            .filter(|event| event.start_at() > year(2050))
            .collect();
        assert_eq!(bench.event_list(true).await, upcoming);
        let seats = bench.catalogue().seats_of_upcoming(None, 100).await;
        let expected: Vec<_> = upcoming.iter().map(EventSeats::from).collect();
        assert_eq!(seats.expect("the seats"), expected);
        let (total, figures) = bench.report().await;
        assert_eq!(figures, model.sales());
        let expected: i64 = figures.iter().map(|sales| sales.confirmed_bookings).sum();
        assert_eq!(total, expected, "the sum over all events");
        let paused = (model.all_paused_at(), model.paused());
        assert_eq!(bench.paused().await, paused);
        for event in &self.world.events {
            self.check_event(*event, entries).await;
        }
        for user in &self.world.users {
            let history = walk(entries, |page| bench.history_page(*user, page)).await;
            assert_eq!(Some(history), model.history(*user));
        }
        if let Some(last) = self.world.bookings.last() {
            assert_eq!(Some(bench.find_booking(*last).await), model.booking(*last));
        }
    }

    /// An event and its bookings, with the model and without.
    async fn check_event(&self, event_id: EventId, entries: PageLimit) {
        let bench = &self.bench;
        let bookings = walk(entries, |page| bench.attendance_page(event_id, page)).await;
        assert_eq!(Some(&bookings), self.model.attendance(event_id).as_ref());
        let event = bench.catalogue().find(event_id).await;
        let expected = self.model.event(event_id);
        assert_same(
            &event,
            &expected.ok_or(FindEventError::EventNotFound(event_id)),
        );
        let confirmed = confirmed(bookings.iter().map(|attended| &attended.booking));
        let confirmed: u32 = confirmed.iter().map(|booking| booking.seats.get()).sum();
        match event {
            Ok(event) => assert_eq!(
                event.seats_available().get() + confirmed,
                event.capacity().get(),
                "event {event_id}: seats left and confirmed seats are the capacity"
            ),
            Err(_) => assert_eq!(confirmed, 0, "event {event_id} is deleted"),
        }
    }
}

/// Errors have no equality, but all that they say is in their `Debug` text;
/// trouble in the store equals nothing that the model says.
fn assert_same<T: Debug, E: Debug>(answer: &Result<T, E>, expected: &Result<T, E>) {
    assert_eq!(
        format!("{answer:?}"),
        format!("{expected:?}"),
        "the store's answer and the model's"
    );
}

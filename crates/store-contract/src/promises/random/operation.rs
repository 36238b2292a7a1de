//! What is done at random, and to what.

use domain::model::{BookSeats, BookingId, EventChange, EventId, NewUser, PublishEvent, UserId};
use fastrand::Rng;

use crate::bench::order;
use crate::values::{
    capacity, details, later, name, new_user, no_booking, no_event, nobody, past, venue,
};

/// One thing to do to a store.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Register(NewUser),
    Publish(PublishEvent),
    Book(BookSeats),
    Cancel(BookingId),
    Change(EventId, EventChange),
    Delete(EventId),
    FinishDeletions(usize),
    ForgetKeys(usize),
    /// Pause an event, or all sales.
    Pause(Option<EventId>),
    /// The reverse.
    Resume(Option<EventId>),
}

/// How large things are and how much there is of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) users_max: usize,
    pub(super) events_max: usize,
    pub(super) seats_max: i64,
    pub(super) keys: u32,
}

/// What operations can be about.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) users: Vec<UserId>,
    pub(super) events: Vec<EventId>,
    pub(super) bookings: Vec<BookingId>,
}

impl World {
    /// An operation, mostly on something that exists.
    pub(super) fn draw(&self, scale: &Scale, chance: &mut Rng) -> Operation {
        loop {
            match chance.u32(0..100) {
                0..6 if self.users.len() < scale.users_max => {
                    let number = chance.usize(0..scale.users_max * 2);
                    let name = chance.bool().then_some("Somebody 🎭");
                    return Operation::Register(new_user(&format!("u{number}@example.com"), name));
                }
                6..12 if self.events.len() < scale.events_max => {
                    return Operation::Publish(publication(scale, chance));
                }
                12..60 => return Operation::Book(self.order(scale, chance)),
                60..78 => return Operation::Cancel(self.booking(chance)),
                78..85 => return Operation::Change(self.event(chance), change(scale, chance)),
                85..87 => return Operation::Pause(self.events_or_all(chance)),
                87..91 => return Operation::Resume(self.events_or_all(chance)),
                91..93 => return Operation::Delete(self.event(chance)),
                93..97 => return Operation::FinishDeletions(chance.usize(1..4)),
                97..100 => return Operation::ForgetKeys(chance.usize(1..4)),
                _ => {}
            }
        }
    }

    fn order(&self, scale: &Scale, chance: &mut Rng) -> BookSeats {
        let user = match chance.u32(0..20) {
            0 => nobody(),
            _ => chance.choice(&self.users).copied().unwrap_or(nobody()),
        };
        let key = chance
            .bool()
            .then(|| format!("key {}", chance.u32(0..scale.keys)));
        let count = chance.i64(1..=2 + scale.seats_max / 4);
        order(user, self.event(chance), count, key.as_deref())
    }

    fn event(&self, chance: &mut Rng) -> EventId {
        match chance.u32(0..20) {
            0 => no_event(),
            _ => chance.choice(&self.events).copied().unwrap_or(no_event()),
        }
    }

    fn events_or_all(&self, chance: &mut Rng) -> Option<EventId> {
        (chance.u32(0..4) > 0).then(|| self.event(chance))
    }

    /// Rather a late one: early ones are cancelled soon.
    fn booking(&self, chance: &mut Rng) -> BookingId {
        let from = self.bookings.len().saturating_sub(20);
        match chance.u32(0..20) {
            0 => no_booking(),
            1 => chance
                .choice(&self.bookings)
                .copied()
                .unwrap_or(no_booking()),
            _ => chance
                .choice(&self.bookings[from..])
                .copied()
                .unwrap_or(no_booking()),
        }
    }
}

fn publication(scale: &Scale, chance: &mut Rng) -> PublishEvent {
    let size = chance.i64(0..=scale.seats_max);
    let start_at = match chance.u32(0..6) {
        0 => past(),
        // Few different ones, so that some are equal.
        _ => later(chance.i64(0..3)),
    };
    PublishEvent {
        venue: chance.bool().then(|| venue("Hall ಬ")),
        ..details(&format!("Event {}", chance.u32(0..4)), start_at, size)
    }
}

fn change(scale: &Scale, chance: &mut Rng) -> EventChange {
    let mut some = |wanted: u32| chance.u32(0..4) < wanted;
    let (named, placed, moved, resized) = (some(1), some(1), some(1), some(3));
    let start_at = match chance.u32(0..4) {
        0 => past(),
        _ => later(chance.i64(0..3)),
    };
    EventChange {
        name: named.then(|| name(&format!("Renamed {}", chance.u32(0..4)))),
        venue: placed.then(|| venue(&format!("Hall {}", chance.u32(0..4)))),
        start_at: moved.then_some(start_at),
        capacity: resized.then(|| capacity(chance.i64(0..=scale.seats_max))),
    }
}

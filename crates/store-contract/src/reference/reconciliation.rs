//! Reconciliation in memory. The model keeps nothing twice, so there is nothing to
//! differ but what a test says is kept otherwise.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use domain::model::{
    Booking, BookingId, BookingStatus, Capacity, ConfirmedSums, Deletion, EventDifference,
    EventFigures, EventId, Glance, GlanceBounds, IdempotencyKey, KeyFault, KeyFaultKind, KeyGlance,
    KeyPlace, SeatCount, Timeline, TotalDifference,
};
use domain::ports::{Reconciliation, StoreError};

use super::memory::MemoryStore;
use super::model::{Model, Stamp};
use crate::Damage;

/// How what is kept differs from what the bookings say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drifts {
    /// So many seats left too many.
    seats: BTreeMap<EventId, i64>,
    /// So many confirmed bookings too many; `None` where there is no figure.
    figures: BTreeMap<EventId, Option<i64>>,
    /// So many confirmed bookings too many over all events.
    total: i64,
    /// Deleted events whose bookings nobody marks.
    unmarked: BTreeSet<EventId>,
}

impl Drifts {
    pub(super) fn seats(&self, event_id: EventId) -> i64 {
        self.seats.get(&event_id).copied().unwrap_or(0)
    }

    /// What is kept where so many bookings are confirmed.
    pub(super) fn figure(&self, event_id: EventId, confirmed: i64) -> Option<i64> {
        match self.figures.get(&event_id) {
            Some(None) => None,
            Some(Some(drift)) => Some(confirmed + drift),
            None => Some(confirmed),
        }
    }

    pub(super) fn total(&self) -> i64 {
        self.total
    }

    pub(super) fn is_unmarked(&self, event_id: EventId) -> bool {
        self.unmarked.contains(&event_id)
    }

    /// An event with so many confirmed bookings is deleted: what was kept of it
    /// goes, and of the sum over all events what its figure said.
    pub(super) fn delete(&mut self, event_id: EventId, confirmed: i64) {
        self.total += confirmed - self.figure(event_id, confirmed).unwrap_or(0);
        self.seats.remove(&event_id);
        self.figures.remove(&event_id);
    }
}

impl Model {
    fn damage(&mut self, damage: Damage, stamp: Stamp) {
        match damage {
            Damage::SeatsAvailable(event_id, kept) => {
                let due = self.seats_due(event_id);
                self.drifts.seats.insert(event_id, i64::from(kept) - due);
            }
            Damage::Figure(event_id, kept) => {
                let due = self.confirmed_sums(event_id).bookings;
                let drift = kept.map(|kept| i64::from(kept) - due);
                self.drifts.figures.insert(event_id, drift);
            }
            Damage::Total(more) => self.drifts.total += i64::from(more),
            Damage::Booking(user_id, event_id, seats) => {
                *self.drifts.seats.entry(event_id).or_default() += i64::from(seats);
                if let Some(drift) = self.drifts.figures.entry(event_id).or_insert(Some(0)) {
                    *drift -= 1;
                }
                self.drifts.total -= 1;
                let booking = Booking {
                    id: BookingId::try_new(stamp.id).expect("positive"),
                    user_id,
                    event_id,
                    seats: SeatCount::try_new(seats.into()).expect("a number of seats"),
                    status: BookingStatus::Confirmed,
                    created_at: stamp.at,
                };
                self.bookings.insert(booking.id, booking);
            }
            Damage::Marking(event_id) => drop(self.drifts.unmarked.insert(event_id)),
            Damage::Key(user_id, booking_id, event_id) => {
                let key = IdempotencyKey::parse("damage").expect("a key");
                self.bind_by_hand(user_id, key, booking_id, event_id, stamp.at);
            }
        }
    }

    /// Not below 0 only if the event is not oversold.
    fn seats_due(&self, event_id: EventId) -> i64 {
        let show = &self.events[&event_id];
        let capacity = i64::from(show.details.capacity.get());
        match show.deleted {
            true => capacity,
            false => capacity - self.confirmed_sums(event_id).seats,
        }
    }

    fn confirmed_sums(&self, event_id: EventId) -> ConfirmedSums {
        ConfirmedSums {
            bookings: i64::try_from(self.confirmed(event_id).count()).expect("few"),
            seats: self.confirmed_seats(event_id),
        }
    }

    fn figures(&self, event_id: EventId) -> Option<EventFigures> {
        let show = self.events.get(&event_id)?;
        let confirmed = self.confirmed_sums(event_id);
        let kept = self.seats_due(event_id) + self.drifts.seats(event_id);
        let of_event = |booking: &&Booking| booking.event_id == event_id;
        let bookings = self.bookings.values().filter(of_event).count();
        let is_pending = confirmed.bookings > 0 && !self.drifts.is_unmarked(event_id);
        let has_figure = !show.deleted || self.drifts.figures.contains_key(&event_id);
        let figure = self.drifts.figure(event_id, confirmed.bookings);
        Some(EventFigures {
            event_id,
            start_at: show.details.start_at,
            deletion: Deletion::of(show.deleted, is_pending),
            capacity: show.details.capacity,
            seats_available: Capacity::try_new(kept).expect("never negative"),
            confirmed_bookings: figure.filter(|_| has_figure),
            bookings: i64::try_from(bookings).expect("few"),
            confirmed,
        })
    }

    /// Worked out without the rule that the adapters use.
    fn differences(&self, event_id: EventId) -> Vec<EventDifference> {
        let Some(figures) = self.figures(event_id) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let left = self.seats_due(event_id);
        let seats = Capacity::try_new(left.max(0)).expect("in range");
        if figures.seats_available != seats {
            found.push(EventDifference::SeatsAvailable {
                kept: figures.seats_available,
                due: seats,
            });
        }
        let is_deleted = figures.deletion != Deletion::None;
        let due = (!is_deleted).then_some(figures.confirmed.bookings);
        if figures.confirmed_bookings != due {
            found.push(EventDifference::ConfirmedBookings {
                kept: figures.confirmed_bookings,
                due,
            });
        }
        if is_deleted && self.drifts.is_unmarked(event_id) && figures.confirmed.bookings > 0 {
            found.push(EventDifference::Unmarked {
                bookings: figures.confirmed.bookings,
            });
        }
        if left < 0 {
            found.push(EventDifference::Oversold {
                capacity: figures.capacity,
                confirmed_seats: figures.confirmed.seats,
            });
        }
        found
    }

    fn repair(&mut self, event_id: EventId) -> Vec<EventDifference> {
        let found = self.differences(event_id);
        if found.is_empty() {
            return found;
        }
        // An oversold event keeps 0, which is too many.
        let too_many = (-self.seats_due(event_id)).max(0);
        self.drifts.seats.insert(event_id, too_many);
        self.drifts.figures.remove(&event_id);
        self.drifts.unmarked.remove(&event_id);
        found
    }

    fn total_difference(&self) -> Option<TotalDifference> {
        let live = self.events().into_iter().map(|event| event.id());
        let (mut kept, mut due) = (self.drifts.total, 0);
        for event_id in live {
            let confirmed = self.confirmed_sums(event_id).bookings;
            kept += confirmed;
            due += self.drifts.figure(event_id, confirmed).unwrap_or(0);
        }
        // What somebody says of a deleted event is added up too.
        for (event_id, show) in &self.events {
            if show.deleted
                && let Some(figures) = self.figures(*event_id)
            {
                due += figures.confirmed_bookings.unwrap_or(0);
            }
        }
        (kept != due).then_some(TotalDifference { kept, due })
    }

    fn glance<Place>(
        &self,
        events: Vec<EventId>,
        bounds: GlanceBounds,
        place: impl Fn(&EventFigures) -> Place,
    ) -> Glance<Place> {
        let events = events.into_iter().take(bounds.events_max);
        let events: Vec<_> = events.filter_map(|id| self.figures(id)).collect();
        Glance::of(events, bounds, place)
    }
}

impl MemoryStore {
    /// Does that behind the back of the ports.
    pub fn damage(&self, damage: Damage) {
        let mut state = self.state();
        let stamp = state.stamp();
        state.model.damage(damage, stamp);
    }
}

#[async_trait]
impl Reconciliation for MemoryStore {
    async fn glance_at_upcoming(
        &self,
        after: Option<Timeline>,
        bounds: GlanceBounds,
    ) -> Result<Glance<Timeline>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        let place_of = |event: &EventFigures| Timeline {
            at: event.start_at,
            id: event.event_id.get(),
        };
        let events = state.model.events().into_iter().filter(|event| {
            let place = Timeline {
                at: event.start_at(),
                id: event.id().get(),
            };
            event.start_at() > now && after.is_none_or(|after| place > after)
        });
        let events = events.map(|event| event.id()).collect();
        Ok(state.model.glance(events, bounds, place_of))
    }

    async fn glance_at_all(
        &self,
        after: Option<EventId>,
        bounds: GlanceBounds,
    ) -> Result<Glance<EventId>, StoreError> {
        let model = &self.state().model;
        let events = model.events.keys().copied();
        let events = events.filter(|id| after.is_none_or(|after| *id > after));
        Ok(model.glance(events.collect(), bounds, |event| event.event_id))
    }

    async fn figures(&self, event_id: EventId) -> Result<Option<EventFigures>, StoreError> {
        Ok(self.state().model.figures(event_id))
    }

    async fn check_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        Ok(self.state().model.differences(event_id))
    }

    async fn repair_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        Ok(self.state().model.repair(event_id))
    }

    async fn check_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        Ok(self.state().model.total_difference())
    }

    async fn repair_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        let model = &mut self.state().model;
        let difference = model.total_difference();
        if let Some(TotalDifference { kept, due }) = difference {
            model.drifts.total += due - kept;
        }
        Ok(difference)
    }

    async fn check_keys(
        &self,
        after: Option<KeyPlace>,
        keys_max: usize,
    ) -> Result<KeyGlance, StoreError> {
        let model = &self.state().model;
        let (mut faults, mut places) = (Vec::new(), Vec::new());
        for ((user_id, key), (command, booking_id, _)) in &model.keys {
            let place = KeyPlace {
                user_id: user_id.get(),
                key: key.as_str().to_owned(),
            };
            if after.as_ref().is_some_and(|after| place <= *after) {
                continue;
            }
            if places.len() == keys_max {
                break;
            }
            places.push(place);
            let kind = match model.bookings.get(booking_id) {
                None => KeyFaultKind::NoBooking,
                Some(booking)
                    if booking.user_id == *user_id
                        && booking.event_id == command.event_id
                        && booking.seats == command.seats =>
                {
                    continue;
                }
                Some(_) => KeyFaultKind::AnotherBooking,
            };
            faults.push(KeyFault {
                user_id: *user_id,
                booking_id: *booking_id,
                kind,
            });
        }
        Ok(KeyGlance {
            keys: places.len(),
            next: places.pop().filter(|_| places.len() + 1 == keys_max),
            faults,
        })
    }
}

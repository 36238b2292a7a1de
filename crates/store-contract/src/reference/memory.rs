//! The model behind the store ports: one mutex, and a clock that never gives
//! the same microsecond twice.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::model::{
    AttendedBooking, AuditRecord, BookSeats, Booked, Booking, BookingId, Cancelled, ChangedEvent,
    Event, EventChange, EventId, EventSeats, Listing, NewUser, Page, Pointed, PublishEvent,
    SalesReport, Timeline, TopSellers, User, UserId,
};
use domain::ports::{
    BookError, BookingRecords, BookingStore, CancelError, ChangeEventError, DeleteEventError,
    DemoStore, EventBookingsError, EventCatalogue, EventStore, FindBookingError, FindEventError,
    HistoryError, Maintenance, Probe, ProbeError, RegisterError, SalesReports, StoreError,
    UserStore,
};

use super::api_keys::ApiKeys;
use super::sessions::Logins;
use super::{Model, Stamp};

/// All store ports in memory. Lasts as long as the value does.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    keep_keys: TimeDelta,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) model: Model,
    pub(super) logins: Logins,
    pub(super) api_keys: ApiKeys,
    pub(super) audit: Vec<AuditRecord>,
    ids: i64,
    last: DateTime<Utc>,
}

impl State {
    /// Later than every time before.
    pub(super) fn now(&mut self) -> DateTime<Utc> {
        #[allow(clippy::disallowed_methods, reason = "this is a store's clock")]
        let now = Utc::now().trunc_subsecs(6);
        self.last = now.max(self.last + TimeDelta::microseconds(1));
        self.last
    }

    pub(super) fn stamp(&mut self) -> Stamp {
        self.ids += 1;
        Stamp {
            id: self.ids,
            at: self.now(),
        }
    }
}

impl MemoryStore {
    /// An empty store that keeps idempotency keys for that long.
    pub fn keeping_keys(keep_keys: Duration) -> Self {
        Self {
            state: Mutex::default(),
            keep_keys: TimeDelta::from_std(keep_keys).expect("less than 292 million years"),
        }
    }

    /// Gives every user and every booking one and the same time.
    pub fn level_times(&self) {
        let mut state = self.state();
        let now = state.now();
        state.model.level_times(now);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

/// The entries behind a place of a list in its order, as `is_behind` says.
pub(super) fn listing<T: Pointed>(
    entries: Vec<T>,
    page: Page<T::Cursor>,
    is_behind: impl Fn(T::Cursor, T::Cursor) -> bool,
) -> Listing<T> {
    let entries = entries.into_iter().filter(|entry| match page.after {
        Some(after) => is_behind(entry.cursor(), after),
        None => true,
    });
    Listing::from_one_more(entries.take(page.limit.get() + 1).collect(), page.limit)
}

#[async_trait]
impl UserStore for MemoryStore {
    async fn register(&self, user: NewUser) -> Result<User, RegisterError> {
        let mut state = self.state();
        let stamp = state.stamp();
        state.model.register(user, stamp)
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<User>, StoreError> {
        let users = self.state().model.users();
        Ok(listing(users, page, |entry, after| entry < after))
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn publish(&self, mut event: PublishEvent) -> Result<Event, StoreError> {
        let mut state = self.state();
        event.start_at = event.start_at.trunc_subsecs(6);
        let id = state.stamp().id;
        Ok(state.model.publish(event, id))
    }

    async fn change(
        &self,
        event_id: EventId,
        mut change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        change.start_at = change.start_at.map(|start_at| start_at.trunc_subsecs(6));
        self.state().model.change(event_id, change)
    }

    async fn delete(&self, event_id: EventId) -> Result<(), DeleteEventError> {
        self.state().model.delete(event_id)
    }
}

#[async_trait]
impl EventCatalogue for MemoryStore {
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError> {
        let event = self.state().model.event(event_id);
        event.ok_or(FindEventError::EventNotFound(event_id))
    }

    async fn list(
        &self,
        upcoming_only: bool,
        page: Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        let mut events = state.model.events();
        events.retain(|event| !upcoming_only || event.start_at() > now);
        Ok(listing(events, page, |entry, after| entry > after))
    }

    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError> {
        let mut state = self.state();
        let now = state.now();
        let events = state.model.events().into_iter();
        let upcoming = events.filter(|event| {
            event.start_at() > now && after.is_none_or(|after| event.cursor() > after)
        });
        let seats = upcoming
            .take(events_max)
            .map(|event| EventSeats::from(&event));
        Ok(seats.collect())
    }

    async fn seats_of(&self, event_id: EventId) -> Result<Option<EventSeats>, StoreError> {
        let event = self.state().model.event(event_id);
        Ok(event.as_ref().map(EventSeats::from))
    }
}

#[async_trait]
impl BookingStore for MemoryStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let mut state = self.state();
        let stamp = state.stamp();
        state.model.book(command, stamp)
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        self.state().model.cancel(booking_id)
    }
}

#[async_trait]
impl BookingRecords for MemoryStore {
    async fn find(&self, booking_id: BookingId) -> Result<Booking, FindBookingError> {
        let booking = self.state().model.booking(booking_id);
        booking.ok_or(FindBookingError::BookingNotFound(booking_id))
    }

    async fn of_user(
        &self,
        user_id: UserId,
        page: Page<Timeline>,
    ) -> Result<Listing<Booking>, HistoryError> {
        let history = self.state().model.history(user_id);
        let history = history.ok_or(HistoryError::UserNotFound(user_id))?;
        Ok(listing(history, page, |entry, after| entry < after))
    }

    async fn of_event(
        &self,
        event_id: EventId,
        page: Page<Timeline>,
    ) -> Result<Listing<AttendedBooking>, EventBookingsError> {
        let bookings = self.state().model.attendance(event_id);
        let bookings = bookings.ok_or(EventBookingsError::EventNotFound(event_id))?;
        Ok(listing(bookings, page, |entry, after| entry < after))
    }
}

#[async_trait]
impl SalesReports for MemoryStore {
    async fn report(&self, page: Page<TopSellers>) -> Result<SalesReport, StoreError> {
        let model = &self.state().model;
        let sales = model.sales();
        Ok(SalesReport {
            confirmed_bookings_total: model.confirmed_total(),
            events: listing(sales, page, |entry, after| entry < after),
        })
    }
}

#[async_trait]
impl Maintenance for MemoryStore {
    async fn finish_deletions(&self, bookings_max: usize) -> Result<usize, StoreError> {
        Ok(self.state().model.finish_deletions(bookings_max))
    }

    async fn forget_keys(&self, keys_max: usize) -> Result<usize, StoreError> {
        let mut state = self.state();
        let before = state.now() - self.keep_keys;
        Ok(state.model.forget_keys(before, keys_max))
    }
}

#[async_trait]
impl DemoStore for MemoryStore {
    async fn ensure(
        &self,
        users: Vec<NewUser>,
        events: Vec<PublishEvent>,
        lead: TimeDelta,
    ) -> Result<Vec<EventSeats>, StoreError> {
        let mut state = self.state();
        for user in users {
            let stamp = state.stamp();
            // An address that is in use stays as it is.
            let _ = state.model.register(user, stamp);
        }
        let mut seats = Vec::new();
        for mut details in events {
            let Stamp { id, at } = state.stamp();
            details.start_at = at + lead;
            let known = state.model.events().into_iter();
            let known = known.filter(|event| *event.name() == details.name);
            let event = match known.min_by_key(Event::id) {
                None => state.model.publish(details, id),
                Some(event) if event.start_at() > at => event,
                Some(event) => {
                    let ahead = EventChange {
                        start_at: Some(details.start_at),
                        ..EventChange::default()
                    };
                    let moved = state.model.change(event.id(), ahead);
                    moved.expect("nothing to refuse").event
                }
            };
            seats.push(EventSeats::from(&event));
        }
        Ok(seats)
    }
}

#[async_trait]
impl Probe for MemoryStore {
    async fn check(&self) -> Result<(), ProbeError> {
        Ok(())
    }
}

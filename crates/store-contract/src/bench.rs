//! The box office as promises use it: short calls that fail the test on
//! trouble, and the sums that must always add up.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use domain::model::{
    AttendedBooking, BookSeats, Booked, Booking, BookingId, BookingStatus, Cancelled, ChangedEvent,
    Event, EventChange, EventId, EventSales, NewUser, Page, PageLimit, PausedEvent, User, UserId,
};
use domain::ports::{BookError, ChangeEventError};

use crate::Bench;
use crate::paging::walk;
use crate::parallel::patiently;
use crate::values::{capacity, details, first_password, future, key, new_user, seats};

impl Bench {
    pub(crate) fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Registers somebody new.
    pub(crate) async fn user(&self) -> UserId {
        let email = format!("user{}@example.com", self.next());
        let mut user = new_user(&email, Some("Somebody"));
        user.password = Some(first_password());
        self.register(user).await.id
    }

    pub(crate) async fn register(&self, user: NewUser) -> User {
        self.users().register(user).await.expect("registered")
    }

    /// Publishes an event that is to come.
    pub(crate) async fn event(&self, seats: i64) -> EventId {
        self.event_at(future(), seats).await
    }

    pub(crate) async fn event_at(&self, start_at: DateTime<Utc>, seats: i64) -> EventId {
        let name = format!("Event {}", self.next());
        let event = self.events().publish(details(&name, start_at, seats)).await;
        event.expect("published").id()
    }

    pub(crate) async fn find_event(&self, event_id: EventId) -> Event {
        self.catalogue().find(event_id).await.expect("the event")
    }

    pub(crate) async fn seats_left(&self, event_id: EventId) -> u32 {
        self.find_event(event_id).await.seats_available().get()
    }

    pub(crate) async fn change(
        &self,
        event_id: EventId,
        change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        patiently(|| self.events().change(event_id, change.clone())).await
    }

    pub(crate) async fn resize(
        &self,
        event_id: EventId,
        seats: i64,
    ) -> Result<ChangedEvent, ChangeEventError> {
        let resize = EventChange {
            capacity: Some(capacity(seats)),
            ..EventChange::default()
        };
        self.change(event_id, resize).await
    }

    pub(crate) async fn start_at(&self, event_id: EventId, start_at: DateTime<Utc>) {
        let change = EventChange {
            start_at: Some(start_at),
            ..EventChange::default()
        };
        self.change(event_id, change).await.expect("moved");
    }

    pub(crate) async fn delete(&self, event_id: EventId) {
        patiently(|| self.events().delete(event_id))
            .await
            .expect("deleted");
    }

    /// Pauses an event. Since when is it?
    pub(crate) async fn pause(&self, event_id: EventId) -> DateTime<Utc> {
        let paused = patiently(|| self.control().pause(event_id)).await;
        paused.expect("paused")
    }

    pub(crate) async fn resume(&self, event_id: EventId) {
        let resumed = patiently(|| self.control().resume(event_id)).await;
        resumed.expect("resumed");
    }

    /// Pauses all sales. Since when are they?
    pub(crate) async fn pause_all(&self) -> DateTime<Utc> {
        let paused = patiently(|| self.control().pause_all()).await;
        paused.expect("paused")
    }

    pub(crate) async fn resume_all(&self) {
        let resumed = patiently(|| self.control().resume_all()).await;
        resumed.expect("resumed");
    }

    /// The pause of all, and the events that are paused by themselves.
    pub(crate) async fn paused(&self) -> (Option<DateTime<Utc>>, Vec<PausedEvent>) {
        let events = walk(PageLimit::MAX, |page| self.paused_page(page)).await;
        let first = self.control().paused(Page::first(PageLimit::MAX)).await;
        (first.expect("what is paused").all_paused_at, events)
    }

    pub(crate) async fn paused_page(
        &self,
        page: Page<domain::model::Timeline>,
    ) -> domain::model::Listing<PausedEvent> {
        self.control().paused(page).await.expect("a page").events
    }

    pub(crate) async fn try_book(
        &self,
        user_id: UserId,
        event_id: EventId,
        count: i64,
    ) -> Result<Booked, BookError> {
        let command = order(user_id, event_id, count, None);
        patiently(|| self.bookings().book(command.clone())).await
    }

    pub(crate) async fn book(&self, user_id: UserId, event_id: EventId, count: i64) -> BookingId {
        let booked = self.try_book(user_id, event_id, count).await;
        booked.expect("booked").booking_id
    }

    pub(crate) async fn try_book_once(
        &self,
        user_id: UserId,
        event_id: EventId,
        count: i64,
        name: &str,
    ) -> Result<Booked, BookError> {
        let command = order(user_id, event_id, count, Some(name));
        patiently(|| self.bookings().book(command.clone())).await
    }

    pub(crate) async fn cancel(&self, booking_id: BookingId) -> Cancelled {
        patiently(|| self.bookings().cancel(booking_id))
            .await
            .expect("cancelled")
    }

    pub(crate) async fn find_booking(&self, booking_id: BookingId) -> Booking {
        self.records().find(booking_id).await.expect("the booking")
    }

    pub(crate) async fn history(&self, user_id: UserId) -> Vec<Booking> {
        walk(PageLimit::MAX, |page| self.history_page(user_id, page)).await
    }

    pub(crate) async fn history_page(
        &self,
        user_id: UserId,
        page: Page<domain::model::Timeline>,
    ) -> domain::model::Listing<Booking> {
        let listing = self.records().of_user(user_id, page).await;
        listing.expect("the history")
    }

    pub(crate) async fn attendance(&self, event_id: EventId) -> Vec<AttendedBooking> {
        walk(PageLimit::MAX, |page| self.attendance_page(event_id, page)).await
    }

    pub(crate) async fn attendance_page(
        &self,
        event_id: EventId,
        page: Page<domain::model::Timeline>,
    ) -> domain::model::Listing<AttendedBooking> {
        let listing = self.records().of_event(event_id, page).await;
        listing.expect("the event's bookings")
    }

    pub(crate) async fn user_list(&self) -> Vec<User> {
        walk(PageLimit::MAX, |page| async move {
            self.users().list(page).await.expect("the users")
        })
        .await
    }

    pub(crate) async fn event_list(&self, upcoming_only: bool) -> Vec<Event> {
        walk(PageLimit::MAX, |page| async move {
            let listing = self.catalogue().list(upcoming_only, page).await;
            listing.expect("the events")
        })
        .await
    }

    /// The sum over all events and the figures of each.
    pub(crate) async fn report(&self) -> (i64, Vec<EventSales>) {
        let events = walk(PageLimit::MAX, |page| async move {
            self.sales().report(page).await.expect("the report").events
        })
        .await;
        let report = self.sales().report(Page::first(PageLimit::MAX)).await;
        (report.expect("the report").confirmed_bookings_total, events)
    }

    /// Checks an event that nobody is changing: its seats left, its bookings
    /// and its figures tell the same story.
    pub(crate) async fn assert_adds_up(&self, event_id: EventId) {
        let event = self.find_event(event_id).await;
        let bookings = self.attendance(event_id).await;
        let confirmed: Vec<_> = confirmed(bookings.iter().map(|attended| &attended.booking));
        let confirmed_seats: u32 = confirmed.iter().map(|booking| booking.seats.get()).sum();
        assert_eq!(
            event.seats_available().get().checked_add(confirmed_seats),
            Some(event.capacity().get()),
            "event {event_id}: seats left and confirmed seats are the capacity"
        );
        let (_, figures) = self.report().await;
        let sales: Vec<_> = figures
            .iter()
            .filter(|sales| sales.event_id == event_id)
            .collect();
        assert_eq!(sales.len(), 1, "event {event_id} is in the report once");
        assert_eq!(
            (
                sales[0].confirmed_bookings,
                sales[0].confirmed_seats().get()
            ),
            (confirmed.len() as i64, confirmed_seats),
            "the figures of event {event_id}"
        );
        let total: i64 = figures.iter().map(|sales| sales.confirmed_bookings).sum();
        assert_eq!(self.report().await.0, total, "the sum over all events");
    }
}

/// The bookings that hold their seats.
pub(crate) fn confirmed<'b>(bookings: impl Iterator<Item = &'b Booking>) -> Vec<&'b Booking> {
    bookings
        .filter(|booking| booking.status == BookingStatus::Confirmed)
        .collect()
}

pub(crate) fn order(
    user_id: UserId,
    event_id: EventId,
    count: i64,
    name: Option<&str>,
) -> BookSeats {
    BookSeats {
        user_id,
        event_id,
        seats: seats(count),
        idempotency_key: name.map(key),
    }
}

//! Making, cancelling and reading bookings.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{
    AttendedBooking, BookSeats, Booked, Booking, BookingId, Cancelled, Capacity, EventId, Listing,
    Page, SeatCount, Timeline, UserId,
};
use crate::rules::{KeyReused, Refusal, TooManySeats};

/// Why a booking was not made.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// More seats than one booking may have.
    #[error("seats {0}")]
    TooManySeats(#[from] TooManySeats),
    /// Nobody is registered under that id, or they were erased.
    #[error("user {0} not found")]
    UserNotFound(UserId),
    /// An admin suspended the user.
    #[error("user {0} is suspended")]
    UserSuspended(UserId),
    /// There is no such event, or it was deleted.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// The event has begun.
    #[error("event {0} has started")]
    EventStarted(EventId),
    /// Sales of the event are paused, or all sales are.
    #[error("sales of event {0} are paused")]
    SalesPaused(EventId),
    /// Fewer seats are left than were asked for.
    #[error("event {event_id} has {seats_left} seats left, {seats_requested} requested")]
    NotEnoughSeats {
        /// The event.
        event_id: EventId,
        /// What is left.
        seats_left: Capacity,
        /// What was asked for.
        seats_requested: SeatCount,
    },
    /// The idempotency key stands for another request.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BookError {
    /// The error for a command that a rule refused.
    pub fn refused(refusal: Refusal, command: &BookSeats) -> Self {
        match refusal {
            Refusal::UserNotFound => Self::UserNotFound(command.user_id),
            Refusal::UserSuspended => Self::UserSuspended(command.user_id),
            Refusal::EventNotFound => Self::EventNotFound(command.event_id),
            Refusal::EventStarted => Self::EventStarted(command.event_id),
            Refusal::SalesPaused => Self::SalesPaused(command.event_id),
            Refusal::NotEnoughSeats { seats_left } => Self::NotEnoughSeats {
                event_id: command.event_id,
                seats_left,
                seats_requested: command.seats,
            },
            Refusal::KeyReused(reused) => Self::KeyReused(reused),
        }
    }
}

/// Why a cancellation was not made.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is no such booking.
    #[error("booking {0} not found")]
    BookingNotFound(BookingId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a booking could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum FindBookingError {
    /// There is no such booking.
    #[error("booking {0} not found")]
    BookingNotFound(BookingId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a user's history could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Nobody is registered under that id, or they were erased.
    #[error("user {0} not found")]
    UserNotFound(UserId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an event's bookings could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum EventBookingsError {
    /// There never was such an event.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sells seats and takes them back. The boundary of consistency is one event:
/// its seats left, its bookings and the keys that made them.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait BookingStore: Send + Sync {
    /// Makes a booking, or repeats the answer of the one that the same user
    /// made before under the same idempotency key, unless they were erased since.
    ///
    /// Whether it is made is [`allot`](crate::rules::allot)'s decision, on
    /// facts that stay true until the booking is durable. A key is bound in
    /// the same instant as its booking is made, and only then. An adapter may
    /// decide commands of several callers together, with
    /// [`decide`](crate::rules::decide); each is answered as if it were alone.
    ///
    /// # Errors
    /// An adapter MUST return, in this order of precedence,
    /// [`BookError::KeyReused`] for a bound key of another request, and
    /// [`BookError::UserNotFound`], [`BookError::UserSuspended`],
    /// [`BookError::EventNotFound`], [`BookError::EventStarted`],
    /// [`BookError::SalesPaused`], [`BookError::NotEnoughSeats`] as the rule says.
    /// After any of them no trace of the command is left.
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError>;

    /// Cancels a booking and gives its seats back, once: of any number of
    /// calls, at the same time or later, exactly one returns the seats.
    ///
    /// # Errors
    /// An adapter MUST return [`CancelError::BookingNotFound`] for an id that
    /// never was a booking's.
    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError>;
}

/// Shows bookings. Bookings of a deleted event read as cancelled.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait BookingRecords: Send + Sync {
    /// One booking.
    ///
    /// # Errors
    /// An adapter MUST return [`FindBookingError::BookingNotFound`] for an id
    /// that never was a booking's.
    async fn find(&self, booking_id: BookingId) -> Result<Booking, FindBookingError>;

    /// A user's bookings, newest first, equal times by falling id.
    ///
    /// # Errors
    /// An adapter MUST return [`HistoryError::UserNotFound`] for an unknown or
    /// erased user, and an empty page for one who never booked.
    async fn of_user(
        &self,
        user_id: UserId,
        page: Page<Timeline>,
    ) -> Result<Listing<Booking>, HistoryError>;

    /// An event's bookings, newest first, equal times by falling id; also
    /// those of a deleted event and those of erased users.
    ///
    /// # Errors
    /// An adapter MUST return [`EventBookingsError::EventNotFound`] for an id
    /// that never was an event's.
    async fn of_event(
        &self,
        event_id: EventId,
        page: Page<Timeline>,
    ) -> Result<Listing<AttendedBooking>, EventBookingsError>;
}

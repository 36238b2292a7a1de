//! Putting events on sale, changing, deleting and showing them.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{
    ChangedEvent, Event, EventChange, EventId, EventSeats, Listing, Page, PublishEvent, Timeline,
};
use crate::rules::CapacityBelowConfirmed;

/// Why an event was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEventError {
    /// There is no such event, or it was deleted.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// More seats are booked than the event would have.
    #[error("capacity {0}")]
    CapacityBelowConfirmed(#[from] CapacityBelowConfirmed),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an event was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteEventError {
    /// There is no such event, or it was deleted before.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an event could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum FindEventError {
    /// There is no such event, or it was deleted.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Publishes, changes and deletes events.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Puts an event on sale with all its seats free.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn publish(&self, event: PublishEvent) -> Result<Event, StoreError>;

    /// Changes an event as [`change`](crate::rules::change) decides, on facts
    /// that stay true until the change is durable.
    ///
    /// # Errors
    /// An adapter MUST return [`ChangeEventError::EventNotFound`] for an
    /// unknown or deleted event and
    /// [`ChangeEventError::CapacityBelowConfirmed`] as the rule says.
    async fn change(
        &self,
        event_id: EventId,
        change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError>;

    /// Hides an event for good. From the same instant on its bookings read as
    /// cancelled; marking each of them may follow, see
    /// [`Maintenance`](super::Maintenance).
    ///
    /// # Errors
    /// An adapter MUST return [`DeleteEventError::EventNotFound`] for an event
    /// that is unknown or was deleted before.
    async fn delete(&self, event_id: EventId) -> Result<(), DeleteEventError>;
}

/// Shows events that are not deleted.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait EventCatalogue: Send + Sync {
    /// One event.
    ///
    /// # Errors
    /// An adapter MUST return [`FindEventError::EventNotFound`] for an unknown
    /// or deleted event.
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError>;

    /// Events by their beginning, then by id; with `upcoming_only` those that
    /// have not started by the store's clock.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn list(
        &self,
        upcoming_only: bool,
        page: Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError>;

    /// The seats left of upcoming events behind `after`, by their beginning and
    /// then by id, at most `events_max` of them: the truth from which gates are
    /// rebuilt.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError>;

    /// The seats left of one event; `None` when it is unknown or deleted.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn seats_of(&self, event_id: EventId) -> Result<Option<EventSeats>, StoreError>;
}

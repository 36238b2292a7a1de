//! Stopping sales in an emergency, and letting them go on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::model::{EventId, Page, PausedSales, Timeline};

/// Why sales of an event were not paused or resumed.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// There is no such event, or it was deleted.
    #[error("event {0} not found")]
    EventNotFound(EventId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Pauses and resumes sales, of one event and of all. Both are kept apart: an event
/// sells when neither it nor everything is paused. All of it may be done again.
///
/// A pause is exact: once it has returned, no process that shares the store makes a
/// booking that it stops, until sales are resumed. Bookings that were made before may
/// be answered after it. Cancellations, bound idempotency keys and everything that
/// reads go on as ever.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait SalesControl: Send + Sync {
    /// Pauses sales of one event. Returns since when they are: a pause that holds
    /// already keeps its time.
    ///
    /// # Errors
    /// An adapter MUST return [`PauseError::EventNotFound`] for an unknown or
    /// deleted event.
    async fn pause(&self, event_id: EventId) -> Result<DateTime<Utc>, PauseError>;

    /// Ends the pause of one event, if there is one.
    ///
    /// # Errors
    /// An adapter MUST return [`PauseError::EventNotFound`] for an unknown or
    /// deleted event.
    async fn resume(&self, event_id: EventId) -> Result<(), PauseError>;

    /// Pauses all sales, also of events that are published later. Returns since when
    /// they are: a pause that holds already keeps its time.
    ///
    /// # Errors
    /// Only trouble in the store. After [`StoreError::OutcomeUnknown`] the pause may
    /// hold for all that begin to book while bookings that had begun before go on.
    async fn pause_all(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Ends the pause of all sales, if there is one. Events that are paused by
    /// themselves stay so.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn resume_all(&self) -> Result<(), StoreError>;

    /// What is paused: events that are not deleted, the latest pause first, equal
    /// times by falling id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn paused(&self, page: Page<Timeline>) -> Result<PausedSales, StoreError>;
}

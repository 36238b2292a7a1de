//! Comparing what is kept beside the bookings with them, and putting it right.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{
    EventDifference, EventFigures, EventId, Glance, GlanceBounds, KeyGlance, KeyPlace, Timeline,
    TotalDifference,
};

/// Compares seats left, figures and keys with the bookings. The boundary of
/// consistency is one event, or the sum over all of them.
///
/// Every method looks at one state of the store, in which each booking,
/// cancellation and deletion is there as a whole or not at all: whatever is being
/// sold, a store that adds up never looks as if it did not. Safe beside live
/// traffic and beside other processes that do the same.
///
/// A glance MUST read no more than its bounds say, and waits for nobody.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Reconciliation: Send + Sync {
    /// The next events that are to come by the store's clock, by their beginning
    /// and then by id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn glance_at_upcoming(
        &self,
        after: Option<Timeline>,
        bounds: GlanceBounds,
    ) -> Result<Glance<Timeline>, StoreError>;

    /// The next events by id, those that are over and those that were deleted
    /// among them.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn glance_at_all(
        &self,
        after: Option<EventId>,
        bounds: GlanceBounds,
    ) -> Result<Glance<EventId>, StoreError>;

    /// One event, however many bookings it has, without keeping anybody from
    /// booking it; `None` if there never was one of that id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn figures(&self, event_id: EventId) -> Result<Option<EventFigures>, StoreError>;

    /// What [`compare`](crate::rules::compare) finds different of an event that
    /// nobody can change meanwhile. Changes nothing.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn check_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError>;

    /// As [`check_event`](Self::check_event), and in the same instant puts right
    /// what can be repaired. Of any number of calls one finds what was wrong.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn repair_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError>;

    /// How the sum over all events differs from the figures of each. The cost
    /// MUST follow the number of events, not of bookings.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn check_total(&self) -> Result<Option<TotalDifference>, StoreError>;

    /// As [`check_total`](Self::check_total), and puts it right. Of any number of
    /// calls one finds what was wrong.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn repair_total(&self) -> Result<Option<TotalDifference>, StoreError>;

    /// Looks whether each of the next idempotency keys stands for a booking of
    /// its user, for the event and of the seats that were asked for.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn check_keys(
        &self,
        after: Option<KeyPlace>,
        keys_max: usize,
    ) -> Result<KeyGlance, StoreError>;
}

//! Data to try the service with.

use async_trait::async_trait;
use chrono::TimeDelta;

use super::StoreError;
use crate::model::{EventSeats, NewUser, PublishEvent};

/// Makes sure that some users and events exist.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait DemoStore: Send + Sync {
    /// Registers those of the users whose address is free, publishes those of
    /// the events whose name is not in use, and moves an event of such a name
    /// that has started ahead, to `lead` after the store's clock. Each event's
    /// `start_at` is ignored: it begins `lead` from now. Any number of
    /// parallel calls leave one of each. Returns the seats of the events.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn ensure(
        &self,
        users: Vec<NewUser>,
        events: Vec<PublishEvent>,
        lead: TimeDelta,
    ) -> Result<Vec<EventSeats>, StoreError>;
}

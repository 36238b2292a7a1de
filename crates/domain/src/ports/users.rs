//! Registering and listing users.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{Email, Listing, NewUser, Page, Timeline, User};

/// Why somebody was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Somebody has that address already.
    #[error("email {0} is already registered")]
    EmailTaken(Email),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the users.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Registers somebody. Of any number of parallel calls with one address
    /// exactly one succeeds.
    ///
    /// # Errors
    /// An adapter MUST return [`RegisterError::EmailTaken`] when the address
    /// is in use.
    async fn register(&self, user: NewUser) -> Result<User, RegisterError>;

    /// All users but those who were erased, newest first, equal times by falling id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn list(&self, page: Page<Timeline>) -> Result<Listing<User>, StoreError>;
}

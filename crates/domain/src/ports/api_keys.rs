//! Keys of services.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{ApiKey, ApiKeyId, Listing, NewApiKey, Page, SecretDigest, Timeline};

/// Why something could not be done to a key.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// There is no such key, or it was revoked.
    #[error("API key {0} not found")]
    KeyNotFound(ApiKeyId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the keys of services. Only digests of their secrets are stored.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Makes a key.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn create(&self, key: NewApiKey) -> Result<ApiKey, StoreError>;

    /// All keys, revoked ones too, newest first, equal times by falling id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn list(&self, page: Page<Timeline>) -> Result<Listing<ApiKey>, StoreError>;

    /// Replaces a key's secret; the one before is good no more. Name, scopes and
    /// the last use stay.
    ///
    /// # Errors
    /// An adapter MUST return [`ApiKeyError::KeyNotFound`] for an unknown or
    /// revoked key.
    async fn rotate(&self, key_id: ApiKeyId, secret: SecretDigest) -> Result<ApiKey, ApiKeyError>;

    /// Ends a key. Doing it again changes nothing, the time neither.
    ///
    /// # Errors
    /// An adapter MUST return [`ApiKeyError::KeyNotFound`] for a key that never
    /// was.
    async fn revoke(&self, key_id: ApiKeyId) -> Result<(), ApiKeyError>;

    /// The key whose secret this is, if it was neither replaced nor revoked.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn find(&self, secret: SecretDigest) -> Result<Option<ApiKey>, StoreError>;

    /// Records that these keys were used just now. One that never was is passed
    /// over, and a time that is less than a minute ago may be left as it is.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn record_use(&self, key_ids: Vec<ApiKeyId>) -> Result<(), StoreError>;
}

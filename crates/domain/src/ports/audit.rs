//! The audit log.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{AuditEntry, AuditFilter, AuditRecord, Listing, Page, Timeline};

/// Keeps who did what. Entries are added and read, never changed or removed:
/// an adapter MUST have its store refuse that, whoever asks.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds entries, all of them or none, in their order, with the store's
    /// clock as their time: a list shows the last of them first. Nothing that
    /// they name has to exist.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError>;

    /// Entries that fit, newest first, equal times by falling id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn list(
        &self,
        filter: AuditFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<AuditRecord>, StoreError>;
}

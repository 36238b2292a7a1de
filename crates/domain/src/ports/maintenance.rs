//! Work that a store does behind the buyers' backs, in bounded pieces.

use async_trait::async_trait;

use super::StoreError;

/// Housekeeping. Every method does a bounded piece and says how much it did;
/// callers repeat it until that is nothing. Safe beside live traffic and
/// beside other processes that do the same.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Marks bookings of deleted events as cancelled, as they already read.
    /// Returns 0 when nothing is left to do, otherwise how many were marked, and
    /// 1 at least.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn finish_deletions(&self, bookings_max: usize) -> Result<usize, StoreError>;

    /// Forgets idempotency keys that are older than the store was told to
    /// keep them. Returns how many went.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn forget_keys(&self, keys_max: usize) -> Result<usize, StoreError>;
}

//! Figures for organisers.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{Page, SalesReport, TopSellers};

/// Tells how events sell.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait SalesReports: Send + Sync {
    /// The figures of events that are not deleted, most confirmed bookings
    /// first, equal figures by falling id, and the sum over all of them. The
    /// cost MUST follow the length of the page, not the number of bookings
    /// ever made.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn report(&self, page: Page<TopSellers>) -> Result<SalesReport, StoreError>;
}

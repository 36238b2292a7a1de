//! Asking a dependency whether it is there.

use async_trait::async_trait;

use super::Cause;

/// A dependency did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct ProbeError(#[source] pub Cause);

/// Something that can be asked whether it works.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Probe: Send + Sync {
    /// Asks. Answers within a bounded time.
    ///
    /// # Errors
    /// The dependency did not answer, or not in time.
    async fn check(&self) -> Result<(), ProbeError>;
}

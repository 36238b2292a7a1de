//! What the rules need from the outside, split by what has to be consistent
//! with what. One method is one atomic fact: an adapter does all of it or
//! nothing, and there is no transaction, lock or commit to hold open.
//!
//! Rules for every adapter:
//! - a method that returns `Ok` has made its effect durable;
//! - a future that is dropped leaves either all of the effect or none;
//! - [`StoreError`] is only for trouble; every expected refusal has a variant
//!   of its own in the operation's error.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod accounts;
mod api_keys;
mod archive;
mod audit;
mod bookings;
mod demo;
mod events;
mod gate;
mod limiter;
mod maintenance;
mod probe;
mod reconciliation;
mod sales;
mod sales_control;
mod seats_watch;
mod sessions;
mod users;

pub use accounts::{AccountError, AccountStore, RedeemError, SetPasswordError};
pub use api_keys::{ApiKeyError, ApiKeyStore};
pub use archive::{Archive, ExportError, ImportError, RecordSink, RecordSource};
pub use audit::AuditLog;
pub use bookings::{
    BookError, BookingRecords, BookingStore, CancelError, EventBookingsError, FindBookingError,
    HistoryError,
};
pub use demo::DemoStore;
pub use events::{ChangeEventError, DeleteEventError, EventCatalogue, EventStore, FindEventError};
pub use gate::{GateAnswer, GateError, GateFault, GateGeneration, GateReading, NoGate, SeatGate};
pub use limiter::{LimiterError, RateLimiter};
pub use maintenance::Maintenance;
pub use probe::{Probe, ProbeError};
pub use reconciliation::Reconciliation;
pub use sales::SalesReports;
pub use sales_control::{PauseError, SalesControl};
pub use seats_watch::SeatsWatch;
pub use sessions::{BeginSessionError, RefreshError, SessionStore};
pub use users::{RegisterError, UserStore};

#[cfg(feature = "mocks")]
pub mod mocks {
    //! `mockall` mocks of every port.

    pub use super::accounts::MockAccountStore;
    pub use super::api_keys::MockApiKeyStore;
    pub use super::archive::MockArchive;
    pub use super::audit::MockAuditLog;
    pub use super::bookings::{MockBookingRecords, MockBookingStore};
    pub use super::demo::MockDemoStore;
    pub use super::events::{MockEventCatalogue, MockEventStore};
    pub use super::gate::MockSeatGate;
    pub use super::limiter::MockRateLimiter;
    pub use super::maintenance::MockMaintenance;
    pub use super::probe::MockProbe;
    pub use super::reconciliation::MockReconciliation;
    pub use super::sales::MockSalesReports;
    pub use super::sales_control::MockSalesControl;
    pub use super::sessions::MockSessionStore;
    pub use super::users::MockUserStore;
}

/// The cause of a trouble, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Trouble in a store, as opposed to a refusal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store has more to do than it can; nothing was done, try again later.
    #[error("the store is busy")]
    Busy(#[source] Cause),
    /// The store cannot be reached; nothing was done.
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),
    /// The connection broke while the store was making the effect durable: it
    /// may or may not have happened.
    #[error("the store went away before it confirmed the change")]
    OutcomeUnknown(#[source] Cause),
    /// The store answered what it never should: a defect, here or there.
    /// Nothing was done.
    #[error("the store failed")]
    Failed(#[source] Cause),
}

impl StoreError {
    /// The same error for each of those whom it concerns, as often as it is
    /// asked for: for a store that does the work of many callers together. Their
    /// causes name the same number, one for each such failure of this process, by
    /// which lines of a log are seen to tell of one thing.
    pub fn shared(self) -> impl Fn() -> Self {
        let (kind, cause): (fn(Cause) -> Self, Cause) = match self {
            Self::Busy(cause) => (Self::Busy, cause),
            Self::Unavailable(cause) => (Self::Unavailable, cause),
            Self::OutcomeUnknown(cause) => (Self::OutcomeUnknown, cause),
            Self::Failed(cause) => (Self::Failed, cause),
        };
        static FAILURES: AtomicU64 = AtomicU64::new(1);
        let cause = SharedCause {
            number: FAILURES.fetch_add(1, Ordering::Relaxed),
            cause: Arc::from(cause),
        };
        move || kind(Box::new(cause.clone()))
    }
}

/// A cause that several errors have.
#[derive(Debug, Clone)]
struct SharedCause {
    number: u64,
    cause: Arc<dyn Error + Send + Sync>,
}

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (shared failure {})", self.cause, self.number)
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody sees who looks into an error as a log does.
    fn told(error: &(dyn Error + 'static)) -> Vec<String> {
        let mut told = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            told.push(error.to_string());
            cause = error.source();
        }
        told
    }

    #[test]
    fn those_who_share_a_failure_are_told_the_same_cause_and_others_another() {
        #[derive(Debug, thiserror::Error)]
        #[error("no answer")]
        struct NoAnswer(#[source] fmt::Error);

        let fails = || StoreError::Busy(NoAnswer(fmt::Error).into()).shared();
        let (shared, another) = (fails(), fails());
        let first = told(&shared());
        assert_eq!(first, told(&shared()));
        assert_eq!(first[0], "the store is busy");
        assert!(
            first[1].starts_with("no answer (shared failure "),
            "{first:?}"
        );
        assert_eq!(first[2], fmt::Error.to_string());
        assert_ne!(first[1], told(&another())[1]);
    }
}

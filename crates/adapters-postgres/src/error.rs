//! What a driver's error means for whoever asked.

use diesel::result::{DatabaseErrorKind, Error};
use domain::ports::StoreError;

/// PostgreSQL's texts for having waited too long or been told to stop, for breaking a circle of
/// waiting, and for stopping or starting. The driver keeps the error's code to
/// itself, and these texts are not translated unless `lc_messages` says so.
const BUSY: [&str; 3] = [
    "canceling statement",
    "deadlock detected",
    "too many clients",
];
const AWAY: [&str; 3] = [
    "terminating connection",
    "the database system is",
    "shutting down",
];

/// An error of a statement before COMMIT was sent: nothing has happened.
pub(crate) fn before_commit(error: Error) -> StoreError {
    match &error {
        Error::DatabaseError(kind, information) => match kind {
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                StoreError::Unavailable(Box::new(error))
            }
            DatabaseErrorKind::SerializationFailure => StoreError::Busy(Box::new(error)),
            DatabaseErrorKind::ReadOnlyTransaction => StoreError::Unavailable(Box::new(error)),
            _ if BUSY.iter().any(|text| information.message().contains(text)) => {
                StoreError::Busy(Box::new(error))
            }
            _ if AWAY.iter().any(|text| information.message().contains(text)) => {
                StoreError::Unavailable(Box::new(error))
            }
            _ => StoreError::Failed(Box::new(error)),
        },
        Error::BrokenTransactionManager => StoreError::Unavailable(Box::new(error)),
        _ => StoreError::Failed(Box::new(error)),
    }
}

/// An error of COMMIT itself: unless the server said why, it may have happened.
pub(crate) fn at_commit(error: Error) -> StoreError {
    match before_commit(error) {
        StoreError::Unavailable(cause) => StoreError::OutcomeUnknown(cause),
        known => known,
    }
}

/// The store holds something that the model does not allow, or a statement
/// touched other rows than it should: a defect.
pub(crate) fn defect(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

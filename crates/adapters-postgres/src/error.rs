//! What a driver's error means for whoever asked.

use diesel::result::{DatabaseErrorKind, Error};
use domain::model::Invalid;
use domain::ports::StoreError;
use group_commit::{NotDone, NotRun};

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

/// An error of a statement behind which COMMIT was sent: unless the server said
/// why, COMMIT may have happened.
pub(crate) fn with_commit(error: Error) -> StoreError {
    match before_commit(error) {
        StoreError::Unavailable(cause) => StoreError::OutcomeUnknown(cause),
        known => known,
    }
}

/// An error of COMMIT itself. Only what is known to have rolled back has: a
/// server that cannot flush its log goes down with an error whose text is about
/// files, and what it had written may be found when it comes back.
pub(crate) fn at_commit(error: Error) -> StoreError {
    use DatabaseErrorKind::{
        CheckViolation, ExclusionViolation, ForeignKeyViolation, NotNullViolation,
        RestrictViolation, UniqueViolation,
    };
    let refused = matches!(
        &error,
        Error::DatabaseError(
            UniqueViolation
                | ForeignKeyViolation
                | CheckViolation
                | NotNullViolation
                | RestrictViolation
                | ExclusionViolation,
            _
        )
    );
    match with_commit(error) {
        StoreError::Failed(cause) if !refused => StoreError::OutcomeUnknown(cause),
        known => known,
    }
}

/// The store holds something that the model does not allow, or a statement
/// touched other rows than it should: a defect.
pub(crate) fn defect(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

/// Why whoever queued got no answer.
pub(crate) fn no_answer(reason: NotDone) -> StoreError {
    match reason {
        NotDone::NotRun(NotRun::Full | NotRun::Expired) => StoreError::Busy(Box::new(reason)),
        NotDone::NotRun(NotRun::Closed) => StoreError::Unavailable(Box::new(reason)),
        NotDone::Lost => StoreError::OutcomeUnknown(Box::new(reason)),
    }
}

/// As [`defect`], for a stored value.
pub(crate) fn stored(invalid: Invalid) -> StoreError {
    defect(format!("a stored value {invalid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()))
    }

    #[test]
    fn a_commit_that_failed_for_another_reason_than_a_refusal_may_have_happened() {
        let panic = "could not fsync file \"000000010000000000000001\": Input/output error";
        let outcome = at_commit(said(panic));
        assert!(
            matches!(outcome, StoreError::OutcomeUnknown(_)),
            "{outcome:?}"
        );
        let outcome = with_commit(said(panic));
        assert!(matches!(outcome, StoreError::Failed(_)), "{outcome:?}");
        let cancelled = at_commit(said("canceling statement due to statement timeout"));
        assert!(matches!(cancelled, StoreError::Busy(_)), "{cancelled:?}");
        let kind = DatabaseErrorKind::ForeignKeyViolation;
        let refused = at_commit(Error::DatabaseError(kind, Box::new(String::new())));
        assert!(matches!(refused, StoreError::Failed(_)), "{refused:?}");
    }
}

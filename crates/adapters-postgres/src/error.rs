//! What a driver's error means for whoever asked.

use diesel::result::{DatabaseErrorKind, Error};
use domain::model::Invalid;
use domain::ports::StoreError;
use group_commit::{NotDone, NotRun};

/// PostgreSQL's texts for having waited too long or been told to stop, for breaking a circle of
/// waiting, and for stopping or starting. The driver keeps the error's code to
/// itself, and these texts are not translated unless `lc_messages` says so.
const BUSY: [&str; 3] = ["canceling statement", DEADLOCK, "too many clients"];
const DEADLOCK: &str = "deadlock detected";
const AWAY: [&str; 3] = [
    "terminating connection",
    "the database system is",
    "shutting down",
];

/// The system's text, with which PostgreSQL ends: a statement needed room on the disk. Where
/// that is short, nothing is wrong with the data, and all is well when there is some again.
const DISK_FULL: &str = "No space left on device";

/// How often a transaction is tried in all, while others come in between.
pub(crate) const TRIES_MAX: u32 = 3;

/// Another transaction came in between, and nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CameBetween(pub(crate) &'static str);

/// Whether nothing was done because of another transaction that is over now, so that
/// whoever tries again need not fail again: a circle of waiting that PostgreSQL
/// broke, a conflict. Having waited too long for a lock is none.
pub(crate) fn is_race(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|cause| {
        cause.is::<CameBetween>() || cause.downcast_ref::<Error>().is_some_and(is_conflict)
    })
}

fn is_conflict(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => information.message().contains(DEADLOCK),
        _ => false,
    }
}

/// What a driver says of a connection that is closed, for one on which nobody answers.
pub(crate) fn unanswered() -> Error {
    closed("PostgreSQL does not answer any more")
}

/// As [`unanswered`], for one on which COMMIT was not answered within its limit.
pub(crate) fn late() -> Error {
    closed("COMMIT was not answered in time")
}

fn closed(reason: &str) -> Error {
    Error::DatabaseError(
        DatabaseErrorKind::ClosedConnection,
        Box::new(reason.to_owned()),
    )
}

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
            _ if is_disk_full(&error) => StoreError::Unavailable(Box::new(error)),
            _ => StoreError::Failed(Box::new(error)),
        },
        Error::BrokenTransactionManager => StoreError::Unavailable(Box::new(error)),
        _ => StoreError::Failed(Box::new(error)),
    }
}

/// An error of a statement behind which COMMIT was sent: unless the server said
/// why, COMMIT may have happened.
pub(crate) fn with_commit(error: Error) -> StoreError {
    let said_why = is_disk_full(&error);
    match before_commit(error) {
        StoreError::Unavailable(cause) if !said_why => StoreError::OutcomeUnknown(cause),
        known => known,
    }
}

fn is_disk_full(error: &Error) -> bool {
    match error {
        Error::DatabaseError(_, information) => information.message().contains(DISK_FULL),
        _ => false,
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
        StoreError::Failed(cause) | StoreError::Unavailable(cause) if !refused => {
            StoreError::OutcomeUnknown(cause)
        }
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
    fn what_another_transaction_prevented_is_tried_again_and_nothing_else_is() {
        for (error, expected) in [
            (said("deadlock detected"), true),
            (said("canceling statement due to lock timeout"), false),
            (said("the database system is starting up"), false),
            (Error::NotFound, false),
        ] {
            let shown = error.to_string();
            let error = before_commit(error);
            assert_eq!(is_race(&error), expected, "{shown}");
            // However deep it is.
            let error = domain::ports::ChangeEventError::from(error);
            assert_eq!(is_race(&error), expected, "{shown}");
        }
        let kind = DatabaseErrorKind::SerializationFailure;
        let conflict = at_commit(Error::DatabaseError(kind, Box::new(String::new())));
        assert!(is_race(&conflict), "{conflict:?}");
        let came_between = StoreError::Busy(Box::new(CameBetween("a key was let go")));
        assert!(is_race(&came_between), "{came_between:?}");
    }

    #[test]
    fn a_full_disk_is_no_defect_and_in_doubt_at_the_commit_alone() {
        let full = || said("could not extend file \"base/16384/16441\": No space left on device");
        for outcome in [before_commit(full()), with_commit(full())] {
            assert!(matches!(outcome, StoreError::Unavailable(_)), "{outcome:?}");
        }
        let outcome = at_commit(full());
        assert!(
            matches!(outcome, StoreError::OutcomeUnknown(_)),
            "{outcome:?}"
        );
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

//! What a driver's error means for whoever asked.

use diesel::result::{DatabaseErrorKind, Error};
use domain::model::Invalid;
use domain::ports::StoreError;
use group_commit::NotRun;

/// SQLite's texts for its result codes (`sqlite3ErrStr`); the driver keeps the
/// codes to itself, and the texts are never translated.
const BUSY: [&str; 3] = [
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL: another process writes to
    // the file for longer than the busy timeout, as a person at a prompt may.
    "database is locked",
    "database table is locked",
    "locking protocol",
];
const AWAY: [&str; 6] = [
    // SQLITE_FULL, SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_NOMEM,
    // SQLITE_PERM: the disk, not the data; once that is mended, all is well.
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "access permission denied",
];

/// An error of a statement before COMMIT: nothing has happened.
pub(crate) fn before_commit(error: Error) -> StoreError {
    if is_one_of(&error, &BUSY) {
        StoreError::Busy(Box::new(error))
    } else if is_one_of(&error, &AWAY) {
        StoreError::Unavailable(Box::new(error))
    } else {
        StoreError::Failed(Box::new(error))
    }
}

/// An error of COMMIT itself. Only what comes before anything is written is known
/// to have come to nothing: a lock that was not granted (`Busy`) or a constraint
/// (`Failed`). When the disk failed in the middle of it, or whatever else there
/// may be, the whole transaction may lie in the log already, and would count if
/// the process were to start again now.
pub(crate) fn at_commit(error: Error) -> StoreError {
    use DatabaseErrorKind::{
        CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
    };
    let refused = matches!(
        &error,
        Error::DatabaseError(
            UniqueViolation | ForeignKeyViolation | CheckViolation | NotNullViolation,
            _
        )
    );
    match before_commit(error) {
        StoreError::Unavailable(cause) => StoreError::OutcomeUnknown(cause),
        StoreError::Failed(cause) if !refused => StoreError::OutcomeUnknown(cause),
        known => known,
    }
}

/// Whether ROLLBACK failed only because SQLite had rolled back by itself, as it
/// does after some errors.
pub(crate) fn is_rolled_back(error: &Error) -> bool {
    is_one_of(error, &["no transaction is active"])
}

fn is_one_of(error: &Error, texts: &[&str]) -> bool {
    match error {
        Error::DatabaseError(_, information) => {
            let message = information.message();
            texts.iter().any(|text| message.contains(text))
        }
        _ => false,
    }
}

/// The store holds something that the model does not allow, or a statement
/// touched other rows than it should: a defect.
pub(crate) fn defect(what: impl Into<String>) -> StoreError {
    StoreError::Failed(what.into().into())
}

/// A stored value that the model refuses.
pub(crate) fn stored(invalid: Invalid) -> StoreError {
    defect(format!("a stored value {invalid}"))
}

/// A command that no batch took: it did not run.
pub(crate) fn not_run(reason: NotRun) -> StoreError {
    match reason {
        NotRun::Full | NotRun::Expired => StoreError::Busy(Box::new(reason)),
        NotRun::Closed => StoreError::Unavailable(Box::new(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(text: &str) -> Error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()))
    }

    #[test]
    fn a_disk_in_trouble_is_away_before_the_commit_and_in_doubt_at_it() {
        for text in ["disk I/O error", "database or disk is full"] {
            assert!(matches!(
                before_commit(sqlite(text)),
                StoreError::Unavailable(_)
            ));
            assert!(matches!(
                at_commit(sqlite(text)),
                StoreError::OutcomeUnknown(_)
            ));
        }
    }

    #[test]
    fn a_lock_is_busy_and_anything_else_a_defect_before_the_commit() {
        for map in [before_commit, at_commit] {
            assert!(matches!(
                map(sqlite("database is locked")),
                StoreError::Busy(_)
            ));
        }
        for error in [sqlite("no such table: events"), Error::NotFound] {
            assert!(matches!(before_commit(error), StoreError::Failed(_)));
        }
    }

    /// What is known to have failed is tried again, command by command.
    #[test]
    fn only_a_constraint_is_a_defect_at_the_commit() {
        let kind = DatabaseErrorKind::ForeignKeyViolation;
        let refused = at_commit(Error::DatabaseError(kind, Box::new(String::new())));
        assert!(matches!(refused, StoreError::Failed(_)), "{refused:?}");
        for error in [sqlite("database disk image is malformed"), Error::NotFound] {
            let unknown = at_commit(error);
            assert!(
                matches!(unknown, StoreError::OutcomeUnknown(_)),
                "{unknown:?}"
            );
        }
    }
}

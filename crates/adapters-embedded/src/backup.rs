//! A copy of a database file that a server may be writing to meanwhile.
//!
//! SQLite lets other processes read beside the one that writes, each on one state
//! of the file and its log. Our lock file only keeps a second *server* away, so it
//! is not asked for here; nothing of the database is changed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use domain::ports::Cause;

/// How long a statement waits where the server recovers or closes the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is not there, or its name is none that SQLite takes.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: io::Error,
    },
    /// SQLite does not read the file, or cannot write the copy.
    #[error("SQLite cannot copy {}: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        reason: Cause,
    },
    /// It is a database of something else.
    #[error("{} is no database of Utsavam", .0.display())]
    NotOurs(PathBuf),
    /// The copy was made and is not in order.
    #[error("the copy of {} is damaged, so the database may be: {finding}", path.display())]
    Damaged {
        /// The file that was copied.
        path: PathBuf,
        /// SQLite's first finding.
        finding: String,
    },
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The version of the last migration that the database had.
    pub schema: String,
}

/// Copies one state of `source`, which holds all that was answered before, into
/// the empty file `target`, and looks whether the copy is in order. Blocks as
/// long as it takes to write it and to read it twice. The caller makes `target`
/// durable.
///
/// While this reads, the log of a server that writes grows and is not folded into
/// the file.
///
/// # Errors
/// The file cannot be read, is not ours or is damaged, or the copy cannot be
/// written. What is in `target` then is worth nothing.
pub fn back_up(source: &Path, target: &Path) -> Result<BackedUp, BackupError> {
    let failed = |reason: Cause| BackupError::Sqlite {
        path: source.to_owned(),
        reason,
    };
    let name = name(target)?;
    let mut connection = open(source, "mode=ro").map_err(failed)?;
    if last_migration(&mut connection).is_none() {
        // What is no database at all is found out by the first question, too.
        let answer = connection.batch_execute("SELECT count(*) FROM sqlite_schema");
        answer.map_err(|error| failed(error.into()))?;
        return Err(BackupError::NotOurs(source.to_owned()));
    }
    // One transaction that reads, so one state. Unlike a copy page by page it
    // never begins anew because somebody wrote, and takes along no free pages.
    diesel::sql_query("VACUUM INTO ?")
        .bind::<Text, _>(name)
        .execute(&mut connection)
        .map_err(|error| failed(error.into()))?;
    drop(connection);
    check(source, target)
}

/// Reads the whole copy.
fn check(source: &Path, target: &Path) -> Result<BackedUp, BackupError> {
    let damaged = |finding: String| BackupError::Damaged {
        path: source.to_owned(),
        finding,
    };
    // Nobody else knows of it yet: no log and no locks beside it.
    let mut copy =
        open(target, "mode=ro&immutable=1").map_err(|error| damaged(error.to_string()))?;
    for check in [
        "SELECT integrity_check AS finding FROM pragma_integrity_check WHERE finding <> 'ok'",
        "SELECT 'a row of ' || \"table\" || ' refers to nothing in ' || parent AS finding
         FROM pragma_foreign_key_check",
    ] {
        let finding: Option<Finding> = diesel::sql_query(check)
            .get_result(&mut copy)
            .optional()
            .map_err(|error| damaged(error.to_string()))?;
        if let Some(Finding { finding }) = finding {
            return Err(damaged(finding));
        }
    }
    let schema = last_migration(&mut copy);
    let schema = schema.ok_or_else(|| damaged("it has no schema".to_owned()))?;
    Ok(BackedUp { schema })
}

#[derive(QueryableByName)]
struct Finding {
    #[diesel(sql_type = Text)]
    finding: String,
}

#[derive(QueryableByName)]
struct Migration {
    #[diesel(sql_type = Text)]
    version: String,
}

/// `None` if there is none, or no list of them.
fn last_migration(connection: &mut SqliteConnection) -> Option<String> {
    let last = diesel::sql_query(
        "SELECT version FROM __diesel_schema_migrations
         WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'event_sales')
         ORDER BY version DESC LIMIT 1",
    );
    let last: Migration = last.get_result(connection).ok()?;
    Some(last.version)
}

fn open(path: &Path, options: &str) -> Result<SqliteConnection, Cause> {
    let mut connection = SqliteConnection::establish(&uri(name(path)?, options))?;
    let busy_ms = PATIENCE.as_millis();
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {busy_ms}; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
    ))?;
    Ok(connection)
}

fn name(path: &Path) -> Result<&str, BackupError> {
    path.to_str().ok_or_else(|| BackupError::Unusable {
        path: path.to_owned(),
        reason: io::Error::other("SQLite needs a path in UTF-8"),
    })
}

/// The path as a URI, in which these characters would end it.
fn uri(path: &str, options: &str) -> String {
    let path = path.replace('%', "%25").replace('?', "%3f");
    format!("file:{}?{options}", path.replace('#', "%23"))
}

#[cfg(test)]
mod tests;

//! What an operator may choose, and reading where the data are to be.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::measured::TransactionObserver;

/// Where the data are kept and what the store may use.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// The file, or memory.
    pub location: SqliteLocation,
    /// How many threads read beside the one that writes, each with a connection
    /// of its own. In memory there is one connection, and this is not used.
    pub readers: NonZeroUsize,
    /// How many pieces of work may wait for the writer, and as many again for
    /// the readers. Bookings and cancellations have a queue of their own that is
    /// as long, and so have additions to the audit log and events asked for by id. One more is answered "busy"
    /// at once.
    pub queue_max: NonZeroUsize,
    /// How long a statement waits while another process, such as a person at a
    /// prompt, writes to the file. A booking or a cancellation waits as long for
    /// its turn, but a second at least, whatever is queued in front of it.
    pub busy_timeout: Duration,
    /// How long idempotency keys are kept at least.
    pub keep_keys: Duration,
    /// Who is told of transactions, if anybody.
    pub observer: Option<TransactionObserver>,
}

impl SqliteSettings {
    /// Settings that suit one small server: four readers, 1,024 waiting, five
    /// seconds of patience, keys kept for a day.
    pub fn new(location: SqliteLocation) -> Self {
        Self {
            location,
            readers: const { NonZeroUsize::new(4).expect("not zero") },
            queue_max: const { NonZeroUsize::new(1_024).expect("not zero") },
            busy_timeout: Duration::from_secs(5),
            keep_keys: Duration::from_secs(24 * 60 * 60),
            observer: None,
        }
    }

    /// How long a booking or a cancellation waits for its turn. Its turn comes
    /// even where no statement waits for another process.
    pub(crate) fn patience(&self) -> Duration {
        self.busy_timeout.max(Duration::from_secs(1))
    }
}

/// Where the data are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteLocation {
    /// In this file, which is made when it is not there, and in those that
    /// SQLite puts beside it.
    File(PathBuf),
    /// Nowhere: they are gone when the last handle on the
    /// [`Database`](crate::Database) is. Each database has a memory of its own.
    Memory,
}

/// Why a text does not say where the data are to be. The clause fits behind
/// the name of the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing behind `sqlite://`, or nothing at all.
    #[error("names no file: write sqlite://folder/file.db, or sqlite::memory:")]
    Empty,
    /// Another kind of database, or a driver's own way of writing it.
    #[error("begins with {0}, but only sqlite://path, sqlite::memory: or a plain path is SQLite")]
    Scheme(String),
    /// `sqlite:path`, without the slashes.
    #[error("lacks the slashes: write sqlite://{0}")]
    NoSlashes(String),
    /// A path that ends like one of a folder.
    #[error("names a folder, {0}: add the name of a file, such as {0}utsavam.db")]
    Folder(String),
    /// Something behind a question mark.
    #[error("has options behind a question mark, which are not supported: {0}")]
    Options(String),
    /// Characters that no path should have.
    #[error("contains control characters")]
    ControlCharacters,
}

impl SqliteLocation {
    /// Reads `sqlite://path`, `sqlite::memory:` or a plain path.
    ///
    /// The path is taken as it is, without decoding `%20` and the like.
    /// `sqlite://data/shop.db` lies below the folder in which the program was
    /// started, `sqlite:///var/lib/shop.db`, with a third slash, does not.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let path = match text.split_once("://") {
            Some(("sqlite", path)) => path,
            Some((scheme, _)) => return Err(LocationError::Scheme(format!("{scheme}://"))),
            None => match text.strip_prefix("sqlite:") {
                Some(":memory:") => return Ok(Self::Memory),
                Some(path) => return Err(LocationError::NoSlashes(path.to_owned())),
                None => text,
            },
        };
        if path == ":memory:" {
            return Ok(Self::Memory);
        }
        if path.trim().is_empty() {
            return Err(LocationError::Empty);
        }
        if path.chars().any(char::is_control) {
            return Err(LocationError::ControlCharacters);
        }
        if let Some((_, options)) = path.split_once('?') {
            return Err(LocationError::Options(options.to_owned()));
        }
        if path.ends_with('/') {
            return Err(LocationError::Folder(path.to_owned()));
        }
        if matches!(path.rsplit('/').next(), Some("." | "..")) {
            return Err(LocationError::Folder(format!("{path}/")));
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Result<SqliteLocation, LocationError> {
        Ok(SqliteLocation::File(PathBuf::from(path)))
    }

    #[test]
    fn urls_and_plain_paths_name_a_file_or_memory() {
        for (text, location) in [
            ("sqlite://data/shop.db", file("data/shop.db")),
            ("sqlite://./shop.db", file("./shop.db")),
            ("sqlite:///var/lib/shop.db", file("/var/lib/shop.db")),
            ("/var/lib/shop.db", file("/var/lib/shop.db")),
            ("ಅಂಗಡಿ 1%20.db", file("ಅಂಗಡಿ 1%20.db")),
            ("sqlite::memory:", Ok(SqliteLocation::Memory)),
            ("sqlite://:memory:", Ok(SqliteLocation::Memory)),
            (":memory:", Ok(SqliteLocation::Memory)),
        ] {
            assert_eq!(SqliteLocation::parse(text), location, "{text:?}");
        }
    }

    #[test]
    fn a_refusal_names_what_is_wrong() {
        for (text, clue) in [
            ("", "names no file"),
            ("sqlite://", "names no file"),
            ("mysql://u:geheim@h/d", "mysql://"),
            ("sqlite+aiosqlite:///shop.db", "sqlite+aiosqlite://"),
            ("sqlite:shop.db", "sqlite://shop.db"),
            ("sqlite://data/", "data/utsavam.db"),
            ("sqlite://data/..", "data/../utsavam.db"),
            ("sqlite://shop.db?mode=rwc", "mode=rwc"),
            ("file::memory:?cache=shared", "cache=shared"),
            ("shop\0.db", "control characters"),
        ] {
            let refusal = SqliteLocation::parse(text).expect_err(text).to_string();
            assert!(refusal.contains(clue), "{text:?}: {refusal}");
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }
}

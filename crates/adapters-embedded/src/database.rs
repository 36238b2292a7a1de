//! Opening a database, and how a piece of work gets a transaction in it.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use domain::ports::{Cause, StoreError};
use tokio::sync::watch;

use crate::files::{self, FileLock};
use crate::lane::{Lane, Turns};
use crate::session::{Recipe, Session};
use crate::settings::{SqliteLocation, SqliteSettings};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server, or another [`Database`] here, has the file open.
    #[error(
        "the database {} is in use by another server{}: only one may have it open",
        path.display(),
        process.map(|process| format!(" (which calls itself process {process})")).unwrap_or_default()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// The number of the process that has it, where it is known. In another container
        /// that is what it is called there.
        process: Option<u32>,
    },
    /// The folder or the file cannot be made or opened.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// SQLite does not open the file, or it is not one of SQLite's.
    #[error("SQLite cannot open {}: {reason}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        reason: Cause,
    },
    /// A migration failed. Nothing of it was kept.
    #[error("a migration of {} failed: {reason}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: Cause,
    },
    /// There are no more threads to be had.
    #[error("no thread for the store: {0}")]
    Thread(io::Error),
}

/// Jobs that have not begun. A batch is one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobsWaiting {
    /// For the thread that writes, or in memory for the one that does everything.
    pub writes: usize,
    /// For the threads that read; none in memory.
    pub reads: usize,
}

/// A SQLite database with one writer and some readers beside it. Cheap to
/// clone; all clones are the same database.
///
/// Dropping the last handle waits until all work that was accepted is done,
/// and then lets go of the file.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

/// Dropped from the top: the readers' threads end, then the writer's, which
/// folds the log into the file, and only then may another process come.
struct Shared {
    /// `None` in memory: that is one connection, the writer's.
    readers: Option<Lane>,
    writer: Lane,
    queue_max: NonZeroUsize,
    patience: Duration,
    keep_keys: Duration,
    path: Option<PathBuf>,
    _lock: Option<FileLock>,
    /// Whoever waits for the end learns of it last.
    let_go: watch::Sender<()>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the file, or makes it, and brings it to the schema that this
    /// program needs. Blocks for some milliseconds; a new file takes longer.
    ///
    /// The file is not searched for damage, which would take the longer the
    /// more was sold; `PRAGMA integrity_check` does that.
    ///
    /// # Errors
    /// The file is in use, cannot be opened or is not ours.
    pub fn open(settings: &SqliteSettings) -> Result<Self, OpenError> {
        match &settings.location {
            SqliteLocation::File(path) => Self::open_file(path, settings),
            SqliteLocation::Memory => Self::open_memory(settings),
        }
    }

    /// The file's one true path, `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.shared.path.as_deref()
    }

    /// How much waits for the threads.
    pub fn jobs_waiting(&self) -> JobsWaiting {
        let readers = self.shared.readers.as_ref();
        JobsWaiting {
            writes: self.shared.writer.waiting(),
            reads: readers.map_or(0, Lane::waiting),
        }
    }

    /// Waits until the last handle was dropped, the log is folded into the file and
    /// another process may open it. Holds nothing itself.
    pub fn let_go(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut end = self.shared.let_go.subscribe();
        async move {
            // Nothing is ever sent: it ends when the sender goes.
            let _ = end.changed().await;
        }
    }

    fn open_file(path: &Path, settings: &SqliteSettings) -> Result<Self, OpenError> {
        let (path, lock) = files::claim(path)?;
        let name = path.to_str().ok_or_else(|| OpenError::Unusable {
            path: path.clone(),
            reason: io::Error::other("SQLite needs a path in UTF-8"),
        })?;
        let writer = Recipe::writer(name, settings.busy_timeout);
        let writer = migrated(&path, writer.observed(settings.observer.clone()))?;
        let reader = Recipe::reader(name, settings.busy_timeout);
        let readers = std::iter::repeat_with(|| open(&path, reader.clone()))
            .take(settings.readers.get())
            .collect::<Result<_, _>>()?;
        Ok(Self::start(Shared {
            readers: Some(lane("sqlite-reader", readers, settings.queue_max)?),
            writer: lane("sqlite-writer", vec![writer], settings.queue_max)?,
            queue_max: settings.queue_max,
            patience: settings.patience(),
            keep_keys: settings.keep_keys,
            path: Some(path),
            _lock: Some(lock),
            let_go: watch::Sender::default(),
        }))
    }

    fn open_memory(settings: &SqliteSettings) -> Result<Self, OpenError> {
        let recipe = Recipe::memory().observed(settings.observer.clone());
        let session = migrated(Path::new("the memory"), recipe)?;
        Ok(Self::start(Shared {
            readers: None,
            writer: lane("sqlite-memory", vec![session], settings.queue_max)?,
            queue_max: settings.queue_max,
            patience: settings.patience(),
            keep_keys: settings.keep_keys,
            path: None,
            _lock: None,
            let_go: watch::Sender::default(),
        }))
    }

    fn start(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How long idempotency keys are kept at least.
    pub(crate) fn keep_keys(&self) -> Duration {
        self.shared.keep_keys
    }

    /// How much may wait in a queue.
    pub(crate) fn queue_max(&self) -> NonZeroUsize {
        self.shared.queue_max
    }

    /// How long a booking or a cancellation waits for its turn.
    pub(crate) fn patience(&self) -> Duration {
        self.shared.patience
    }

    /// Turns of the thread that writes, for batches of commands.
    pub(crate) fn writer_turns(&self) -> Turns {
        self.shared.writer.turns()
    }

    /// Turns of the threads that read, for batches of questions.
    pub(crate) fn reader_turns(&self) -> Turns {
        self.reading_lane().turns()
    }

    fn reading_lane(&self) -> &Lane {
        self.shared.readers.as_ref().unwrap_or(&self.shared.writer)
    }

    /// Runs `work`, which only reads, on one state of the database: the last
    /// one that was committed when it begins.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.reading_lane()
            .ask(move |session| session.read(work))
            .await
    }

    /// Runs `work` in a transaction that is committed when it returns `Ok` and
    /// rolled back otherwise. One after the other: nothing that `work` reads
    /// changes until it is committed.
    pub(crate) async fn write<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    {
        self.shared
            .writer
            .ask(move |session| session.write(name, work))
            .await
    }

    /// As [`write`](Self::write), for what makes personal data go: of what was
    /// there before, nothing stays in the log, if nobody is reading in it.
    pub(crate) async fn write_and_truncate_log<T, E, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    {
        self.shared
            .writer
            .ask(move |session| {
                let done = session.write(name, work)?;
                session.truncate_log();
                Ok(done)
            })
            .await
    }
}

fn open(path: &Path, recipe: Recipe) -> Result<Session, OpenError> {
    Session::open(recipe).map_err(|reason| OpenError::Sqlite {
        path: path.to_owned(),
        reason,
    })
}

/// A connection to a database that has the schema this program needs. One that
/// is ahead will do: migrations only add.
pub(crate) fn migrated(path: &Path, recipe: Recipe) -> Result<Session, OpenError> {
    let mut session = open(path, recipe)?;
    session
        .connection()
        .run_pending_migrations(MIGRATIONS)
        .map_err(|reason| OpenError::Migration {
            path: path.to_owned(),
            reason,
        })?;
    Ok(session)
}

fn lane(name: &str, sessions: Vec<Session>, queue_max: NonZeroUsize) -> Result<Lane, OpenError> {
    Lane::start(name, sessions, queue_max).map_err(OpenError::Thread)
}

#[cfg(test)]
pub(crate) mod tests;

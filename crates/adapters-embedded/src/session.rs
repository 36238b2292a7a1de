//! One connection to SQLite and its transactions.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use domain::ports::{Cause, StoreError};

use crate::error::{at_commit, before_commit, is_rolled_back};
use crate::measured::{Measured, TransactionObserver};

/// The name under which SQLite opens an empty memory, one for each connection.
const MEMORY: &str = ":memory:";

/// How a connection is opened, and opened again.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// An absolute path, or [`MEMORY`].
    target: String,
    role: Role,
    busy_timeout: Duration,
    observer: Option<TransactionObserver>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
}

impl Recipe {
    pub(crate) fn writer(path: &str, busy_timeout: Duration) -> Self {
        Self {
            target: path.to_owned(),
            role: Role::Writer,
            busy_timeout,
            observer: None,
        }
    }

    pub(crate) fn reader(path: &str, busy_timeout: Duration) -> Self {
        Self {
            role: Role::Reader,
            ..Self::writer(path, busy_timeout)
        }
    }

    pub(crate) fn memory() -> Self {
        Self::writer(MEMORY, Duration::ZERO)
    }

    /// The same, with somebody, perhaps, who is told of transactions that may write.
    pub(crate) fn observed(self, observer: Option<TransactionObserver>) -> Self {
        Self { observer, ..self }
    }
}

/// Foreign keys are checked, and nothing that the file's schema says runs code
/// of SQLite's that could do harm.
const COMMON: &str = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;";

/// FULL makes every commit reach the disk before it is answered; NORMAL would
/// lose answered bookings with the power. `fullfsync` makes macOS really write
/// what its disks would otherwise keep in their own memory; elsewhere it does
/// nothing. A log that one long reader let grow shrinks to 64 MiB again.
///
/// A booking changes pages all over the indexes, and the next ones change many of
/// them again: the log is folded into the file after 4,000 pages (16 MiB), not
/// after SQLite's 1,000, so that each is written to the file less often, and up to
/// 32 MB of pages are kept, not 2, so that fewer are read again.
///
/// What is deleted or replaced is overwritten with zeros: names, addresses and
/// hashes of passwords would stay in the file for as long as their place is free.
const WRITER: &str = "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON; PRAGMA journal_size_limit = 67108864;
    PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -32000;";

const READER: &str = "PRAGMA query_only = ON;";

/// A connection, and whether a transaction is open on it.
pub(crate) struct Session {
    connection: SqliteConnection,
    recipe: Recipe,
    in_transaction: bool,
}

impl Session {
    /// # Errors
    /// SQLite's own words.
    pub(crate) fn open(recipe: Recipe) -> Result<Self, Cause> {
        let mut connection = SqliteConnection::establish(&recipe.target)?;
        let busy_ms = recipe.busy_timeout.as_millis();
        // First of all, so that the others wait as well.
        connection.batch_execute(&format!("PRAGMA busy_timeout = {busy_ms};"))?;
        connection.batch_execute(COMMON)?;
        match recipe.role {
            Role::Reader => connection.batch_execute(READER)?,
            Role::Writer => {
                switch_to_wal(&mut connection)?;
                connection.batch_execute(WRITER)?;
            }
        }
        Ok(Self {
            connection,
            recipe,
            in_transaction: false,
        })
    }

    /// For migrations, which bring transactions of their own.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Runs `work` in a transaction that is committed when it returns `Ok` and
    /// rolled back otherwise.
    ///
    /// IMMEDIATE takes the right to write at once: a transaction that asks for
    /// it only at its first write could have read what is no longer true, and
    /// SQLite would refuse it.
    pub(crate) fn write<T, E: From<StoreError>>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let _measured = Measured::begin(name, self.recipe.observer.clone());
        self.begin("BEGIN IMMEDIATE")?;
        match work(&mut self.connection) {
            Ok(done) => {
                self.commit().map_err(at_commit)?;
                Ok(done)
            }
            Err(refusal) => {
                self.roll_back();
                Err(refusal)
            }
        }
    }

    /// Runs `work`, which only reads, on one state of the database.
    pub(crate) fn read<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.begin("BEGIN")?;
        let found = work(&mut self.connection);
        self.roll_back();
        found.map_err(before_commit)
    }

    /// Folds the log into the file and cuts it off, so that nothing is left in it
    /// of what was overwritten. Not if somebody is reading in the log: waiting for
    /// them would hold up whoever writes next. It happens another time then, when
    /// this is called again or the file is closed.
    pub(crate) fn truncate_log(&mut self) {
        let busy_ms = self.recipe.busy_timeout.as_millis();
        let truncated = self.connection.batch_execute(&format!(
            "PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE);
             PRAGMA busy_timeout = {busy_ms};"
        ));
        if let Err(error) = truncated {
            tracing::warn!(%error, "the log of the database could not be cut off");
            let restored = format!("PRAGMA busy_timeout = {busy_ms};");
            let _ = self.connection.batch_execute(&restored);
        }
    }

    fn begin(&mut self, statement: &str) -> Result<(), StoreError> {
        self.connection
            .batch_execute(statement)
            .map_err(before_commit)?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> QueryResult<()> {
        let committed = self.connection.batch_execute("COMMIT");
        match committed {
            Ok(()) => self.in_transaction = false,
            Err(_) => self.roll_back(),
        }
        committed
    }

    fn roll_back(&mut self) {
        match self.connection.batch_execute("ROLLBACK") {
            Ok(()) => self.in_transaction = false,
            Err(error) if is_rolled_back(&error) => self.in_transaction = false,
            Err(error) => tracing::warn!(%error, "a transaction could not be rolled back"),
        }
    }

    /// Makes the connection fit for the next piece of work, whatever the last
    /// one left behind: rolls back what is open, and if that fails opens a
    /// connection anew. A memory has only the one it has.
    pub(crate) fn recover(&mut self) {
        if self.in_transaction {
            self.roll_back();
        }
        if self.in_transaction && self.recipe.target != MEMORY {
            match Self::open(self.recipe.clone()) {
                Ok(fresh) => *self = fresh,
                Err(error) => tracing::error!(%error, "a connection could not be opened again"),
            }
        }
    }
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

/// SQLite answers with the mode that it could switch to, which on a network
/// drive may be another one. A memory keeps its own.
fn switch_to_wal(connection: &mut SqliteConnection) -> Result<(), Cause> {
    let JournalMode { journal_mode } =
        diesel::sql_query("PRAGMA journal_mode = WAL").get_result(connection)?;
    match journal_mode.as_str() {
        "wal" | "memory" => Ok(()),
        other => Err(format!(
            "the file system does not allow the write-ahead log, only \"{other}\": \
             use a disk of this machine"
        )
        .into()),
    }
}

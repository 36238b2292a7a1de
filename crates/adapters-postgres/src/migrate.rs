//! Bringing a database to the schema that this program needs.
//!
//! Migrations are embedded in the binary. An advisory lock makes servers that
//! start at the same time wait for one another. A database of the older Python
//! service is adopted first, see `adopt`.

mod adopt;
mod legacy;
mod privileges;

use std::collections::HashSet;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Bool, Text};
use diesel_async::{
    AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl,
    SimpleAsyncConnection, TransactionManager,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use domain::ports::{Cause, StoreError};

use crate::connect::{self, ConnectError, PgSettings, Sessions};
use crate::database::Database;
use crate::error::before_commit;
use crate::one_row::OneRow;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Migrations may take longer than a booking may: no statement is cut off.
const PREPARE: &str = "
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0";

/// The lock's name is "utsavam" in ASCII. It is the session's: it goes when the
/// connection is dropped.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(x'0075747361766d'::bigint) AS is_ours";

/// The lock is waited for as long as another server may need for its migrations.
const WAIT_FOR_LOCK: &str = "
    SET lock_timeout = '10min';
    SELECT pg_advisory_lock(x'0075747361766d'::bigint)";

/// How long a statement of a migration waits for whoever uses a table.
const LOCK_TABLES_SOON: &str = "SET lock_timeout = '10s'";

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// The schema was current.
    Nothing,
    /// So many migrations were applied.
    Applied(usize),
    /// A database of the Python service was taken over.
    Adopted {
        /// Users that came along.
        users: i64,
        /// Events that came along.
        events: i64,
        /// Bookings that came along.
        bookings: i64,
    },
}

/// Why the schema is not current.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database holds something that cannot be taken over. Nothing was changed.
    #[error("{0}; nothing was changed")]
    Refused(String),
    /// Something that was not foreseen ended the taking over. Nothing was changed.
    #[error("taking over the database of the Python service failed: {0}; nothing was changed")]
    NotAdopted(#[source] Cause),
    /// Another process held the lock for too long.
    #[error("another process is migrating, and waiting for it (10 minutes at most) ended: {0}")]
    Locked(#[source] Error),
    /// A statement failed. Nothing of that migration was kept.
    #[error("a migration failed: {0}")]
    Failed(#[source] Cause),
}

impl From<Error> for MigrateError {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Applies all migrations that the database lacks. Safe to call from several
/// processes at once. Needs a multi-thread runtime. A current database is only
/// read from.
///
/// # Errors
/// No connection, a database that is not ours to change, or a failed statement.
pub async fn migrate(settings: &PgSettings) -> Result<Migrated, MigrateError> {
    let mut connection = Sessions::try_new(settings)?
        .connect()
        .await
        .map_err(|error| ConnectError::Unreachable(connect::describe(&error)))?;
    connection.batch_execute(PREPARE).await?;
    if is_current(&applied_versions(&mut connection).await?).map_err(MigrateError::Failed)? {
        return Ok(Migrated::Nothing);
    }
    lock(&mut connection).await?;
    // Another process may have migrated while this one waited.
    let applied = applied_versions(&mut connection).await?;
    if is_current(&applied).map_err(MigrateError::Failed)? {
        return Ok(Migrated::Nothing);
    }
    if applied.is_empty() && legacy::is_present(&mut connection).await? {
        return adopt::adopt(connection).await;
    }
    let (_, applied) = apply(connection).await?;
    Ok(Migrated::Applied(applied))
}

/// Takes the lock that makes processes migrate one after the other.
async fn lock(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Tried {
        #[diesel(sql_type = Bool)]
        is_ours: bool,
    }
    let Tried { is_ours } = diesel::sql_query(TRY_LOCK).one_row(connection).await?;
    if !is_ours {
        tracing::info!("another process is migrating the database, waiting for it to end");
        connection
            .batch_execute(WAIT_FOR_LOCK)
            .await
            .map_err(MigrateError::Locked)?;
    }
    connection.batch_execute(LOCK_TABLES_SOON).await?;
    Ok(())
}

/// Runs the embedded migrations; each in a transaction of its own, or in a
/// savepoint of the one that is open.
async fn apply(connection: AsyncPgConnection) -> Result<(AsyncPgConnection, usize), MigrateError> {
    let mut harness = AsyncMigrationHarness::new(connection);
    let applied = harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(MigrateError::Failed)?
        .len();
    Ok((harness.into_inner(), applied))
}

/// Whether the database has every migration that this program knows. A database
/// that is ahead counts as current: migrations only add.
///
/// # Errors
/// The database did not answer.
pub async fn schema_is_current(database: &Database) -> Result<bool, StoreError> {
    let mut connection = database.raw().await?;
    let applied = applied_versions(&mut connection)
        .await
        .map_err(before_commit)?;
    is_current(&applied).map_err(StoreError::Failed)
}

/// The migrations that the database says were applied. Diesel's harness would
/// try to create its table first, for which a server need not have the right.
async fn applied_versions(connection: &mut AsyncPgConnection) -> QueryResult<HashSet<String>> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    if !exists(connection, "__diesel_schema_migrations").await? {
        return Ok(HashSet::new());
    }
    let applied: Vec<Applied> =
        diesel::sql_query("SELECT version::text FROM __diesel_schema_migrations")
            .load(connection)
            .await?;
    Ok(applied.into_iter().map(|row| row.version).collect())
}

fn is_current(applied: &HashSet<String>) -> Result<bool, Cause> {
    let embedded = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    Ok(embedded
        .iter()
        .all(|migration| applied.contains(&migration.name().version().to_string())))
}

async fn exists(connection: &mut AsyncPgConnection, table: &str) -> QueryResult<bool> {
    diesel::select(
        diesel::dsl::sql::<Bool>("to_regclass(")
            .bind::<Text, _>(table)
            .sql(") IS NOT NULL"),
    )
    .one_row(connection)
    .await
}

async fn begin(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction(connection).await
}

async fn commit(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::commit_transaction(connection).await
}

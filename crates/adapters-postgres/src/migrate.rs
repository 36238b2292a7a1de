//! Bringing a database to the schema that this program needs.
//!
//! Migrations are embedded in the binary. An advisory lock makes servers that
//! start at the same time wait for one another. A database of the older Python
//! service is adopted first, see `adopt`.

mod adopt;
mod legacy;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Bool;
use diesel_async::{
    AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl,
    SimpleAsyncConnection, TransactionManager,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use domain::ports::{Cause, StoreError};

use crate::connect::{self, ConnectError, PgSettings};
use crate::database::Database;
use crate::error::before_commit;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Migrations may take longer than a booking may: no statement is cut off. The
/// lock is waited for as long as another server may need for its migrations.
/// Its name is "utsavam" in ASCII.
const PREPARE: &str = "
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0;
    SET lock_timeout = '10min';
    SELECT pg_advisory_lock(x'0075747361766d'::bigint);
    SET lock_timeout = '10s'";

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
/// processes at once. Needs a multi-thread runtime.
///
/// # Errors
/// No connection, a database that is not ours to change, or a failed statement.
pub async fn migrate(settings: &PgSettings) -> Result<Migrated, MigrateError> {
    let config = connect::session_config(settings)?;
    let mut connection = connect::connect(&config)
        .await
        .map_err(|error| ConnectError::Unreachable(connect::describe(&error)))?;
    // The lock is the session's: it goes when the connection is dropped.
    connection.batch_execute(PREPARE).await?;
    if !exists(&mut connection, "__diesel_schema_migrations").await?
        && legacy::is_present(&mut connection).await?
    {
        return adopt::adopt(connection).await;
    }
    let (_, applied) = apply(connection).await?;
    Ok(if applied == 0 {
        Migrated::Nothing
    } else {
        Migrated::Applied(applied)
    })
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
    if !exists(&mut connection, "__diesel_schema_migrations")
        .await
        .map_err(before_commit)?
    {
        return Ok(false);
    }
    let mut harness = AsyncMigrationHarness::new(connection);
    let pending = harness
        .has_pending_migration(MIGRATIONS)
        .map_err(StoreError::Failed)?;
    Ok(!pending)
}

async fn exists(connection: &mut AsyncPgConnection, table: &str) -> QueryResult<bool> {
    diesel::select(
        diesel::dsl::sql::<Bool>("to_regclass(")
            .bind::<diesel::sql_types::Text, _>(table)
            .sql(") IS NOT NULL"),
    )
    .get_result(connection)
    .await
}

async fn begin(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::begin_transaction(connection).await
}

async fn commit(connection: &mut AsyncPgConnection) -> QueryResult<()> {
    AnsiTransactionManager::commit_transaction(connection).await
}

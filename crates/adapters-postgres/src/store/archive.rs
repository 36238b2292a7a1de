//! Everything out of PostgreSQL, and everything into it.
//!
//! Sinks and sources of records may block, so they run on threads of their own
//! between the statements.

mod checks;
mod export;
mod import;
mod tables;

use async_trait::async_trait;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use domain::model::ArchiveCounts;
use domain::ports::{Archive, ExportError, ImportError, RecordSink, RecordSource, StoreError};
use futures::FutureExt;

use crate::error::{before_commit, defect};
use crate::one_row::OneRow;
use crate::prepared::prepared;

super::store!(
    /// [`Archive`] on PostgreSQL.
    PgArchive
);

/// Records in one statement.
const ROWS_AT_ONCE: usize = 4_000;

/// No statement is cut off, in this transaction only. Between two statements
/// the transaction waits for whoever reads or writes the file; one who does
/// neither for ten minutes must not keep it open.
const UNHURRIED: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// One state of the database for all statements of the transaction.
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

prepared!(
    /// Reads all of the tables, or of an index each.
    CountRows {} -> (BigInt, BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM events),
            (SELECT count(*) FROM bookings), (SELECT count(*) FROM idempotency_keys),
            (SELECT count(*) FROM api_keys), (SELECT count(*) FROM audit_log)"
);

#[async_trait]
impl Archive for PgArchive {
    async fn count(&self) -> Result<ArchiveCounts, StoreError> {
        self.0
            .transaction_once("count_records", |connection| {
                async move {
                    connection
                        .batch_execute(UNHURRIED)
                        .await
                        .map_err(before_commit)?;
                    count(connection).await
                }
                .boxed()
            })
            .await
    }

    async fn export(&self, sink: RecordSink) -> Result<ArchiveCounts, ExportError> {
        self.0
            .transaction_once("export_records", |connection| {
                async move {
                    for statement in [SNAPSHOT, UNHURRIED] {
                        connection
                            .batch_execute(statement)
                            .await
                            .map_err(before_commit)?;
                    }
                    export::export(connection, sink).await
                }
                .boxed()
            })
            .await
    }

    async fn import(&self, records: RecordSource) -> Result<ArchiveCounts, ImportError> {
        self.0
            .transaction_once("import_records", |connection| {
                async move {
                    connection
                        .batch_execute(UNHURRIED)
                        .await
                        .map_err(before_commit)?;
                    import::import(connection, records).await
                }
                .boxed()
            })
            .await
    }
}

async fn count(connection: &mut AsyncPgConnection) -> Result<ArchiveCounts, StoreError> {
    let counted = CountRows {}.one_row(connection).await;
    let (users, events, bookings, keys, api_keys, audit): (i64, i64, i64, i64, i64, i64) =
        counted.map_err(before_commit)?;
    let number = |rows: i64| u64::try_from(rows).map_err(|_| defect("a negative number of rows"));
    Ok(ArchiveCounts {
        users: number(users)?,
        events: number(events)?,
        bookings: number(bookings)?,
        keys: number(keys)?,
        api_keys: number(api_keys)?,
        audit: number(audit)?,
    })
}

/// Runs what may block where that keeps nobody else from working.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|defect| StoreError::Failed(Box::new(defect)))
}

//! The audit log in PostgreSQL: entries that are appended at the same time are
//! one statement. A trigger refuses to change or remove any.

mod append;
mod list;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use domain::model::{AuditEntry, AuditFilter, AuditRecord, Listing, Page, Timeline};
use domain::ports::{AuditLog, StoreError};
use group_commit::{GroupCommit, Limits, Load, Observer};
use tracing::Instrument;

use crate::Database;
use crate::in_turn::in_turn;

/// Calls that share a statement.
const CALLS_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// All calls wait in one line.
type Calls = GroupCommit<(), Vec<AuditEntry>, Result<(), StoreError>>;

/// [`AuditLog`] on PostgreSQL.
pub struct PgAuditLog {
    database: Database,
    calls: Calls,
}

impl PgAuditLog {
    /// A log in this database.
    pub fn new(database: Database) -> Self {
        Self::observed(database, None)
    }

    /// As [`new`](Self::new), with somebody, perhaps, who is told of each statement.
    pub fn observed(database: Database, observer: Option<Arc<dyn Observer>>) -> Self {
        let limits = Limits {
            commands_per_batch_max: CALLS_MAX,
            keys_per_batch_max: NonZeroUsize::MIN,
            batches_max: NonZeroUsize::MIN,
            batches_alone_max: NonZeroUsize::MIN,
            waiting_per_key_max: database.batches.waiting_max,
            waiting_max: database.batches.waiting_max,
        };
        let writer = database.clone();
        let calls = GroupCommit::observed(limits, observer, move |slot| {
            let database = writer.clone();
            writer.spawn(async move {
                if let Some(batch) = slot.take() {
                    let span = batch.span();
                    append::run(&database, batch).instrument(span).await;
                }
            });
        });
        Self { database, calls }
    }

    /// Takes no more entries and waits until those that were taken are written.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.drained().await;
    }

    /// How many calls wait, and whether a statement is under way.
    pub fn load(&self) -> Load {
        self.calls.load()
    }
}

#[async_trait]
impl AuditLog for PgAuditLog {
    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        in_turn(&self.database, &self.calls, (), entries).await
    }

    async fn list(
        &self,
        filter: AuditFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<AuditRecord>, StoreError> {
        list::list(&self.database, filter, page).await
    }
}

impl fmt::Debug for PgAuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgAuditLog")
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

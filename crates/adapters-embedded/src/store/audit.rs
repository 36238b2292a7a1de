//! The audit log in SQLite. Each request that changes something adds to it, so
//! calls that arrive while a transaction is under way share the next one, as
//! bookings do: there is one writer, and each transaction is a flush to disk.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::Sqlite;
use domain::model::{AuditEntry, AuditFilter, AuditRecord, Listing, Page, Timeline};
use domain::ports::{AuditLog, StoreError};
use group_commit::{Batch, Entry, GroupCommit, Limits, Load, NotDone, Observer};

use crate::Database;
use crate::clock::{self, Place};
use crate::error::{before_commit, not_run};
use crate::prepared::prepared;
use crate::rows::{self, AuditRow};
use crate::session::Session;

/// Calls of one transaction. Other writes wait for it to end.
const CALLS_PER_BATCH_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

type Answer = Result<(), StoreError>;

/// [`AuditLog`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteAuditLog {
    appends: GroupCommit<(), Vec<AuditEntry>, Answer>,
    database: Database,
}

impl SqliteAuditLog {
    /// A log in this database. Its clones share their transactions.
    pub fn new(database: Database) -> Self {
        Self::observed(database, None)
    }

    /// As [`new`](Self::new), with somebody, perhaps, who is told of each transaction.
    pub fn observed(database: Database, observer: Option<Arc<dyn Observer>>) -> Self {
        let limits = Limits {
            commands_per_batch_max: CALLS_PER_BATCH_MAX,
            keys_per_batch_max: NonZeroUsize::MIN,
            batches_max: NonZeroUsize::MIN,
            batches_alone_max: NonZeroUsize::MIN,
            waiting_per_key_max: database.queue_max(),
            waiting_max: database.queue_max(),
        };
        let turns = database.writer_turns();
        let appends = GroupCommit::observed(limits, observer, move |slot| {
            turns.take(move |session| {
                if let Some(batch) = slot.take() {
                    let span = batch.span();
                    span.in_scope(|| append_all(session, batch));
                }
            });
        });
        Self { appends, database }
    }

    /// How many calls wait, and whether a transaction is under way.
    pub fn load(&self) -> Load {
        self.appends.load()
    }
}

prepared!(
    /// Behind all others.
    InsertEntry {
        at: i64 as BigInt,
        actor_kind: &'static str as Text,
        actor_id: Option<i64> as Nullable<BigInt>,
        action: String as Text,
        object_kind: Option<String> as Nullable<Text>,
        object_id: Option<i64> as Nullable<BigInt>,
        refused: Option<String> as Nullable<Text>,
        request_id: String as Text,
    } -> (BigInt,),
    "INSERT INTO audit_log
         (at, actor_kind, actor_id, action, object_kind, object_id, refused, request_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
);

#[async_trait]
impl AuditLog for SqliteAuditLog {
    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let pending = self.appends.submit((), entries, None);
        match pending.map_err(not_run)?.await {
            Ok(answer) => answer,
            Err(NotDone::NotRun(reason)) => Err(not_run(reason)),
            // The panic may have come after the commit.
            Err(NotDone::Lost) => Err(StoreError::OutcomeUnknown(Box::new(NotDone::Lost))),
        }
    }

    async fn list(
        &self,
        filter: AuditFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<AuditRecord>, StoreError> {
        let found: Vec<AuditRow> = self
            .database
            .read(move |connection| select("", filter, page).load(connection))
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }
}

/// One transaction, after which everybody is answered alike. Nothing that an
/// entry says can make it fail, so the fault does not lie with one of them.
fn append_all(session: &mut Session, mut batch: Batch<(), Vec<AuditEntry>, Answer>) {
    let groups = batch.take_groups().into_iter();
    let calls: Vec<Entry<_, Answer>> = groups.flat_map(|group| group.entries).collect();
    let (entries, replies): (Vec<_>, Vec<_>) = calls.into_iter().map(Entry::into_parts).unzip();
    let appended = session.write("append_audit", |connection| {
        let at = clock::micros(clock::now());
        for entry in entries.into_iter().flatten() {
            insert(at, entry)
                .execute(connection)
                .map_err(before_commit)?;
        }
        Ok::<_, StoreError>(())
    });
    match appended {
        Ok(()) => replies.into_iter().for_each(|reply| reply.send(Ok(()))),
        Err(error) => {
            let error = error.shared();
            replies
                .into_iter()
                .for_each(|reply| reply.send(Err(error())));
        }
    }
}

fn insert(at: i64, entry: AuditEntry) -> InsertEntry {
    let (actor_kind, actor_id) = entry.actor.parts();
    let (object_kind, object_id) = entry.object.map(|object| (object.kind, object.id)).unzip();
    InsertEntry {
        at,
        actor_kind,
        actor_id,
        action: entry.action,
        object_kind,
        object_id,
        refused: entry.refused,
        request_id: entry.request_id,
    }
}

/// Walks the index of one of the things that are named, or `audit_log_newest`.
/// Not prepared: which conditions there are differs, and only admins look. The
/// tests put EXPLAIN in front.
pub(super) fn select(
    front: &str,
    filter: AuditFilter,
    page: Page<Timeline>,
) -> BoxedSqlQuery<'static, Sqlite, SqlQuery> {
    let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
    let select = "SELECT id, at, actor_kind, actor_id, action, object_kind, object_id, refused,
             request_id
         FROM audit_log WHERE (at, id) < (?, ? COLLATE BINARY)";
    let mut query = sql_query(format!("{front}{select}"))
        .into_boxed()
        .bind::<BigInt, _>(at)
        .bind::<BigInt, _>(id);
    if let Some(actor) = filter.actor {
        let (kind, id) = actor.parts();
        query = query
            .sql(" AND actor_kind = ? AND actor_id IS ?")
            .bind::<Text, _>(kind)
            .bind::<Nullable<BigInt>, _>(id);
    }
    if let Some(action) = filter.action {
        query = query.sql(" AND action = ?").bind::<Text, _>(action);
    }
    if let Some(object) = filter.object {
        query = query
            .sql(" AND object_kind = ? AND object_id = ?")
            .bind::<Text, _>(object.kind)
            .bind::<BigInt, _>(object.id);
    }
    query = match filter.refused {
        Some(true) => query.sql(" AND refused IS NOT NULL"),
        Some(false) => query.sql(" AND refused IS NULL"),
        None => query,
    };
    query
        .sql(" ORDER BY at DESC, id DESC LIMIT ?")
        .bind::<BigInt, _>(super::one_more(page.limit))
}

#[cfg(test)]
mod tests;

//! Writing the entries of many calls at once.

use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use domain::model::AuditEntry;
use domain::ports::StoreError;
use futures::FutureExt;
use group_commit::{Batch, Entry};

use crate::Database;
use crate::prepared::prepared;

type Answer = Result<(), StoreError>;
type Call = Entry<Vec<AuditEntry>, Answer>;

prepared!(
    /// One reading of the clock for all of them; ids rise in their order.
    #[derive(Default)]
    InsertEntries {
        actor_kinds: Vec<&'static str> as Array<Text>,
        actor_ids: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        actions: Vec<String> as Array<Text>,
        object_kinds: Vec<Option<String>> as Array<Nullable<Text>>,
        object_ids: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        refused: Vec<Option<String>> as Array<Nullable<Text>>,
        request_ids: Vec<String> as Array<Text>,
    } -> (BigInt,),
    "WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
     INSERT INTO audit_log (at, actor_kind, actor_id, action, object_kind, object_id, refused,
                            request_id)
     SELECT now, actor_kind, actor_id, action, object_kind, object_id, refused, request_id
     FROM clock, unnest(?, ?, ?, ?, ?, ?, ?) WITH ORDINALITY
         AS entry (actor_kind, actor_id, action, object_kind, object_id, refused, request_id, place)
     ORDER BY place"
);

impl InsertEntries {
    fn of<'e>(entries: impl IntoIterator<Item = &'e AuditEntry>) -> Self {
        let mut insert = Self::default();
        for entry in entries {
            let (kind, id) = entry.actor.parts();
            insert.actor_kinds.push(kind);
            insert.actor_ids.push(id);
            insert.actions.push(entry.action.clone());
            let object = entry.object.as_ref();
            insert
                .object_kinds
                .push(object.map(|object| object.kind.clone()));
            insert.object_ids.push(object.map(|object| object.id));
            insert.refused.push(entry.refused.clone());
            insert.request_ids.push(entry.request_id.clone());
        }
        insert
    }

    async fn write(self, database: &Database) -> Answer {
        database
            .write_here("append_audit", move |connection| {
                async move { self.execute(connection).await }.boxed()
            })
            .await?;
        Ok(())
    }
}

/// Writes what a batch has gathered. If that fails with nothing done, the fault
/// may lie with one call: each is tried alone.
///
/// The batch ends, so that the next one can begin, before anybody is told.
pub(super) async fn run(database: &Database, mut batch: Batch<(), Vec<AuditEntry>, Answer>) {
    let groups = batch.take_groups();
    let calls: Vec<Call> = groups.into_iter().flat_map(|group| group.entries).collect();
    let all = InsertEntries::of(calls.iter().flat_map(|call| call.command()));
    let answers = match all.write(database).await {
        Ok(()) => calls.iter().map(|_| Ok(())).collect(),
        Err(StoreError::Failed(_)) if calls.len() > 1 => one_by_one(database, &calls).await,
        Err(error) => {
            let error = error.shared();
            calls.iter().map(|_| Err(error())).collect()
        }
    };
    drop(batch);
    for (call, answer) in calls.into_iter().zip(answers) {
        call.answer(answer);
    }
}

async fn one_by_one(database: &Database, calls: &[Call]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(InsertEntries::of(call.command()).write(database).await);
    }
    answers
}

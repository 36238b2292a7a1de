//! Questions by id that are asked at the same time and answered by one query.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use domain::ports::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use group_commit::{Batch, GroupCommit, Limits};

use crate::Database;
use crate::error::no_answer;

/// Queries under way at the same time. While one is, questions gather for the
/// next; a second one keeps a slow answer from holding up everybody.
const QUERIES_MAX: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

/// Ids of one query.
const IDS_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

type Answer<T> = Result<Option<T>, StoreError>;
type Questions<T> = GroupCommit<i64, (), Answer<T>>;

/// Reads rows of one kind by id. A query begins after all its questions were
/// asked, so nobody gets an older answer than a query of their own would give,
/// and all who ask for the same id get the same row.
pub(crate) struct SharedRead<T> {
    database: Database,
    questions: Questions<T>,
}

impl<T: Clone + Send + 'static> SharedRead<T> {
    /// `query` reads the rows of these ids, each with its id, in any order.
    pub(crate) fn new<Q>(database: Database, query: Q) -> Self
    where
        Q: for<'c> Fn(
                &'c mut AsyncPgConnection,
                Vec<i64>,
            ) -> BoxFuture<'c, QueryResult<Vec<(i64, T)>>>
            + Send
            + Sync
            + 'static,
    {
        let limits = Limits {
            commands_per_batch_max: NonZeroUsize::MAX,
            keys_per_batch_max: IDS_MAX,
            batches_max: QUERIES_MAX,
            batches_alone_max: QUERIES_MAX,
            waiting_per_key_max: database.batches.waiting_max,
            waiting_max: database.batches.waiting_max,
        };
        let (asked, query) = (database.clone(), Arc::new(query));
        let questions = GroupCommit::new(limits, move |slot| {
            let (database, query) = (asked.clone(), query.clone());
            asked.spawn(async move {
                if let Some(batch) = slot.take() {
                    let work = |ids| {
                        database.read_here(move |connection| {
                            async move { query(connection, ids).await }.boxed()
                        })
                    };
                    answer(batch, work).await;
                }
            });
        });
        Self {
            database,
            questions,
        }
    }

    /// The row of that id, `None` if there is none.
    pub(crate) async fn get(&self, id: i64) -> Answer<T> {
        let pending = self
            .questions
            .submit(id, (), None)
            .map_err(|not_run| no_answer(not_run.into()))?;
        match tokio::time::timeout(self.database.patience(), pending).await {
            Ok(answer) => answer.map_err(no_answer)?,
            Err(_) => Err(StoreError::Busy("the answer took too long".into())),
        }
    }
}

async fn answer<T, F>(mut batch: Batch<i64, (), Answer<T>>, read: impl FnOnce(Vec<i64>) -> F)
where
    T: Clone,
    F: Future<Output = Result<Vec<(i64, T)>, StoreError>>,
{
    let groups = batch.take_groups();
    let mut ids: Vec<i64> = groups.iter().map(|group| group.key).collect();
    ids.sort_unstable();
    let found = read(ids).await.map(|mut rows| {
        rows.sort_unstable_by_key(|(id, _)| *id);
        rows
    });
    match found {
        Ok(rows) => {
            for group in groups {
                let row = rows.binary_search_by_key(&group.key, |(id, _)| *id);
                let row = row.ok().map(|index| &rows[index].1);
                for entry in group.entries {
                    entry.answer(Ok(row.cloned()));
                }
            }
        }
        Err(error) => {
            let error = error.shared();
            for entry in groups.into_iter().flat_map(|group| group.entries) {
                entry.answer(Err(error()));
            }
        }
    }
}

impl<T> fmt::Debug for SharedRead<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRead")
            .field("questions", &self.questions)
            .finish_non_exhaustive()
    }
}

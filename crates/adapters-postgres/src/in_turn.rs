//! Waiting for the answer to a command that is queued with others.

use std::time::Instant;

use domain::ports::StoreError;
use group_commit::{GroupCommit, Key, NotRun};

use crate::Database;
use crate::error::no_answer;

/// Has a command run in its turn. It runs even if nobody waits for it any more;
/// one that did not get its turn in time does not run.
pub(crate) async fn in_turn<K, C, A>(
    database: &Database,
    queue: &GroupCommit<K, C, Result<A, StoreError>>,
    key: K,
    command: C,
) -> Result<A, StoreError>
where
    K: Key + Unpin,
{
    #[allow(
        clippy::disallowed_methods,
        reason = "how long a caller waits is no business of the store's clock"
    )]
    let deadline = Instant::now() + database.patience();
    let not_taken = |not_run: NotRun| no_answer(not_run.into());
    let submitted = queue.submit(key, command, Some(deadline));
    let mut pending = submitted.map_err(not_taken)?;
    let in_time = tokio::time::timeout_at(deadline.into(), &mut pending).await;
    let answer = match in_time {
        Ok(answer) => answer,
        Err(_) => {
            // Either it is out of the queue now and never runs, or it is under
            // way and its end, which has limits of its own, is near.
            pending.withdraw();
            pending.await
        }
    };
    answer.map_err(no_answer)?
}

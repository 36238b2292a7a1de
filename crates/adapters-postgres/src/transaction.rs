//! One transaction, from BEGIN to COMMIT, in as few round trips as possible.

use std::pin::pin;
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::TransactionDepthChange;
use diesel::sql_types::BigInt;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager};
use domain::ports::StoreError;
use futures::future::{BoxFuture, Either, select};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::Span;

use crate::error;
use crate::measured::Measured;
use crate::pool::Pooled;
use crate::prepared::prepared;
use crate::pulse::Pulse;

prepared!(
    /// Prepared like every statement, so that it is sent in its place among them.
    Begin {} -> (BigInt,),
    "BEGIN"
);

prepared!(
    /// As [`Begin`].
    Commit {} -> (BigInt,),
    "COMMIT"
);

/// How long a transaction may take. The server's own limits do not reach everything: it has none
/// for COMMIT, which may wait for a standby, and they end no line that leads nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// For its work, and once more for the statements that travel with COMMIT.
    pub(crate) work_max: Duration,
    /// For the answer to COMMIT or ROLLBACK, when all others are there.
    pub(crate) end_max: Duration,
}

impl TimeLimits {
    /// As long as it takes.
    pub(crate) const NONE: Self = Self {
        work_max: Duration::MAX,
        end_max: Duration::MAX,
    };
}

/// A connection for one transaction. If it is dropped in the middle, in a panic
/// for instance, the pool closes the connection, and PostgreSQL rolls back.
///
/// BEGIN travels with the first statements and COMMIT with the last ones. They
/// are executed in the order in which they are polled first: each takes its
/// statement from the connection's cache, which is behind a fair lock, and is
/// sent in the same breath, prepared before or not.
pub(crate) struct Transaction {
    connection: Pooled,
    pulse: Pulse,
    limits: TimeLimits,
    measured: Measured,
    _turn: OwnedSemaphorePermit,
}

impl Transaction {
    pub(crate) fn new(
        connection: Pooled,
        pulse: Pulse,
        limits: TimeLimits,
        measured: Measured,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            connection,
            pulse,
            limits,
            measured,
            _turn: turn,
        }
    }

    /// In which its work is to be done.
    pub(crate) fn span(&self) -> Span {
        self.measured.span()
    }

    pub(crate) fn connection(&mut self) -> &mut AsyncPgConnection {
        &mut self.connection
    }

    /// Begins, and runs the first statements in the same round trip. They run even
    /// if BEGIN alone fails, each for itself: one that writes has to make sure
    /// that there is a transaction.
    pub(crate) async fn begin_with<T, F>(&mut self, first: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    {
        // Before it is true: from here on the pool must not give it to others.
        self.note(TransactionDepthChange::IncreaseDepth)?;
        let connection: &AsyncPgConnection = &self.connection;
        let begin = Begin {};
        let (_, first): (usize, T) =
            futures::try_join!(begin.execute(&mut &*connection), first(connection))
                .map_err(error::before_commit)?;
        Ok(first)
    }

    /// Runs the last statements and commits, in the same round trip. COMMIT is
    /// on its way before it is known what the statements did: those that must
    /// have an effect have to fail without it, and then COMMIT rolls back.
    ///
    /// An answer that does not come in time costs the connection, and what became of
    /// the transaction is unknown.
    pub(crate) async fn commit_with<T, F>(mut self, last: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    {
        let TimeLimits { work_max, end_max } = self.limits;
        let connection: &AsyncPgConnection = &self.connection;
        let both = async {
            let last = pin!(timeout(work_max, last(connection)));
            let commit = pin!(async { Commit {}.execute(&mut &*connection).await });
            Ok::<_, Elapsed>(match select(last, commit).await {
                Either::Left((last, commit)) => (last?, timeout(end_max, commit).await?),
                Either::Right((committed, last)) => (last.await?, committed),
            })
        };
        let (last, committed): (_, QueryResult<usize>) = match self.pulse.while_beating(both).await
        {
            Some(Ok(answers)) => answers,
            Some(Err(_)) => return Err(error::with_commit(error::late())),
            None => return Err(error::with_commit(error::unanswered())),
        };
        // The statements' own errors first: that of COMMIT only follows.
        let last = last.map_err(error::with_commit)?;
        committed.map_err(error::at_commit)?;
        self.note(TransactionDepthChange::DecreaseDepth)?;
        Ok(last)
    }

    /// A connection that cannot roll back, or not in time, is broken; the pool closes it,
    /// and PostgreSQL rolls back for us.
    pub(crate) async fn roll_back(mut self) {
        let connection: &mut AsyncPgConnection = &mut self.connection;
        let rolled_back = AnsiTransactionManager::rollback_transaction(connection);
        let in_time = timeout(self.limits.end_max, rolled_back);
        match self.pulse.while_beating(in_time).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => {
                tracing::debug!(%error, "a transaction could not be rolled back");
            }
            Some(Err(_)) | None => tracing::debug!("ROLLBACK was not answered in time"),
        }
    }

    /// Tells the connection whether a transaction is open on it.
    fn note(&mut self, change: TransactionDepthChange) -> Result<(), StoreError> {
        AnsiTransactionManager::transaction_manager_status_mut(&mut **self.connection)
            .transaction_state()
            .and_then(|state| state.change_transaction_depth(change))
            .map_err(error::before_commit)
    }
}

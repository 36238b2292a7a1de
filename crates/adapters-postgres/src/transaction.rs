//! One transaction, from BEGIN to COMMIT, in as few round trips as possible.

use diesel::QueryResult;
use diesel::connection::TransactionDepthChange;
use diesel::sql_types::BigInt;
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager};
use domain::ports::StoreError;
use futures::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::error;
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
    _turn: OwnedSemaphorePermit,
}

impl Transaction {
    pub(crate) fn new(connection: Pooled, pulse: Pulse, turn: OwnedSemaphorePermit) -> Self {
        Self {
            connection,
            pulse,
            _turn: turn,
        }
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
    pub(crate) async fn commit_with<T, F>(mut self, last: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    {
        let connection: &AsyncPgConnection = &self.connection;
        let commit = Commit {};
        let both = async { futures::join!(last(connection), commit.execute(&mut &*connection)) };
        let answered = self.pulse.while_beating(both).await;
        let (last, committed): (_, QueryResult<usize>) =
            answered.ok_or_else(|| error::with_commit(error::unanswered()))?;
        // The statements' own errors first: that of COMMIT only follows.
        let last = last.map_err(error::with_commit)?;
        committed.map_err(error::at_commit)?;
        self.note(TransactionDepthChange::DecreaseDepth)?;
        Ok(last)
    }

    /// A connection that cannot roll back is broken; the pool closes it, and
    /// PostgreSQL rolls back for us.
    pub(crate) async fn roll_back(mut self) {
        let connection: &mut AsyncPgConnection = &mut self.connection;
        let rolled_back = AnsiTransactionManager::rollback_transaction(connection);
        if let Some(Err(error)) = self.pulse.while_beating(rolled_back).await {
            tracing::debug!(%error, "a transaction could not be rolled back");
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

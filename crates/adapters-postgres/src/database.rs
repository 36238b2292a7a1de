//! The pool, and how a piece of work gets a connection and a transaction.

mod pool_use;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bb8::{ErrorSink, RunError};
use diesel::result::QueryResult;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::PoolableConnection;
use domain::ports::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use group_commit::Limits;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::Instrument;

use crate::connect::{self, ConnectError, PgSettings, Sessions};
use crate::error::{self, TRIES_MAX};
use crate::measured::{Measured, TransactionObserver};
use crate::pool::{Manager, NoSession, Pool, Pooled};
use crate::pulse::{Asking, Pulse};
use crate::transaction::{TimeLimits, Transaction};

pub use pool_use::PoolUse;

/// A pool of connections to one PostgreSQL database. Cheap to clone.
///
/// Made on a runtime that outlives it: a connection is driven by the runtime on
/// which it was opened, and all work is done there. It may be used from others.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    connections_max: u32,
    transactions_max: usize,
    sessions: Sessions,
    pulse: Pulse,
    /// On the pool's connections: the most that a piece of work may take there.
    limits: TimeLimits,
    _asking: Arc<Asking>,
    /// Transactions under way. Fewer than there are connections: those that wait
    /// for the lock of a popular event must not keep everybody else from reading.
    transactions: Arc<Semaphore>,
    acquire_timeout: Duration,
    /// Why a connection could not be opened, the last time that happened.
    failures: watch::Receiver<Option<String>>,
    pub(crate) keep_keys: Duration,
    /// Bounds of the batches in which bookings are made.
    pub(crate) batches: Limits,
    observer: Option<TransactionObserver>,
    /// Where connections live and work is done: a handler's own runtime ends
    /// before the pool does.
    runtime: Handle,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("connections", &self.pool.state().connections)
            .finish()
    }
}

impl Database {
    /// Opens a pool and makes sure that the server answers, trying again until
    /// `wait` has passed.
    ///
    /// # Errors
    /// The URL is wrong or leads to a pooler that is not as the settings say (at once), or
    /// nobody answered in time.
    pub async fn connect(settings: &PgSettings, wait: Duration) -> Result<Self, ConnectError> {
        let sessions = Sessions::try_new(settings)?;
        let deadline = tokio::time::Instant::now() + wait;
        // Servers that are starting refuse connections for a moment.
        const PAUSE: Duration = Duration::from_millis(200);
        let mut reason = format!("no answer within {wait:?}");
        loop {
            let attempt = tokio::time::timeout_at(deadline, sessions.connect_first()).await;
            match attempt {
                Ok(Ok(connection)) => return Ok(Self::new(settings, sessions, connection)),
                Ok(Err(ConnectError::Unreachable(why))) => reason = why,
                Ok(Err(error)) => return Err(error),
                // What an earlier attempt was told says more than that this
                // one was cut short.
                Err(_) => {}
            }
            if tokio::time::Instant::now() + PAUSE >= deadline {
                return Err(ConnectError::Unreachable(reason));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn new(settings: &PgSettings, sessions: Sessions, connection: AsyncPgConnection) -> Self {
        let pulse = Pulse::new();
        let (sink, failures) = watch::channel(None);
        let pool = Pool::builder()
            .max_size(settings.pool_size)
            .connection_timeout(settings.acquire_timeout)
            .retry_connection(false)
            .error_sink(Box::new(FailureSink {
                waiters: Arc::new(sink),
                pulse: pulse.clone(),
            }))
            .build_unchecked(Manager {
                sessions: sessions.clone(),
                pulse: pulse.clone(),
            });
        let asking = pulse.ask(sessions.clone(), connection, settings.answer_timeout);
        let transactions_max = (settings.pool_size - settings.pool_size / 4).max(1) as usize;
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        let batches = settings.batches;
        let batches_max = batches.batches_max.min(at_least_one(transactions_max));
        Self {
            pool,
            connections_max: settings.pool_size,
            transactions_max,
            sessions,
            pulse,
            limits: TimeLimits {
                work_max: 2 * settings.statement_timeout,
                end_max: settings.commit_timeout,
            },
            _asking: Arc::new(asking),
            transactions: Arc::new(Semaphore::new(transactions_max)),
            acquire_timeout: settings.acquire_timeout,
            failures,
            keep_keys: settings.keep_keys,
            batches: Limits {
                batches_max,
                // Half of them may wait for events that somebody has locked, the
                // others never wait.
                batches_alone_max: batches
                    .batches_alone_max
                    .min(at_least_one(batches_max.get() / 2)),
                ..batches
            },
            observer: None,
            runtime: Handle::current(),
        }
    }

    /// The same, with somebody who is told of each transaction of this handle and of its clones.
    #[must_use]
    pub fn observed(self, observer: TransactionObserver) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// A connection, waited for while there is hope: the pool itself would let
    /// everybody wait to the end when the server is gone.
    async fn checkout(&self) -> Result<Pooled, StoreError> {
        self.pulse.check()?;
        let hopeful = self.pulse.while_beating(self.wait_for_connection()).await;
        match hopeful {
            Some(connection) => connection,
            None => Err(error::before_commit(error::unanswered())),
        }
    }

    async fn wait_for_connection(&self) -> Result<Pooled, StoreError> {
        let mut failures = self.failures.clone();
        failures.mark_unchanged();
        let mut waiting = std::pin::pin!(self.pool.get_owned());
        loop {
            tokio::select! {
                biased;
                got = &mut waiting => return got.map_err(no_connection),
                Ok(()) = failures.changed() => {
                    // As long as others have a connection, one will come back.
                    if self.pool.state().connections == 0 {
                        let reason = failures.borrow().clone().unwrap_or_default();
                        return Err(StoreError::Unavailable(reason.into()));
                    }
                }
            }
        }
    }

    /// Waits for the server's answers to a piece of work, unless it is lost or takes
    /// longer than the limits of its statements allow. Then the connection is given up.
    async fn answered<T>(
        &self,
        connection: &mut Pooled,
        work: impl for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    ) -> QueryResult<T> {
        let answer = self.answer_in_time(work(connection)).await;
        match &answer {
            None => connection.spoil(),
            Some(Err(_)) if connection.is_broken() => self.pulse.doubt(),
            Some(_) => {}
        }
        answer.unwrap_or_else(|| Err(error::unanswered()))
    }

    /// The answer to a piece of work, `None` if there will be none. Then what it was
    /// using is not to be used again.
    pub(crate) async fn answer_in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let in_time = tokio::time::timeout(self.limits.work_max, work);
        self.pulse.while_beating(in_time).await?.ok()
    }

    /// Waits for a transaction's turn, in the order of arrival.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let waiting = self.transactions.clone().acquire_owned();
        match tokio::time::timeout(self.acquire_timeout, waiting).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(StoreError::Busy(
                "too many transactions are under way".into(),
            )),
        }
    }

    /// Runs `work` on a connection without a transaction: for single statements.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>
            + Send
            + 'static,
    {
        let database = self.clone();
        self.run_to_the_end(async move { database.read_here(work).await })
            .await
    }

    /// As [`read`](Self::read), in a task that nobody drops.
    pub(crate) async fn read_here<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    {
        let mut connection = self.checkout().await?;
        let answer = self.answered(&mut connection, work).await;
        answer.map_err(error::before_commit)
    }

    /// Runs `work` without a transaction around it: statements that write, each of
    /// which is one of its own. If the connection breaks under one, it may have
    /// been committed.
    pub(crate) async fn write<T, F>(&self, name: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>
            + Send
            + 'static,
    {
        let database = self.clone();
        let work = async move { database.write_here(name, work).await };
        self.run_to_the_end(work.in_current_span()).await
    }

    /// As [`write`](Self::write), in a task that nobody drops.
    pub(crate) async fn write_here<T, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>>,
    {
        let _turn = self.turn().await?;
        let mut connection = self.checkout().await?;
        let measured = Measured::begin(name, self.observer.clone());
        let answer = self.answered(&mut connection, work);
        let answer = answer.instrument(measured.span()).await;
        answer.map_err(error::with_commit)
    }

    /// Runs `work` in a transaction that is committed when it returns `Ok` and
    /// rolled back otherwise; and in another one if somebody else's came in between,
    /// and nothing was done.
    pub(crate) async fn transaction<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + std::error::Error + Send + 'static,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>>
            + Clone
            + Send
            + 'static,
    {
        let database = self.clone();
        let work = async move {
            let mut tries = 1;
            loop {
                let tried = database.transaction_here(name, work.clone(), database.limits);
                match tried.await {
                    Err(error) if tries < TRIES_MAX && error::is_race(&error) => {
                        tracing::debug!(%error, tries, "a transaction is tried again");
                        tries += 1;
                    }
                    outcome => return outcome,
                }
            }
        };
        self.run_to_the_end(work.in_current_span()).await
    }

    /// As [`transaction`](Self::transaction), and only once, however long it takes: for
    /// work that uses up what it is given.
    pub(crate) async fn transaction_once<T, E, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>>
            + Send
            + 'static,
    {
        let database = self.clone();
        let limits = TimeLimits::NONE;
        let work = async move { database.transaction_here(name, work, limits).await };
        self.run_to_the_end(work.in_current_span()).await
    }

    async fn transaction_here<T, E, F>(
        &self,
        name: &'static str,
        work: F,
        limits: TimeLimits,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>>,
    {
        let transaction = self.open_limited(name, limits).await?;
        let span = transaction.span();
        let run = self.run_in(transaction, work, limits);
        run.instrument(span).await
    }

    async fn run_in<T, E, F>(
        &self,
        mut transaction: Transaction,
        work: F,
        limits: TimeLimits,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
        F: for<'c> FnOnce(&'c mut AsyncPgConnection) -> BoxFuture<'c, Result<T, E>>,
    {
        let work = async {
            transaction.begin_with(|_| async { Ok(()) }.boxed()).await?;
            work(transaction.connection()).await
        };
        let in_time = tokio::time::timeout(limits.work_max, work);
        let Some(Ok(done)) = self.pulse.while_beating(in_time).await else {
            // Dropped in the middle, so the pool closes it.
            return Err(error::before_commit(error::unanswered()).into());
        };
        match done {
            Ok(done) => {
                transaction
                    .commit_with(|_| async { Ok(()) }.boxed())
                    .await?;
                Ok(done)
            }
            Err(refusal) => {
                transaction.roll_back().await;
                Err(refusal)
            }
        }
    }

    /// A connection for one transaction, for a task that nobody drops.
    pub(crate) async fn open_transaction(
        &self,
        name: &'static str,
    ) -> Result<Transaction, StoreError> {
        self.open_limited(name, self.limits).await
    }

    async fn open_limited(
        &self,
        name: &'static str,
        limits: TimeLimits,
    ) -> Result<Transaction, StoreError> {
        let turn = self.turn().await?;
        let connection = self.checkout().await?;
        let pulse = self.pulse.clone();
        let measured = Measured::begin(name, self.observer.clone());
        Ok(Transaction::new(connection, pulse, limits, measured, turn))
    }

    /// A connection beside the pool, to the server that the URL leads to now. Waits until
    /// there is one.
    pub(crate) async fn connect_anew(&self) -> Result<AsyncPgConnection, StoreError> {
        self.pulse.beating().await;
        let connected = self.sessions.connect().await;
        connected.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Starts a task on the pool's runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs a piece of work as a task: dropping a connection in the middle of a
    /// transaction is not safe, so whoever waits for the answer may stop waiting,
    /// but the work goes on to its end.
    async fn run_to_the_end<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self.runtime.spawn(work).await {
            Ok(outcome) => outcome,
            Err(defect) => Err(StoreError::Failed(Box::new(defect)).into()),
        }
    }

    /// How long whoever wants something waits for its turn.
    pub(crate) fn patience(&self) -> Duration {
        self.acquire_timeout
    }

    /// A connection outside the pool's bookkeeping of transactions, for
    /// migrations.
    pub(crate) async fn raw(&self) -> Result<Pooled, StoreError> {
        self.checkout().await
    }
}

/// Tells whoever waits for a connection that one could not be opened.
#[derive(Debug, Clone)]
struct FailureSink {
    waiters: Arc<watch::Sender<Option<String>>>,
    pulse: Pulse,
}

impl ErrorSink<NoSession> for FailureSink {
    fn sink(&self, error: NoSession) {
        // A pooled connection that turned out to be closed is replaced; that
        // alone does not mean that the server is gone.
        if let NoSession::NotOpened(error) = error {
            let reason = connect::describe(&error);
            tracing::debug!(reason, "a connection could not be opened");
            self.waiters.send_replace(Some(reason));
            self.pulse.doubt();
        }
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<NoSession>> {
        Box::new(self.clone())
    }
}

fn no_connection(error: RunError<NoSession>) -> StoreError {
    match error {
        RunError::TimedOut => StoreError::Busy("no connection became free in time".into()),
        RunError::User(error) => StoreError::Unavailable(Box::new(error)),
    }
}

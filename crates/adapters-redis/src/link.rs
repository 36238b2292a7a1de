//! The way to Redis: connections, limits on every wait, and going around Redis
//! while it is lost. Knows nothing of seats.

use std::error::Error;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool_redis::redis::{self, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use group_commit::{Limits, NotDone, NotRun};
use tokio::sync::Semaphore;

use crate::breaker::{CircuitBreaker, Pass};
use crate::pool::{Connection, MultiplexedConnection, Pool, PoolError};
use crate::settings::GateSettings;
use crate::surroundings::{self, timeout};

/// Why Redis gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// It failed less than a cool-down ago.
    #[error("redis failed a moment ago and is gone around")]
    GoneAround,
    /// All connections, or the batches, are taken by others.
    #[error("no turn at redis came within {0:?}")]
    Crowded(Duration),
    /// As many commands wait as may.
    #[error("too much waits for redis")]
    Full,
    /// What was to ask it ended before it did.
    #[error("nobody knows whether redis was asked")]
    Lost,
    /// It took too long.
    #[error("redis did not answer within {0:?}")]
    Silent(Duration),
    /// There is no connection.
    #[error("cannot connect to redis")]
    Connect(#[source] PoolError),
    /// It answered with an error, or the connection broke.
    #[error("redis failed")]
    Command(#[source] RedisError),
}

impl LinkError {
    /// For a command that was put into a queue and had no answer there.
    pub(crate) fn not_done(not_done: NotDone, deadline: Duration) -> Self {
        match not_done {
            NotDone::NotRun(NotRun::Expired) => Self::Crowded(deadline),
            NotDone::NotRun(NotRun::Full | NotRun::Closed) => Self::Full,
            NotDone::Lost => Self::Lost,
        }
    }

    /// Whether Redis is lost: out of reach, silent, or not the primary any more. A
    /// Redis that answers a command with an error is there otherwise, and may answer
    /// the next one better.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::GoneAround | Self::Crowded(_) | Self::Full | Self::Lost => false,
            Self::Silent(_) | Self::Connect(_) => true,
            Self::Command(error) => {
                error.is_io_error() || error.is_unrecoverable_error() || is_read_only(error)
            }
        }
    }
}

/// It was the primary, and another one is now: who connects anew finds that one,
/// through Sentinel or by its name.
fn is_read_only(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// A queue whose batches go to each node one after the other, so many commands in
/// each.
pub(crate) fn one_at_a_time(commands_max: usize, waiting_max: usize, nodes_max: usize) -> Limits {
    let [commands, waiting, nodes] = [commands_max, waiting_max, nodes_max]
        .map(|n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN));
    Limits {
        commands_per_batch_max: commands,
        keys_per_batch_max: NonZeroUsize::MIN,
        batches_max: nodes,
        batches_alone_max: nodes,
        waiting_per_key_max: waiting,
        waiting_max: waiting,
    }
}

/// How long the shared connection may rest and still be used without looking
/// whether it is there: then a load of any size costs no extra round trips, and
/// a connection that was ended while nobody used it is not met by a command.
const UNCHECKED_FOR: Duration = Duration::from_millis(100);

/// Connections to one Redis: one that batches share, and a pool for the rest.
pub(crate) struct Link {
    /// Where it is, without credentials.
    address: String,
    pool: Pool,
    /// Out of the pool for good, because a checkout costs a round trip more.
    /// Nobody has it while it is used: batches follow one another.
    shared: Mutex<Option<Shared>>,
    /// One permit per connection of the pool. Callers queue here and not in the pool, so
    /// that the queue hears at once when Redis is lost.
    permits: Arc<Semaphore>,
    response_timeout: Duration,
    connect_timeout: Duration,
    breaker: Arc<CircuitBreaker>,
}

/// The connection of batches.
struct Shared {
    connection: MultiplexedConnection,
    used_at: Instant,
}

impl Link {
    /// A link that connects when it is first used.
    pub(crate) fn new((address, pool): (String, Pool), settings: &GateSettings) -> Self {
        Self {
            address,
            pool,
            shared: Mutex::new(None),
            permits: Arc::new(Semaphore::new(settings.pool_size)),
            response_timeout: settings.response_timeout,
            connect_timeout: settings.connect_timeout,
            breaker: Arc::new(CircuitBreaker::new(settings.cool_down, surroundings::now())),
        }
    }

    /// A link to the same Redis for other batches, which do not wait for those of
    /// this one. Redis is lost and found for both.
    pub(crate) fn beside(&self) -> Self {
        Self {
            address: self.address.clone(),
            pool: self.pool.clone(),
            shared: Mutex::new(None),
            permits: Arc::clone(&self.permits),
            response_timeout: self.response_timeout,
            connect_timeout: self.connect_timeout,
            breaker: Arc::clone(&self.breaker),
        }
    }

    /// Whether Redis is being gone around because it did not answer.
    pub(crate) fn is_gone_around(&self) -> bool {
        self.breaker.is_open()
    }

    /// Leave to ask Redis; `None` while it is being gone around.
    pub(crate) fn admit(&self, now: Instant) -> Option<Pass> {
        self.breaker.admit(now)
    }

    /// Asks Redis over the connection that batches share. For one batch at a
    /// time, with the best leave of those in it.
    pub(crate) async fn share<T>(
        &self,
        pass: Pass,
        work: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, LinkError> {
        let shared = self.shared().take();
        let time_limit = match shared {
            Some(_) => self.response_timeout,
            None => self.time_limit(),
        };
        let attempt = async {
            let mut connection = self.connect_shared(shared).await?;
            let outcome = work(&mut connection).await.map_err(LinkError::Command);
            if !outcome.as_ref().is_err_and(LinkError::is_loss) {
                *self.shared() = Some(Shared {
                    connection,
                    used_at: surroundings::now(),
                });
            }
            outcome
        };
        self.bounded(pass, time_limit, attempt).await
    }

    /// The connection as it was left, if that was a moment ago; else one that
    /// is known to be there.
    async fn connect_shared(
        &self,
        shared: Option<Shared>,
    ) -> Result<MultiplexedConnection, LinkError> {
        if let Some(mut shared) = shared {
            let rested = surroundings::now().saturating_duration_since(shared.used_at);
            let ping = redis::cmd("PING");
            if rested < UNCHECKED_FOR || ping.exec_async(&mut shared.connection).await.is_ok() {
                return Ok(shared.connection);
            }
        }
        let connection = self.pool.get().await.map_err(LinkError::Connect)?;
        Ok(connection.take())
    }

    fn shared(&self) -> MutexGuard<'_, Option<Shared>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks Redis, unless it is being gone around. For calls that somebody
    /// waits for.
    pub(crate) async fn ask<T, F>(&self, work: impl FnOnce(Connection) -> F) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match self.breaker.admit(surroundings::now()) {
            Some(pass) => self.call(pass, work).await,
            None => Err(LinkError::GoneAround),
        }
    }

    /// Asks Redis even while others go around it. For one caller in the
    /// background, which so finds out for all the others.
    pub(crate) async fn insist<T, F>(
        &self,
        work: impl FnOnce(Connection) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let pass = self.breaker.insist(surroundings::now());
        let outcome = self.call(pass, work).await;
        // Here and not in `call`, because this one runs seldom.
        if let Err(error @ LinkError::Command(_)) = &outcome
            && !error.is_loss()
        {
            tracing::warn!(
                redis = %self.address,
                error = in_full(error),
                "redis refuses a command",
            );
        }
        outcome
    }

    async fn call<T, F>(
        &self,
        pass: Pass,
        work: impl FnOnce(Connection) -> F,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        // A queue that is too long says nothing about Redis: no failure.
        let _permit = timeout(self.response_timeout, self.permits.acquire())
            .await
            .map_err(|_| LinkError::Crowded(self.response_timeout))?;
        self.bounded(pass, self.time_limit(), self.attempt(work))
            .await
    }

    /// Goes on for so long at most, and not at all if Redis was lost since leave
    /// was given. Takes note of how it goes.
    async fn bounded<T>(
        &self,
        pass: Pass,
        time_limit: Duration,
        attempt: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        if pass == Pass::Ordinary && self.breaker.is_open() {
            return Err(LinkError::GoneAround);
        }
        let outcome = timeout(time_limit, attempt)
            .await
            .unwrap_or(Err(LinkError::Silent(time_limit)));
        match &outcome {
            Err(error) if error.is_loss() => self.note_failure(error),
            Ok(_) | Err(_) => self.note_answer(pass),
        }
        outcome
    }

    /// The limit for all of a call. Each step has one of its own, but the pool
    /// checks a connection, and makes another when that fails, and then another
    /// step follows: it shall not add up.
    fn time_limit(&self) -> Duration {
        if self.pool.available() > 0 {
            self.response_timeout
        } else {
            self.connect_timeout + self.response_timeout
        }
    }

    async fn attempt<T, F>(&self, work: impl FnOnce(Connection) -> F) -> Result<T, LinkError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connection = self.pool.get().await.map_err(LinkError::Connect)?;
        work(connection).await.map_err(LinkError::Command)
    }

    fn note_answer(&self, pass: Pass) {
        if self.breaker.answered(pass) {
            tracing::info!(redis = %self.address, "redis is back");
        }
    }

    fn note_failure(&self, error: &LinkError) {
        // Whoever tries next shall meet a new connection, not check old ones
        // one by one, each for as long as an answer may take.
        self.pool.clear();
        *self.shared() = None;
        if self.breaker.failed(surroundings::now()) {
            tracing::warn!(
                redis = %self.address,
                error = in_full(error),
                "redis is lost; going around it until it answers again",
            );
        }
    }
}

/// An error with everything that caused it: not every format of a log looks for
/// causes itself. Some errors of others have their cause in their text.
fn in_full(error: &LinkError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

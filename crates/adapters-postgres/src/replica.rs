//! Reads that may be stale by a stated bound, from a replica while it is seen to keep to it.
//!
//! This process writes a beat to the primary now and then. A read asks the replica for the
//! last beat that it has, then for what is wanted, on one connection. The answer counts if the
//! beat was sent no longer than the greatest lag before somebody asked. So the bound is proved
//! for each answer by itself: a replica that was cut off, started again from an older state, or
//! belongs to another history does not show the beats, and several replicas behind one address
//! do not vouch for one another. In every other case the primary is asked.

mod beats;
mod counts;
mod statements;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::ports::StoreError;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;
use uuid::Uuid;

use crate::Database;
use crate::connect::{ConnectError, PgSettings, Sessions, describe};
use crate::one_row::OneRow;

use self::beats::Beats;
use self::counts::Counts;
use self::statements::{ForgetBeats, ReadBeat, WriteBeat};

/// The most beats within the greatest lag.
const BEATS_PER_LAG: u32 = 4;

/// Between two beats, whatever the greatest lag is.
const BEAT_MAX: Duration = Duration::from_secs(10);

/// Between two beats while nobody reads: for the figures alone.
const IDLE_BEAT: Duration = Duration::from_secs(10);

/// Between two attempts to reach a replica for the first time.
const RETRY: Duration = Duration::from_secs(1);

/// A replica of the primary, and what is known of it.
#[derive(Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    watching: JoinHandle<()>,
}

/// How reads that may be stale went, and how the replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaUse {
    /// Reads that the replica answered.
    pub by_replica: u64,
    /// Reads that the primary was asked for instead.
    pub by_primary: u64,
    /// Whether the next read asks the replica.
    pub is_used: bool,
    /// How old the oldest change is that it is known to lack.
    pub lag: Duration,
}

struct Shared {
    primary: Database,
    /// Once it was reached.
    replica: OnceLock<Database>,
    /// What no other process has.
    instance: i64,
    /// How long its answer is waited for.
    patience: Duration,
    beats: Mutex<Beats>,
    state: Mutex<State>,
    is_wanted: AtomicBool,
    wanted: Notify,
    counts: Counts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nobody has looked.
    Unknown,
    Used,
    /// And why.
    GoneAround(String),
}

/// Why a replica's answer does not count.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it is no replica: it takes writes itself")]
    NoReplica,
    #[error("it lags behind the primary by more than it may")]
    Behind,
    /// As after a time in which nobody asked.
    #[error("it had no time yet to show that it does not")]
    NotYet,
    #[error("it does not answer in time")]
    Silent,
    #[error("it does not answer: {}", describe(.0))]
    Failed(#[source] StoreError),
}

impl Replica {
    /// Follows the replica that the settings name, beside the primary. Whether it can be
    /// reached shows later, and again and again.
    ///
    /// # Errors
    /// The URL is wrong.
    pub fn follow(
        settings: &PgSettings,
        lag_max: Duration,
        primary: &Database,
    ) -> Result<Self, ConnectError> {
        Sessions::try_new(settings)?;
        // An answer that takes longer is as old as it may be.
        let patience = lag_max.min(settings.answer_timeout);
        let settings = PgSettings {
            acquire_timeout: patience,
            statement_timeout: patience,
            ..settings.clone()
        };
        let (high, _) = Uuid::new_v4().as_u64_pair();
        let shared = Arc::new(Shared {
            primary: primary.clone(),
            replica: OnceLock::new(),
            instance: high.cast_signed(),
            patience,
            beats: Mutex::new(Beats::new(lag_max)),
            state: Mutex::new(State::Unknown),
            is_wanted: AtomicBool::new(true),
            wanted: Notify::new(),
            counts: Counts::default(),
        });
        let pause = (lag_max / BEATS_PER_LAG).min(BEAT_MAX);
        let watching = Arc::clone(&shared).watch(settings, pause);
        // What is logged of connections is about those of the replica.
        let watching = watching.instrument(tracing::info_span!("replica"));
        Ok(Self {
            shared,
            watching: tokio::spawn(watching),
        })
    }

    /// How it is used.
    pub fn how_used(&self) -> ReplicaUse {
        let shared = &self.shared;
        ReplicaUse {
            by_replica: shared.counts.by_replica(),
            by_primary: shared.counts.by_primary(),
            is_used: *lock(&shared.state) == State::Used,
            lag: lock(&shared.beats).lag(Instant::now()),
        }
    }

    /// What this process calls itself in `replica_beats`, whose `beat_at` is the primary's
    /// clock when the replica's data were at least as new as they are shown to be.
    pub(crate) fn instance(&self) -> i64 {
        self.shared.instance
    }

    /// What the replica says, if it is proved to be new enough; otherwise the primary is
    /// to be asked.
    pub(crate) async fn read<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + 'static,
    {
        let answer = self.shared.read(work).await;
        self.shared.counts.count(answer.is_some());
        answer
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Shared {
    async fn read<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + 'static,
    {
        let asked = Instant::now();
        if !self.is_wanted.swap(true, Ordering::Relaxed) {
            self.wanted.notify_one();
        }
        let replica = self.replica.get()?;
        let is_worth_asking =
            *lock(&self.state) == State::Used && lock(&self.beats).could_prove(asked);
        if !is_worth_asking {
            return None;
        }
        match self.ask(replica, asked, work).await {
            Ok(answer) => Some(answer),
            Err(unfit) => {
                self.judge(unfit);
                None
            }
        }
    }

    /// Asks for the beat and then for something else, in one round trip: statements are
    /// executed in the order in which they are polled first, see [`Transaction`]. So what
    /// follows is at least as new as the beat.
    ///
    /// [`Transaction`]: crate::transaction::Transaction
    async fn ask<T, F>(&self, replica: &Database, asked: Instant, work: F) -> Result<T, Unfit>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c AsyncPgConnection) -> BoxFuture<'c, QueryResult<T>> + Send + 'static,
    {
        let read_beat = ReadBeat {
            instance: self.instance,
        };
        let reading = replica.read(move |connection| {
            async move {
                let connection: &AsyncPgConnection = connection;
                futures::try_join!(
                    read_beat.one_row::<(bool, Option<i64>)>(&mut &*connection),
                    work(connection),
                )
            }
            .boxed()
        });
        let ((is_replica, shown), answer) = timeout(self.patience, reading)
            .await
            .map_err(|_| Unfit::Silent)?
            .map_err(Unfit::Failed)?;
        if !is_replica {
            return Err(Unfit::NoReplica);
        }
        let mut beats = lock(&self.beats);
        beats.show(shown);
        match beats.prove(shown, asked) {
            true => Ok(answer),
            false if beats.is_late(Instant::now()) => Err(Unfit::Behind),
            false => Err(Unfit::NotYet),
        }
    }

    /// Beats, and looks whether the replica shows it, on and on.
    async fn watch(self: Arc<Self>, settings: PgSettings, pause: Duration) {
        let replica = loop {
            match Database::connect(&settings, RETRY).await {
                Ok(replica) => break self.replica.get_or_init(|| replica),
                Err(error) => self.go_around(&error),
            }
            sleep(RETRY).await;
        };
        let forgotten = self.primary.write("forget_beats", |connection| {
            async move { ForgetBeats {}.execute(connection).await }.boxed()
        });
        if let Err(error) = forgotten.await {
            tracing::debug!(error = describe(&error), "old beats were not removed");
        }
        for beat in 1.. {
            self.beat(beat).await;
            self.look(replica).await;
            sleep(pause).await;
            if !self.is_wanted.swap(false, Ordering::Relaxed) {
                // By now it has got this one, and the figures are right while nobody reads.
                self.look(replica).await;
                let _ = timeout(IDLE_BEAT, self.wanted.notified()).await;
            }
        }
    }

    async fn look(&self, replica: &Database) {
        let nothing_else = self.ask(replica, Instant::now(), |_| async { Ok(()) }.boxed());
        match nothing_else.await {
            Ok(()) => self.come_back(),
            Err(unfit) => self.judge(unfit),
        }
    }

    /// Writes a beat, which proves nothing unless it is confirmed. Without waiting for a
    /// transaction's turn: when there is most to do, the replica is needed most.
    async fn beat(&self, beat: i64) {
        let write = WriteBeat {
            instance: self.instance,
            beat,
        };
        let written = self.primary.read(move |connection| {
            async move {
                let sent = Instant::now();
                write.execute(connection).await?;
                Ok(sent)
            }
            .boxed()
        });
        match written.await {
            Ok(sent) => lock(&self.beats).confirm(beat, sent),
            Err(error) => tracing::debug!(error = describe(&error), "the primary took no beat"),
        }
    }

    fn judge(&self, unfit: Unfit) {
        match unfit {
            Unfit::NotYet => {}
            unfit => self.go_around(&unfit),
        }
    }

    fn come_back(&self) {
        if self.enter(State::Used) {
            tracing::info!("reads that may be stale go to the replica");
        }
    }

    fn go_around(&self, reason: &dyn std::error::Error) {
        let reason = reason.to_string();
        if self.enter(State::GoneAround(reason.clone())) {
            tracing::warn!(
                reason,
                "reads that may be stale go to the primary, not to the replica"
            );
        }
    }

    /// Whether that is new: it is said once, whatever other reasons follow.
    fn enter(&self, state: State) -> bool {
        let mut current = lock(&self.state);
        let is_new = std::mem::discriminant(&*current) != std::mem::discriminant(&state);
        *current = state;
        is_new
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("state", &lock(&self.state))
            .finish_non_exhaustive()
    }
}

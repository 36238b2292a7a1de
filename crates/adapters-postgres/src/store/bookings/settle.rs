//! Finding out what became of batches whose connection broke at COMMIT.
//!
//! See `docs/adr/0015-settling-unknown-outcomes.md`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreError;
use domain::rules::SaleAnswer;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::Database;
use crate::error::TRIES_MAX;

use super::batch::{Ended, SaleGroup, run_alone, tell};
use super::traces::{Found, Traces};

/// Between two looks at a server that is away, or at an event that stays locked.
const PAUSE: Duration = Duration::from_millis(100);

/// Even commands that waited long are looked after for this long.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// A batch of which nobody knows whether it was committed.
pub(super) struct Unsettled {
    groups: Vec<SaleGroup>,
    /// To each command, if it was.
    answers: Vec<SaleAnswer>,
    traces: Traces,
    cause: StoreError,
}

impl Unsettled {
    pub(super) fn new(
        groups: Vec<SaleGroup>,
        answers: Vec<SaleAnswer>,
        traces: Traces,
        cause: StoreError,
    ) -> Self {
        Self {
            groups,
            answers,
            traces,
            cause,
        }
    }

    /// When the last of its commands gives up.
    fn deadline(&self) -> Instant {
        let entries = self.groups.iter().flat_map(|group| &group.entries);
        let last = entries.filter_map(|entry| entry.deadline()).max();
        let soonest = Instant::now() + PATIENCE_MIN;
        last.map_or(soonest, |last| soonest.max(last.into()))
    }
}

/// What is being settled, beside the batches that are under way.
#[derive(Clone)]
pub(super) struct Settling {
    under_way: Arc<watch::Sender<usize>>,
    /// As many as there are batches that wait for locks, as these do: so there is an end
    /// of connections, and of transactions that others cannot have.
    turns: Arc<Semaphore>,
}

/// One who settles.
pub(super) struct Turn(Settling);

impl Settling {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            under_way: Arc::new(watch::Sender::new(0)),
            turns: Arc::new(Semaphore::new(database.batches.batches_alone_max.get())),
        }
    }

    /// Counts as under way until it is dropped.
    pub(super) fn begin(&self) -> Turn {
        self.under_way.send_modify(|count| *count += 1);
        Turn(self.clone())
    }

    /// Waits until nothing is under way.
    pub(super) async fn settled(&self) {
        // The sender is our own, so there is no error.
        let _ = self.under_way.subscribe().wait_for(|n| *n == 0).await;
    }
}

impl Turn {
    /// Tells all commands what became of them. What nobody knows by the last of their
    /// deadlines stays unknown, and what is known not to be done by then is not begun.
    pub(super) async fn settle(self, database: &Database, unsettled: Vec<Unsettled>) {
        let rounds = unsettled.into_iter().map(|unsettled| (unsettled, 1));
        let mut rounds: VecDeque<(Unsettled, u32)> = rounds.collect();
        while let Some((unsettled, round)) = rounds.pop_front() {
            let deadline = unsettled.deadline();
            // Held until the commands were run once more: those wait for locks too.
            let turn = tokio::time::timeout_at(deadline, self.0.turns.acquire()).await;
            let found = match turn {
                Ok(_) => find_out(database, &unsettled.traces, deadline).await,
                Err(_) => None,
            };
            tracing::info!(?found, cause = %unsettled.cause, "an unknown outcome was looked into");
            let again = conclude(database, unsettled, found, round, deadline).await;
            rounds.extend(again.into_iter().map(|unsettled| (unsettled, round + 1)));
        }
    }
}

/// What became of a transaction, `None` if that is not to be found out in time.
async fn find_out(database: &Database, traces: &Traces, deadline: Instant) -> Option<Found> {
    loop {
        // A look that is cut off ends its connection, and the transaction with it.
        match tokio::time::timeout_at(deadline, traces.look(database)).await {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(error)) => tracing::debug!(%error, "an unknown outcome stays unknown"),
            Err(_) => return None,
        }
        if Instant::now() + PAUSE >= deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

/// Tells the commands, after some of them were run once more perhaps. Returns those of
/// which nobody knows once more.
async fn conclude(
    database: &Database,
    unsettled: Unsettled,
    found: Option<Found>,
    round: u32,
    deadline: Instant,
) -> Vec<Unsettled> {
    let Unsettled {
        groups,
        answers,
        cause,
        traces,
    } = unsettled;
    let ended = match found {
        Some(Found::Done) => Ended::answered(groups, answers),
        Some(Found::NotDone) if round < TRIES_MAX => {
            return run_again(database, groups, cause, deadline).await;
        }
        Some(Found::NotDone) => Ended::all_told(groups, nothing_done(cause)),
        Some(Found::InPart) => {
            tracing::error!(?traces, "a transaction was committed in part");
            Ended::all_told(groups, cause)
        }
        None => Ended::all_told(groups, cause),
    };
    ended.answers.into_iter().for_each(tell);
    Vec::new()
}

/// One event after the other, each told as soon as it is known.
async fn run_again(
    database: &Database,
    groups: Vec<SaleGroup>,
    cause: StoreError,
    deadline: Instant,
) -> Vec<Unsettled> {
    let (mut again, mut too_late) = (Vec::new(), Vec::new());
    for group in groups {
        if Instant::now() >= deadline {
            too_late.push(group);
            continue;
        }
        let ended = run_alone(database, group).await;
        ended.answers.into_iter().for_each(tell);
        again.extend(ended.unsettled);
    }
    let ended = Ended::all_told(too_late, nothing_done(cause));
    ended.answers.into_iter().for_each(tell);
    again
}

/// The connection broke each time, and nothing has happened.
fn nothing_done(cause: StoreError) -> StoreError {
    match cause {
        StoreError::OutcomeUnknown(cause) => StoreError::Unavailable(cause),
        other => other,
    }
}

//! One batch, from its commands to their answers.

use std::collections::BTreeMap;

use domain::model::{Capacity, EventId};
use domain::ports::{SeatsWatch, StoreError};
use domain::rules::{SaleAnswer, SaleCommand};
use group_commit::{Batch, Entry, Group};

use crate::Database;

use super::attempt::{Failure, Outcome, Work, attempt};
use super::facts::Locking;
use super::settle::{Settling, Unsettled};

pub(super) type Answer = Result<SaleAnswer, StoreError>;
type SaleBatch = Batch<EventId, SaleCommand, Answer>;
pub(super) type SaleGroup = Group<EventId, SaleCommand, Answer>;
pub(super) type SaleEntry = Entry<SaleCommand, Answer>;

/// What a batch came to.
#[derive(Default)]
pub(super) struct Ended {
    /// Commands and what they are to be told.
    pub(super) answers: Vec<(SaleEntry, Answer)>,
    /// Commands of which nobody knows yet.
    pub(super) unsettled: Vec<Unsettled>,
    /// What its events have left, as far as that is known.
    seats_left: BTreeMap<EventId, Capacity>,
}

/// Runs a batch in one transaction. If that fails with nothing done, the fault
/// may lie with one event or one command: the rest is tried without it.
///
/// The batch ends, so that the next one can begin, before anybody is told, and
/// before it is found out what became of what is not known.
pub(super) async fn run(
    database: &Database,
    mut batch: SaleBatch,
    settling: &Settling,
    watch: Option<&dyn SeatsWatch>,
) {
    let mut groups = batch.take_groups();
    let ended = match groups.pop() {
        Some(group) if batch.is_alone() => run_alone(database, group).await,
        Some(group) => {
            groups.push(group);
            run_together(database, groups, &mut batch).await
        }
        None => Ended::default(),
    };
    // Before the batch is over, so that the next one of an event is told of behind it.
    if let Some(watch) = watch {
        watch.seats_left(&ended.seats_left);
    }
    // Before the batch is over: whoever waits for the last one waits for this too.
    let begun = (!ended.unsettled.is_empty()).then(|| settling.begin());
    drop(batch);
    ended.answers.into_iter().for_each(tell);
    if let Some(turn) = begun {
        turn.settle(database, ended.unsettled).await;
    }
}

pub(super) fn tell((entry, answer): (SaleEntry, Answer)) {
    entry.answer(answer);
}

/// For events that are not waited for; those that must be served alone are put off.
async fn run_together(database: &Database, groups: Vec<SaleGroup>, batch: &mut SaleBatch) -> Ended {
    match attempt(database, &Work::of(&groups), Locking::SkipLocked).await {
        Ok(mut outcome) => {
            let seats_left = std::mem::take(&mut outcome.seats_left);
            let (groups, answers) = put_off(groups, outcome, batch);
            Ended {
                seats_left,
                ..Ended::answered(groups, answers)
            }
        }
        Err(Failure::Unknown {
            outcome,
            traces,
            cause,
        }) => {
            let (groups, answers) = put_off(groups, outcome, batch);
            Unsettled::new(groups, answers, traces, cause).into()
        }
        Err(Failure::NothingDone(StoreError::Busy(_) | StoreError::Failed(_))) => {
            groups.into_iter().for_each(|group| batch.put_off(group));
            Ended::default()
        }
        Err(Failure::NothingDone(error)) => Ended::all_told(groups, error),
    }
}

/// Puts off what was skipped; the rest, with the answers to it.
fn put_off(
    groups: Vec<SaleGroup>,
    outcome: Outcome,
    batch: &mut SaleBatch,
) -> (Vec<SaleGroup>, Vec<SaleAnswer>) {
    let mut answers = outcome.answers.into_iter();
    let (mut served, mut told) = (Vec::new(), Vec::new());
    for group in groups {
        let answers = answers.by_ref().take(group.entries.len());
        if outcome.put_off.contains(&group.key) {
            answers.for_each(drop);
            batch.put_off(group);
        } else {
            told.extend(answers);
            served.push(group);
        }
    }
    (served, told)
}

/// For one event, whose lock is waited for. Only so many batches at a time may.
pub(super) async fn run_alone(database: &Database, group: SaleGroup) -> Ended {
    let groups = vec![group];
    match attempt(database, &Work::of(&groups), Locking::Wait).await {
        // A single command too: if its user was suspended or erased between facts
        // and writes, it has another answer.
        Err(Failure::NothingDone(StoreError::Failed(_))) => {
            let mut ended = Ended::default();
            for group in groups {
                for entry in group.entries {
                    ended.add(run_single(database, group.key, entry).await);
                }
            }
            ended
        }
        outcome => Ended::of(groups, outcome),
    }
}

/// Locks its user too, so that nothing can come between facts and writes.
async fn run_single(database: &Database, event_id: EventId, entry: SaleEntry) -> Ended {
    let groups = vec![SaleGroup {
        key: event_id,
        entries: vec![entry],
    }];
    let outcome = attempt(database, &Work::of(&groups), Locking::WaitForUsersToo).await;
    Ended::of(groups, outcome)
}

impl Ended {
    fn of(groups: Vec<SaleGroup>, outcome: Result<Outcome, Failure>) -> Self {
        match outcome {
            Ok(outcome) => Self {
                seats_left: outcome.seats_left,
                ..Self::answered(groups, outcome.answers)
            },
            Err(Failure::NothingDone(error)) => Self::all_told(groups, error),
            Err(Failure::Unknown {
                outcome,
                traces,
                cause,
            }) => Unsettled::new(groups, outcome.answers, traces, cause).into(),
        }
    }

    /// Each command is told its answer.
    pub(super) fn answered(groups: Vec<SaleGroup>, answers: Vec<SaleAnswer>) -> Self {
        let answers = answers.into_iter().map(Ok);
        Self {
            answers: entries(groups).zip(answers).collect(),
            ..Self::default()
        }
    }

    /// All commands are told the same.
    pub(super) fn all_told(groups: Vec<SaleGroup>, error: StoreError) -> Self {
        let error = error.shared();
        Self {
            answers: entries(groups).map(|entry| (entry, Err(error()))).collect(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.unsettled.extend(other.unsettled);
        self.seats_left.extend(other.seats_left);
    }
}

impl From<Unsettled> for Ended {
    fn from(unsettled: Unsettled) -> Self {
        Self {
            unsettled: vec![unsettled],
            ..Self::default()
        }
    }
}

fn entries(groups: Vec<SaleGroup>) -> impl Iterator<Item = SaleEntry> {
    groups.into_iter().flat_map(|group| group.entries)
}

//! One batch, from its commands to their answers.

use diesel_async::AsyncPgConnection;
use domain::model::{BookSeats, EventId};
use domain::ports::StoreError;
use domain::rules::{SaleAnswer, SaleCommand, decide};
use futures::FutureExt;
use group_commit::{Batch, Entry, Group};

use crate::Database;
use crate::error::share;

use super::facts::{self, Facts, Locking, Questions};
use super::keys::{self, Keys};
use super::writes;

type Answer = Result<SaleAnswer, StoreError>;
type SaleBatch = Batch<EventId, SaleCommand, Answer>;
type SaleGroup = Group<EventId, SaleCommand, Answer>;
type SaleEntry = Entry<SaleCommand, Answer>;

/// Runs a batch in one transaction. If that fails with nothing done, the fault
/// may lie with one event or one command: the rest is tried without it.
pub(super) async fn run(database: &Database, mut batch: SaleBatch) {
    let mut groups = batch.take_groups();
    if groups.len() > 1 {
        let put_off = run_together(database, groups).await;
        put_off.into_iter().for_each(|group| batch.put_off(group));
    } else if let Some(group) = groups.pop() {
        run_alone(database, group).await;
    }
}

/// For several events; gives back those that must be served alone.
async fn run_together(database: &Database, groups: Vec<SaleGroup>) -> Vec<SaleGroup> {
    match attempt(database, Work::of(&groups), Locking::SkipLocked).await {
        Ok(outcome) => {
            let mut answers = outcome.answers.into_iter();
            let mut put_off = Vec::new();
            for group in groups {
                let answers: Vec<_> = answers.by_ref().take(group.entries.len()).collect();
                if outcome.put_off.contains(&group.key) {
                    put_off.push(group);
                } else {
                    answer_each(group.entries, answers);
                }
            }
            put_off
        }
        Err(StoreError::Busy(_) | StoreError::Failed(_)) => groups,
        Err(error) => {
            answer_all(groups.into_iter().flat_map(|group| group.entries), error);
            Vec::new()
        }
    }
}

/// For one event, whose lock is waited for.
async fn run_alone(database: &Database, group: SaleGroup) {
    let work = Work::of(std::slice::from_ref(&group));
    match attempt(database, work, Locking::Wait).await {
        Ok(outcome) => answer_each(group.entries, outcome.answers),
        Err(StoreError::Failed(_)) if group.entries.len() > 1 => {
            for entry in group.entries {
                run_single(database, group.key, entry).await;
            }
        }
        Err(error) => answer_all(group.entries.into_iter(), error),
    }
}

async fn run_single(database: &Database, event_id: EventId, entry: SaleEntry) {
    let work = Work::single(event_id, entry.command().clone());
    match attempt(database, work, Locking::Wait).await {
        Ok(outcome) => answer_each(vec![entry], outcome.answers),
        Err(error) => entry.answer(Err(error)),
    }
}

fn answer_each(entries: Vec<SaleEntry>, answers: Vec<SaleAnswer>) {
    for (entry, answer) in entries.into_iter().zip(answers) {
        entry.answer(Ok(answer));
    }
}

fn answer_all(entries: impl Iterator<Item = SaleEntry>, error: StoreError) {
    let error = share(error);
    entries.for_each(|entry| entry.answer(Err(error())));
}

/// What one transaction is to do.
struct Work {
    /// The events of the commands, by id.
    event_ids: Vec<EventId>,
    commands: Vec<SaleCommand>,
}

impl Work {
    fn of(groups: &[SaleGroup]) -> Self {
        let mut event_ids: Vec<_> = groups.iter().map(|group| group.key).collect();
        event_ids.sort_unstable();
        let entries = groups.iter().flat_map(|group| &group.entries);
        Self {
            event_ids,
            commands: entries.map(|entry| entry.command().clone()).collect(),
        }
    }

    fn single(event_id: EventId, command: SaleCommand) -> Self {
        Self {
            event_ids: vec![event_id],
            commands: vec![command],
        }
    }

    fn bookings(&self) -> impl Iterator<Item = &BookSeats> {
        self.commands.iter().filter_map(|command| match command {
            SaleCommand::Book(command) => Some(command),
            SaleCommand::Cancel(_) => None,
        })
    }
}

/// What a transaction came to.
struct Outcome {
    /// One for each command; without meaning for those of events put off.
    answers: Vec<SaleAnswer>,
    /// Events that were not there or that somebody else had locked.
    put_off: Vec<EventId>,
}

/// Why a transaction that could be committed is rolled back instead.
enum Ending {
    /// Nothing was written but keys that nothing was sold under.
    NothingToWrite(Outcome),
    Trouble(StoreError),
}

impl From<StoreError> for Ending {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error)
    }
}

async fn attempt(database: &Database, work: Work, locking: Locking) -> Result<Outcome, StoreError> {
    let sold = database
        .transaction_here(move |connection| {
            async move { sell(connection, &work, locking).await }.boxed()
        })
        .await;
    match sold {
        Ok(outcome) | Err(Ending::NothingToWrite(outcome)) => Ok(outcome),
        Err(Ending::Trouble(error)) => Err(error),
    }
}

/// The transaction: keys first, then the events by id, as everywhere.
async fn sell(
    connection: &mut AsyncPgConnection,
    work: &Work,
    locking: Locking,
) -> Result<Outcome, Ending> {
    let Keys { used, reserved } = keys::bind(connection, &work.commands).await?;
    let questions = Questions {
        event_ids: &work.event_ids,
        commands: &work.commands,
        ids_needed: work.bookings().count() - work.bookings().filter(|c| reserved.has(c)).count(),
    };
    let Facts {
        mut facts,
        put_off,
        ids,
    } = facts::read(connection, questions, locking).await?;
    facts.keys = used;
    let mut ids = ids.into_iter();
    let decisions = decide(facts, &work.commands, |command| {
        reserved
            .id_for(command)
            .or_else(|| ids.next())
            .expect("one was drawn for each booking without a reserved one")
    });
    let nothing_to_write = decisions.sales.is_empty() && decisions.cancelled.is_empty();
    if !nothing_to_write {
        writes::write(connection, &decisions, &reserved).await?;
    }
    let outcome = Outcome {
        answers: decisions.answers,
        put_off,
    };
    if nothing_to_write {
        Err(Ending::NothingToWrite(outcome))
    } else {
        Ok(outcome)
    }
}

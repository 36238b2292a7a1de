//! One batch, from its commands to their answers.

use domain::model::{BookSeats, EventId};
use domain::ports::StoreError;
use domain::rules::{SaleAnswer, SaleCommand, decide};
use group_commit::{Batch, Entry, Group};

use crate::Database;
use crate::error::defect;
use crate::transaction::Transaction;

use super::facts::{self, Facts, Locking, Questions};
use super::keys::{self, Keys};
use super::writes::Writes;

type Answer = Result<SaleAnswer, StoreError>;
type SaleBatch = Batch<EventId, SaleCommand, Answer>;
type SaleGroup = Group<EventId, SaleCommand, Answer>;
type SaleEntry = Entry<SaleCommand, Answer>;

/// Runs a batch in one transaction. If that fails with nothing done, the fault
/// may lie with one event or one command: the rest is tried without it.
///
/// The batch ends, so that the next one can begin, before anybody is told.
pub(super) async fn run(database: &Database, mut batch: SaleBatch) {
    let mut groups = batch.take_groups();
    let answers = match groups.pop() {
        Some(group) if batch.is_alone() => run_alone(database, group).await,
        Some(group) => {
            groups.push(group);
            run_together(database, groups, &mut batch).await
        }
        None => Vec::new(),
    };
    drop(batch);
    for (entry, answer) in answers {
        entry.answer(answer);
    }
}

/// Commands and what they are to be told.
type Answers = Vec<(SaleEntry, Answer)>;

/// For events that are not waited for; those that must be served alone are put off.
async fn run_together(
    database: &Database,
    groups: Vec<SaleGroup>,
    batch: &mut SaleBatch,
) -> Answers {
    match attempt(database, Work::of(&groups), Locking::SkipLocked).await {
        Ok(outcome) => {
            let mut answers = outcome.answers.into_iter();
            let mut told = Vec::new();
            for group in groups {
                let answers = answers.by_ref().take(group.entries.len());
                if outcome.put_off.contains(&group.key) {
                    answers.for_each(drop);
                    batch.put_off(group);
                } else {
                    told.extend(group.entries.into_iter().zip(answers.map(Ok)));
                }
            }
            told
        }
        Err(StoreError::Busy(_) | StoreError::Failed(_)) => {
            groups.into_iter().for_each(|group| batch.put_off(group));
            Vec::new()
        }
        Err(error) => all_told(groups.into_iter().flat_map(|group| group.entries), error),
    }
}

/// For one event, whose lock is waited for. Only so many batches at a time may.
async fn run_alone(database: &Database, group: SaleGroup) -> Answers {
    let work = Work::of(std::slice::from_ref(&group));
    match attempt(database, work, Locking::Wait).await {
        Ok(outcome) => {
            let answers = outcome.answers.into_iter().map(Ok);
            group.entries.into_iter().zip(answers).collect()
        }
        // A single command too: if its user was suspended or erased between facts
        // and writes, it has another answer.
        Err(StoreError::Failed(_)) => {
            let mut answers = Vec::with_capacity(group.entries.len());
            for entry in group.entries {
                answers.push(run_single(database, group.key, entry).await);
            }
            answers
        }
        Err(error) => all_told(group.entries.into_iter(), error),
    }
}

/// Locks its user too, so that nothing can come between facts and writes.
async fn run_single(
    database: &Database,
    event_id: EventId,
    entry: SaleEntry,
) -> (SaleEntry, Answer) {
    let work = Work::single(event_id, entry.command().clone());
    let answer = match attempt(database, work, Locking::WaitForUsersToo).await {
        Ok(outcome) => outcome
            .answers
            .into_iter()
            .next()
            .map_or_else(|| Err(defect("the rule gave no answer")), Ok),
        Err(error) => Err(error),
    };
    (entry, answer)
}

fn all_told(entries: impl Iterator<Item = SaleEntry>, error: StoreError) -> Answers {
    let error = error.shared();
    entries.map(|entry| (entry, Err(error()))).collect()
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
    /// Events that somebody else had locked.
    put_off: Vec<EventId>,
}

/// One transaction.
async fn attempt(database: &Database, work: Work, locking: Locking) -> Result<Outcome, StoreError> {
    let mut transaction = database.open_transaction().await?;
    match sell(&mut transaction, &work, locking).await {
        Ok((outcome, Some(writes))) => {
            writes.commit(transaction).await?;
            Ok(outcome)
        }
        Ok((outcome, None)) => {
            // No flush for keys that nothing was sold under.
            transaction.roll_back().await;
            Ok(outcome)
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(error)
        }
    }
}

/// The work of a transaction, keys first, then the events by id, as everywhere;
/// what is left to be written, if anything.
async fn sell(
    transaction: &mut Transaction,
    work: &Work,
    locking: Locking,
) -> Result<(Outcome, Option<Writes>), StoreError> {
    let keys = keys::bind(transaction, &work.commands).await?;
    let reserved = keys.as_ref().map(|keys| &keys.reserved);
    let has_id = |command: &&BookSeats| reserved.is_some_and(|keys| keys.has(command));
    let questions = Questions {
        event_ids: &work.event_ids,
        commands: &work.commands,
        ids_needed: work.bookings().count() - work.bookings().filter(has_id).count(),
    };
    let has_begun = keys.is_some();
    let read = facts::read(transaction, has_begun, questions, locking).await?;
    let Facts {
        mut facts,
        put_off,
        ids,
        figures,
        transaction_id,
    } = read;
    let Keys { used, reserved } = keys.unwrap_or_default();
    facts.keys = used;
    let mut ids = ids.into_iter();
    let decisions = decide(facts, &work.commands, |command| {
        reserved
            .id_for(command)
            .or_else(|| ids.next())
            .expect("one was drawn for each booking without a reserved one")
    });
    let outcome = Outcome {
        answers: decisions.answers,
        put_off,
    };
    if decisions.sales.is_empty() && decisions.cancelled.is_empty() {
        return Ok((outcome, None));
    }
    keys::finish(transaction.connection(), &reserved, &decisions.sales).await?;
    let (sales, cancelled, changes) = (decisions.sales, decisions.cancelled, decisions.changes);
    let writes = Writes::new(&sales, &cancelled, &changes, &figures, transaction_id)?;
    Ok((outcome, Some(writes)))
}

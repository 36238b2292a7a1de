//! One batch, from its commands to their answers.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::prelude::*;
use domain::model::{BookSeats, Capacity, EventId};
use domain::ports::{SeatsWatch, StoreError};
use domain::rules::{SaleCommand, decide};
use group_commit::{Batch, Entry};

use crate::error::defect;
use crate::session::Session;

use super::Answer;
use super::facts::{self, Facts};
use super::writes;

type SaleBatch = Batch<(), SaleCommand, Answer>;
type SaleEntry = Entry<SaleCommand, Answer>;

/// What a transaction came to.
#[derive(Debug)]
pub(super) struct Sold {
    /// One for each command.
    pub(super) answers: Vec<Answer>,
    /// What the events that they speak of have left.
    seats_left: BTreeMap<EventId, Capacity>,
}

/// Why a transaction ends without a commit.
#[derive(Debug)]
pub(super) enum Ending {
    /// Every command has its answer, and none of them changes anything: there is
    /// nothing for which to wait for the disk.
    NothingToWrite(Sold),
    /// Nothing was done.
    Trouble(StoreError),
}

impl From<StoreError> for Ending {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error)
    }
}

/// Runs a batch in one transaction of `sell` and answers its commands after the
/// commit. If that fails with nothing done, the fault may lie with one command:
/// each is then tried alone, so that only that one fails.
pub(super) fn run<F>(
    session: &mut Session,
    mut batch: SaleBatch,
    sell: F,
    watch: Option<&dyn SeatsWatch>,
) where
    F: Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<Sold, Ending>,
{
    let groups = batch.take_groups().into_iter();
    let entries: Vec<SaleEntry> = groups.flat_map(|group| group.entries).collect();
    let commands: Vec<&SaleCommand> = entries.iter().map(Entry::command).collect();
    let told = |sold: Sold| {
        if let Some(watch) = watch {
            watch.seats_left(&sold.seats_left);
        }
        sold.answers
    };
    match attempt(session, &commands, &sell).map(told) {
        Ok(answers) => {
            for (entry, answer) in entries.into_iter().zip(answers) {
                entry.answer(answer);
            }
        }
        Err(StoreError::Failed(cause)) if entries.len() > 1 => {
            let commands = entries.len();
            tracing::warn!(%cause, commands, "a batch failed: its commands are tried one by one");
            for entry in entries {
                // In case the transaction before could not be rolled back: within
                // it none begins.
                session.recover();
                let tried = attempt(session, &[entry.command()], &sell).map(told);
                entry.answer(tried.and_then(only_answer));
            }
        }
        Err(error) => {
            let error = error.shared();
            entries
                .into_iter()
                .for_each(|entry| entry.answer(Err(error())));
        }
    }
}

fn only_answer(answers: Vec<Answer>) -> Answer {
    let mut answers = answers.into_iter();
    answers.next().unwrap_or_else(|| Err(no_answer()))
}

fn no_answer() -> StoreError {
    defect("the rule gave no answer")
}

/// One transaction: one answer for each command, or nothing done. A panic in it
/// is a failure like others; it comes before the commit.
fn attempt<F>(
    session: &mut Session,
    commands: &[&SaleCommand],
    sell: &F,
) -> Result<Sold, StoreError>
where
    F: Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<Sold, Ending>,
{
    let written = session.write("sell_seats", |connection| {
        // Of what the panic left half done nothing is seen again: it is rolled back.
        let sold = catch_unwind(AssertUnwindSafe(|| sell(connection, commands)));
        sold.unwrap_or_else(|_| Err(defect("the batch panicked").into()))
    });
    match written {
        Ok(sold) | Err(Ending::NothingToWrite(sold)) => Ok(sold),
        Err(Ending::Trouble(error)) => Err(error),
    }
}

/// Reads the facts of all commands, decides, and writes what was decided.
///
/// A command that speaks of something that the model does not allow fails
/// without the others.
pub(super) fn sell(
    connection: &mut SqliteConnection,
    commands: &[&SaleCommand],
) -> Result<Sold, Ending> {
    let Facts {
        facts,
        broken,
        now,
        mut ids,
    } = facts::read(connection, commands)?;
    let faults: Vec<Option<StoreError>> = commands
        .iter()
        .map(|command| broken.fault(command, &facts))
        .collect();
    let sound = commands.iter().zip(&faults);
    let sound = sound.filter_map(|(command, fault)| fault.is_none().then_some(*command));

    let decisions = decide(facts, sound, |_: &BookSeats| ids.next());
    let nothing_to_write = decisions.sales.is_empty() && decisions.cancelled.is_empty();
    if !nothing_to_write {
        writes::write(connection, &decisions, now)?;
    }
    let mut decided = decisions.answers.into_iter();
    let answers = faults
        .into_iter()
        .map(|fault| match fault {
            Some(fault) => Err(fault),
            None => decided.next().ok_or_else(no_answer),
        })
        .collect();
    let sold = Sold {
        answers,
        seats_left: decisions.seats_left,
    };
    if nothing_to_write {
        Err(Ending::NothingToWrite(sold))
    } else {
        Ok(sold)
    }
}

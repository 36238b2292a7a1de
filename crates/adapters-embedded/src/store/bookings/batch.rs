//! One batch, from its commands to their answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::prelude::*;
use domain::model::BookSeats;
use domain::ports::StoreError;
use domain::rules::{SaleCommand, decide};
use group_commit::{Batch, Entry};

use crate::error::defect;
use crate::session::Session;

use super::Answer;
use super::facts::{self, Facts};
use super::writes;

type SaleBatch = Batch<(), SaleCommand, Answer>;
type SaleEntry = Entry<SaleCommand, Answer>;

/// Why a transaction ends without a commit.
#[derive(Debug)]
pub(super) enum Ending {
    /// Every command has its answer, and none of them changes anything: there is
    /// nothing for which to wait for the disk.
    NothingToWrite(Vec<Answer>),
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
pub(super) fn run<F>(session: &mut Session, mut batch: SaleBatch, sell: F)
where
    F: Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<Vec<Answer>, Ending>,
{
    let groups = batch.take_groups().into_iter();
    let entries: Vec<SaleEntry> = groups.flat_map(|group| group.entries).collect();
    let commands: Vec<&SaleCommand> = entries.iter().map(Entry::command).collect();
    match attempt(session, &commands, &sell) {
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
                let tried = attempt(session, &[entry.command()], &sell);
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
) -> Result<Vec<Answer>, StoreError>
where
    F: Fn(&mut SqliteConnection, &[&SaleCommand]) -> Result<Vec<Answer>, Ending>,
{
    let written = session.write("sell_seats", |connection| {
        // Of what the panic left half done nothing is seen again: it is rolled back.
        let sold = catch_unwind(AssertUnwindSafe(|| sell(connection, commands)));
        sold.unwrap_or_else(|_| Err(defect("the batch panicked").into()))
    });
    let answers = match written {
        Ok(answers) | Err(Ending::NothingToWrite(answers)) => answers,
        Err(Ending::Trouble(error)) => return Err(error),
    };
    Ok(answers)
}

/// Reads the facts of all commands, decides, and writes what was decided.
///
/// A command that speaks of something that the model does not allow fails
/// without the others.
pub(super) fn sell(
    connection: &mut SqliteConnection,
    commands: &[&SaleCommand],
) -> Result<Vec<Answer>, Ending> {
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
    if nothing_to_write {
        Err(Ending::NothingToWrite(answers))
    } else {
        Ok(answers)
    }
}

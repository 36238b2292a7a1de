//! One transaction, from commands to decisions that are durable.

use std::collections::BTreeMap;

use domain::model::{BookSeats, Capacity, EventId};
use domain::ports::StoreError;
use domain::rules::{Decisions, SaleAnswer, SaleCommand, decide};
use group_commit::Group;
use tracing::Instrument;

use crate::Database;
use crate::error::{self, TRIES_MAX};
use crate::transaction::Transaction;

use super::batch::Answer;
use super::facts::{self, Facts, Locking, Questions};
use super::keys::{self, Keys};
use super::request_id::RequestId;
use super::traces::Traces;
use super::writes::{self, Decided, Writes};

/// What one transaction is to do.
pub(super) struct Work {
    /// The events of the commands, by id.
    event_ids: Vec<EventId>,
    commands: Vec<SaleCommand>,
}

impl Work {
    pub(super) fn of(groups: &[Group<EventId, SaleCommand, Answer>]) -> Self {
        let mut event_ids: Vec<_> = groups.iter().map(|group| group.key).collect();
        event_ids.sort_unstable();
        let entries = groups.iter().flat_map(|group| &group.entries);
        Self {
            event_ids,
            commands: entries.map(|entry| entry.command().clone()).collect(),
        }
    }

    /// The events without those that somebody else has locked, for whom nobody waits.
    fn all_but(&self, put_off: &[EventId]) -> Vec<EventId> {
        let events = self.event_ids.iter().copied();
        events.filter(|id| !put_off.contains(id)).collect()
    }

    fn bookings(&self) -> impl Iterator<Item = &BookSeats> {
        self.commands.iter().filter_map(|command| match command {
            SaleCommand::Book(command) => Some(command),
            SaleCommand::Cancel(_) => None,
        })
    }
}

/// What a transaction came to.
pub(super) struct Outcome {
    /// One for each command; without meaning for those of events put off.
    pub(super) answers: Vec<SaleAnswer>,
    /// Events that somebody else had locked.
    pub(super) put_off: Vec<EventId>,
    /// What each of the other events has left.
    pub(super) seats_left: BTreeMap<EventId, Capacity>,
}

/// Why a transaction has not come to anything that is known.
pub(super) enum Failure {
    /// Nothing was done.
    NothingDone(StoreError),
    /// The connection broke at COMMIT. If it happened, the outcome is the truth, and
    /// the traces are in the tables.
    Unknown {
        outcome: Outcome,
        traces: Traces,
        cause: StoreError,
    },
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NothingDone(error)
    }
}

/// One transaction; another one if somebody else's came in between, or if its
/// connection broke before COMMIT. Where no connection is to be had that is the answer.
pub(super) async fn attempt(
    database: &Database,
    work: &Work,
    locking: Locking,
) -> Result<Outcome, Failure> {
    let mut tries = 1;
    loop {
        let transaction = database.open_transaction("sell_seats").await?;
        let span = transaction.span();
        let tried = once(database, transaction, work, locking);
        match tried.instrument(span).await {
            Err(Failure::NothingDone(error)) if tries < TRIES_MAX && is_passing(&error) => {
                tracing::debug!(%error, tries, "a batch is tried again");
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Whether another try may end otherwise at once.
fn is_passing(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_)) || error::is_race(error)
}

async fn once(
    database: &Database,
    mut transaction: Transaction,
    work: &Work,
    locking: Locking,
) -> Result<Outcome, Failure> {
    let sold = database.answer_in_time(sell(&mut transaction, work, locking));
    let Some(sold) = sold.await else {
        // Dropped in the middle, so the pool closes it.
        return Err(error::before_commit(error::unanswered()).into());
    };
    match sold {
        Ok((outcome, Ending::Write(written))) => {
            let (writes, traces) = *written;
            match writes.commit(transaction).await {
                Ok(()) => Ok(outcome),
                Err(cause @ StoreError::OutcomeUnknown(_)) => Err(Failure::Unknown {
                    outcome,
                    traces,
                    cause,
                }),
                Err(error) => Err(Failure::NothingDone(error)),
            }
        }
        Ok((outcome, Ending::Confirm)) => {
            let confirmed = writes::confirm(transaction, &work.all_but(&outcome.put_off)).await;
            confirmed.map(|()| outcome).map_err(nothing_changed)
        }
        Ok((outcome, Ending::RollBack)) => {
            // No flush for keys that nothing was sold under.
            transaction.roll_back().await;
            Ok(outcome)
        }
        Err(error) => {
            transaction.roll_back().await;
            Err(Failure::NothingDone(error))
        }
    }
}

/// How a transaction ends that came so far.
enum Ending {
    /// Nothing is to be kept.
    RollBack,
    /// Nothing is changed, but somebody is told of what was done before. That may be seen
    /// and yet wait for the synchronous standbys; a COMMIT behind it waits for them too.
    Confirm,
    /// This is to be written.
    Write(Box<(Writes, Traces)>),
}

/// The work of a transaction, keys first, then the events by id, as everywhere;
/// what is left to be written, if anything, and where it will be seen.
async fn sell(
    transaction: &mut Transaction,
    work: &Work,
    locking: Locking,
) -> Result<(Outcome, Ending), StoreError> {
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
    let Decisions {
        answers,
        sales,
        cancelled,
        changes,
        seats_left,
    } = decide(facts, &work.commands, |command| {
        reserved
            .id_for(command)
            .or_else(|| ids.next())
            .expect("one was drawn for each booking without a reserved one")
    });
    let outcome = Outcome {
        answers,
        put_off,
        seats_left,
    };
    let is_changed = !sales.is_empty() || !cancelled.is_empty();
    if !is_changed && !outcome.answers.iter().any(confirms_earlier) {
        return Ok((outcome, Ending::RollBack));
    }
    keys::finish(transaction.connection(), &reserved, &sales).await?;
    if !is_changed {
        return Ok((outcome, Ending::Confirm));
    }
    let request_ids: Vec<_> = sales.iter().map(|_| RequestId::draw()).collect();
    let decided = Decided {
        sales: &sales,
        request_ids: &request_ids,
        cancelled: &cancelled,
        changes: &changes,
    };
    let writes = Writes::new(&decided, &figures, transaction_id)?;
    let writes = Box::new((writes, Traces::of(&decided)));
    Ok((outcome, Ending::Write(writes)))
}

/// Whether somebody is told of what an earlier transaction did.
fn confirms_earlier(answer: &SaleAnswer) -> bool {
    match answer {
        SaleAnswer::Book(Ok(booked)) => booked.replayed,
        SaleAnswer::Cancel(Some(cancelled)) => cancelled.seats_returned.is_none(),
        SaleAnswer::Book(Err(_)) | SaleAnswer::Cancel(None) => false,
    }
}

/// The COMMIT was of a transaction that changes nothing.
fn nothing_changed(error: StoreError) -> Failure {
    Failure::NothingDone(match error {
        StoreError::OutcomeUnknown(cause) => StoreError::Unavailable(cause),
        other => other,
    })
}

//! One batch of sales, in the steps of the store on PostgreSQL: keys, then events,
//! then facts, the rule, and one commit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::model::{BookSeats, BookingId, EventId, IdempotencyKey, UserId};
use domain::ports::StoreError;
use domain::rules::{BatchFacts, BookingFacts, SaleAnswer, SaleCommand, Standing, decide};
use group_commit::{Batch, Entry, Group};

use super::transaction::Transaction;
use super::{Lock, Written, with};

pub(super) type Answer = Result<SaleAnswer, StoreError>;
type SaleGroup = Group<EventId, SaleCommand, Answer>;
type SaleEntry = Entry<SaleCommand, Answer>;
type Answers = Vec<(SaleEntry, Answer)>;

/// Runs a batch; if it fails with nothing done, its parts by themselves.
pub(super) async fn run(mut batch: Batch<EventId, SaleCommand, Answer>) {
    let mut groups = batch.take_groups();
    let answers = if batch.is_alone() {
        match groups.pop() {
            Some(group) => run_alone(group).await,
            None => Vec::new(),
        }
    } else {
        run_together(groups, &mut batch).await
    };
    drop(batch);
    for (entry, answer) in answers {
        entry.answer(answer);
    }
}

async fn run_together(
    groups: Vec<SaleGroup>,
    batch: &mut Batch<EventId, SaleCommand, Answer>,
) -> Answers {
    let commands = commands_of(&groups);
    match attempt(&commands, Locking::SkipLocked).await {
        Ok(outcome) => {
            let mut answers = outcome.answers.into_iter();
            let mut told = Vec::new();
            for group in groups {
                let answers: Vec<_> = answers.by_ref().take(group.entries.len()).collect();
                if outcome.put_off.contains(&group.key) {
                    batch.put_off(group);
                } else {
                    told.extend(group.entries.into_iter().zip(answers.into_iter().map(Ok)));
                }
            }
            told
        }
        Err(StoreError::Busy(_) | StoreError::Failed(_)) => {
            groups.into_iter().for_each(|group| batch.put_off(group));
            Vec::new()
        }
        Err(error) => all_told(groups, error),
    }
}

async fn run_alone(group: SaleGroup) -> Answers {
    match attempt(&commands_of(std::slice::from_ref(&group)), Locking::Wait).await {
        Ok(outcome) => {
            let answers = outcome.answers.into_iter().map(Ok);
            group.entries.into_iter().zip(answers).collect()
        }
        Err(StoreError::Failed(_)) => {
            let mut told = Vec::with_capacity(group.entries.len());
            for entry in group.entries {
                let outcome = attempt(&[entry.command().clone()], Locking::Wait).await;
                let answer = outcome.map(|mut outcome| outcome.answers.remove(0));
                told.push((entry, answer));
            }
            told
        }
        Err(error) => all_told(vec![group], error),
    }
}

fn commands_of(groups: &[SaleGroup]) -> Vec<SaleCommand> {
    let entries = groups.iter().flat_map(|group| &group.entries);
    entries.map(|entry| entry.command().clone()).collect()
}

fn all_told(groups: Vec<SaleGroup>, error: StoreError) -> Answers {
    let entries = groups.into_iter().flat_map(|group| group.entries);
    entries.map(|entry| (entry, Err(copy(&error)))).collect()
}

/// Unlike [`StoreError::shared`] without a number, of which the next history would
/// have another one.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Busy(cause) => StoreError::Busy(cause.to_string().into()),
        StoreError::Unavailable(cause) => StoreError::Unavailable(cause.to_string().into()),
        StoreError::OutcomeUnknown(cause) => StoreError::OutcomeUnknown(cause.to_string().into()),
        StoreError::Failed(cause) => StoreError::Failed(cause.to_string().into()),
    }
}

enum Locking {
    Wait,
    SkipLocked,
}

struct Outcome {
    answers: Vec<SaleAnswer>,
    put_off: BTreeSet<EventId>,
}

type Name = (UserId, IdempotencyKey);

/// One transaction.
async fn attempt(commands: &[SaleCommand], locking: Locking) -> Result<Outcome, StoreError> {
    let mut transaction = Transaction::begin().await?;
    let keys: BTreeSet<Name> = bookings_of(commands).filter_map(name_of).collect();
    let mut ids: BTreeMap<Name, BookingId> = BTreeMap::new();
    for name in keys {
        let (user_id, key) = name.clone();
        transaction.lock(Lock::Key(user_id, key)).await?;
        with(|database| {
            if !database.rows.keys.contains_key(&name) {
                ids.insert(name, database.rows.draw_id());
            }
        });
    }
    let events = lock_events(&mut transaction, commands, locking).await?;
    transaction.step().await?;
    let facts = read(commands, &events.locked);
    // Another key of the batch, and whoever has none, gets an id of its own.
    let decisions = decide(facts, commands, |command| {
        let reserved = name_of(command).and_then(|name| ids.remove(&name));
        reserved.unwrap_or_else(|| with(|database| database.rows.draw_id()))
    });
    let outcome = Outcome {
        answers: decisions.answers,
        put_off: events.put_off,
    };
    if !decisions.sales.is_empty() || !decisions.cancelled.is_empty() {
        let written = Written::Sales {
            sales: decisions.sales,
            cancelled: decisions.cancelled,
            changes: decisions.changes,
        };
        transaction.commit(written).await?;
    }
    Ok(outcome)
}

fn bookings_of(commands: &[SaleCommand]) -> impl Iterator<Item = &BookSeats> {
    commands.iter().filter_map(|command| match command {
        SaleCommand::Book(command) => Some(command),
        SaleCommand::Cancel(_) => None,
    })
}

fn name_of(command: &BookSeats) -> Option<Name> {
    let key = command.idempotency_key.clone()?;
    Some((command.user_id, key))
}

struct Events {
    locked: BTreeSet<EventId>,
    put_off: BTreeSet<EventId>,
}

/// In the order of their ids, as everywhere.
async fn lock_events(
    transaction: &mut Transaction,
    commands: &[SaleCommand],
    locking: Locking,
) -> Result<Events, StoreError> {
    let mut event_ids: BTreeSet<_> = bookings_of(commands)
        .map(|command| command.event_id)
        .collect();
    let cancelled = with(|database| {
        let events = commands.iter().filter_map(|command| match command {
            SaleCommand::Cancel(booking_id) => database.rows.bookings.get(booking_id),
            SaleCommand::Book(_) => None,
        });
        events.map(|booking| booking.event_id).collect::<Vec<_>>()
    });
    event_ids.extend(cancelled);
    let mut events = Events {
        locked: BTreeSet::new(),
        put_off: BTreeSet::new(),
    };
    transaction.step().await?;
    for event_id in event_ids {
        match locking {
            Locking::Wait => transaction.lock(Lock::Event(event_id)).await?,
            Locking::SkipLocked => {
                if !transaction.try_lock(event_id) {
                    events.put_off.insert(event_id);
                    continue;
                }
            }
        }
        events.locked.insert(event_id);
    }
    Ok(events)
}

/// The facts, under the locks.
fn read(commands: &[SaleCommand], locked: &BTreeSet<EventId>) -> BatchFacts {
    with(|database| {
        let now = database.now();
        let rows = &database.rows;
        let mut facts = BatchFacts::default();
        for event_id in locked {
            facts
                .events
                .extend(rows.facts(*event_id, now).map(|event| (*event_id, event)));
        }
        for command in bookings_of(commands) {
            facts.users.insert(command.user_id, Standing::Good);
            if let Some(name) = name_of(command)
                && let Some(first) = rows.keys.get(&name)
            {
                facts.keys.insert(name, first.clone());
            }
        }
        facts.bookings = commands
            .iter()
            .filter_map(|command| match command {
                SaleCommand::Cancel(booking_id) => Some(*booking_id),
                SaleCommand::Book(_) => None,
            })
            .filter_map(|booking_id| {
                let booking = rows.bookings.get(&booking_id)?;
                let facts = BookingFacts {
                    event_id: booking.event_id,
                    seats: booking.seats,
                    status: booking.status,
                };
                Some((booking_id, facts))
            })
            .collect::<HashMap<_, _>>();
        facts
    })
}

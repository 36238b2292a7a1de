//! Events by id: questions that are asked at the same time share a transaction
//! and, if they ask for the same event, a query.

use std::num::NonZeroUsize;

use domain::model::{Event, EventId};
use domain::ports::StoreError;
use group_commit::{Batch, Entry, GroupCommit, Limits, NotDone};

use crate::Database;
use crate::error::{before_commit, not_run};
use crate::prepared::at_most_one;
use crate::rows::{self, EventRow};
use crate::session::Session;

use super::events::FindEvent;

/// Events of one transaction, each a search by primary key.
const EVENTS_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// Transactions at the same time. While one is under way the next gathers; more
/// than one would make each smaller and wake more threads.
const TRANSACTIONS_MAX: NonZeroUsize = NonZeroUsize::MIN;

type Answer = Result<Option<Event>, StoreError>;

/// Finds events. A transaction begins after all its questions were asked, so
/// nobody gets an older answer than a transaction of their own would give.
#[derive(Debug, Clone)]
pub(super) struct SharedFind {
    questions: GroupCommit<EventId, (), Answer>,
}

impl SharedFind {
    pub(super) fn new(database: &Database) -> Self {
        let limits = Limits {
            commands_per_batch_max: NonZeroUsize::MAX,
            keys_per_batch_max: EVENTS_MAX,
            batches_max: TRANSACTIONS_MAX,
            batches_alone_max: TRANSACTIONS_MAX,
            waiting_per_key_max: database.queue_max(),
            waiting_max: database.queue_max(),
        };
        let turns = database.reader_turns();
        let questions = GroupCommit::new(limits, move |slot| {
            turns.take(move |session| {
                if let Some(batch) = slot.take() {
                    answer(session, batch);
                }
            });
        });
        Self { questions }
    }

    /// The event, `None` if there is none or it was deleted.
    pub(super) async fn find(&self, event_id: EventId) -> Answer {
        let pending = self.questions.submit(event_id, (), None);
        match pending.map_err(not_run)?.await {
            Ok(answer) => answer,
            Err(NotDone::NotRun(reason)) => Err(not_run(reason)),
            Err(NotDone::Lost) => Err(StoreError::Failed("the work panicked".into())),
        }
    }
}

fn answer(session: &mut Session, mut batch: Batch<EventId, (), Answer>) {
    let groups = batch.take_groups();
    let found = session.read(|connection| {
        let events = groups.iter().map(|group| {
            let event_id = group.key.get();
            let row: Option<EventRow> =
                at_most_one(connection, FindEvent { event_id }).map_err(before_commit)?;
            row.map(rows::one).transpose()
        });
        Ok(events.collect::<Vec<Answer>>())
    });
    match found {
        Ok(events) => {
            for (group, event) in groups.into_iter().zip(events) {
                answer_alike(group.entries, event);
            }
        }
        Err(error) => {
            let entries = groups.into_iter().flat_map(|group| group.entries);
            answer_alike(entries, Err(error));
        }
    }
}

fn answer_alike(entries: impl IntoIterator<Item = Entry<(), Answer>>, answer: Answer) {
    match answer {
        Ok(event) => {
            for entry in entries {
                entry.answer(Ok(event.clone()));
            }
        }
        Err(error) => {
            let error = error.shared();
            for entry in entries {
                entry.answer(Err(error()));
            }
        }
    }
}

#[cfg(test)]
mod tests;

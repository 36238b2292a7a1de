//! Making and cancelling bookings in SQLite: many commands, one transaction.
//!
//! There is one writer and one flush to disk, so commands that arrive while a
//! transaction is under way share the next one. A batch is one job of the
//! writer's lane: it takes what is waiting when its turn has come, and the next
//! batch queues up behind all other work.
//!
//! What a transaction of the writer has read stays true until it commits,
//! without a lock on any row. Parallel duplicates are in one batch, or one after
//! the other; in both cases the second finds the key that the first has bound.

mod batch;
mod facts;
mod writes;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::model::{BookSeats, Booked, BookingId, Cancelled};
use domain::ports::{BookError, BookingStore, CancelError, SeatsWatch, StoreError};
use domain::rules::{SaleAnswer, SaleCommand};
use group_commit::{GroupCommit, Limits, Load, NotDone, Observer};

use crate::Database;
use crate::error::{defect, not_run};

pub(super) use facts::FindUser;
#[cfg(test)]
pub(super) use writes::{BookingRow, InsertBookings};

/// Commands of one transaction. Other writes wait for it to end, and commands
/// alone cost some milliseconds in it.
const COMMANDS_PER_BATCH_MAX: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");

/// What a batch has to say to each of its commands.
type Answer = Result<SaleAnswer, StoreError>;

/// [`BookingStore`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteBookingStore {
    counter: GroupCommit<(), SaleCommand, Answer>,
    /// Also keeps the threads at work that the counter's batches run on.
    database: Database,
}

impl SqliteBookingStore {
    /// A store in this database. Its clones share their batches.
    pub fn new(database: Database) -> Self {
        Self::observed(database, None, None)
    }

    /// As [`new`](Self::new), with somebody, perhaps, who is told of each batch, and
    /// somebody who is told what it left of each event.
    pub fn observed(
        database: Database,
        observer: Option<Arc<dyn Observer>>,
        watch: Option<Arc<dyn SeatsWatch>>,
    ) -> Self {
        let limits = Limits {
            commands_per_batch_max: COMMANDS_PER_BATCH_MAX,
            keys_per_batch_max: NonZeroUsize::MIN,
            batches_max: NonZeroUsize::MIN,
            batches_alone_max: NonZeroUsize::MIN,
            waiting_per_key_max: database.queue_max(),
            waiting_max: database.queue_max(),
        };
        let turns = database.writer_turns();
        let counter = GroupCommit::observed(limits, observer, move |slot| {
            let watch = watch.clone();
            turns.take(move |session| {
                if let Some(batch) = slot.take() {
                    let span = batch.span();
                    span.in_scope(|| batch::run(session, batch, batch::sell, watch.as_deref()));
                }
            });
        });
        Self { counter, database }
    }

    /// How many commands wait, and whether a transaction is under way.
    pub fn load(&self) -> Load {
        self.counter.load()
    }

    /// Has a command decided in its turn, even if nobody waits for it any more. One
    /// that does not get its turn in time never runs: while somebody outside has
    /// the file locked, each write in front of it waits for that lock in vain.
    async fn run(&self, command: SaleCommand) -> Answer {
        let deadline = Instant::now() + self.database.patience();
        let submitted = self.counter.submit((), command, Some(deadline));
        let mut pending = submitted.map_err(not_run)?;
        let in_time = tokio::time::timeout_at(deadline.into(), &mut pending).await;
        let done = match in_time {
            Ok(done) => done,
            Err(_) => {
                // Either it is out of the queue now, or it is under way and its
                // end, which has a limit of its own, is near.
                pending.withdraw();
                pending.await
            }
        };
        match done {
            Ok(answer) => answer,
            Err(NotDone::NotRun(reason)) => Err(not_run(reason)),
            // A panic before the commit is answered: this was one behind it.
            Err(NotDone::Lost) => Err(StoreError::OutcomeUnknown(Box::new(NotDone::Lost))),
        }
    }
}

#[async_trait]
impl BookingStore for SqliteBookingStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let asked = BookSeats {
            idempotency_key: None,
            ..command
        };
        match self.run(SaleCommand::Book(command)).await? {
            SaleAnswer::Book(Ok(booked)) => Ok(booked),
            SaleAnswer::Book(Err(refusal)) => Err(BookError::refused(refusal, &asked)),
            SaleAnswer::Cancel(_) => Err(defect("a booking got a cancellation's answer").into()),
        }
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        match self.run(SaleCommand::Cancel(booking_id)).await? {
            SaleAnswer::Cancel(Some(cancelled)) => Ok(cancelled),
            SaleAnswer::Cancel(None) => Err(CancelError::BookingNotFound(booking_id)),
            SaleAnswer::Book(_) => Err(defect("a cancellation got a booking's answer").into()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

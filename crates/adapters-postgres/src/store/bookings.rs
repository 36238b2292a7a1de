//! Making and cancelling bookings in PostgreSQL: commands that arrive while a
//! transaction for their event is under way share the next one.
//!
//! A batch may be for several events. Then it takes no event that somebody else
//! has locked: that one's commands are put off to a batch of their own, which
//! waits for the lock. So a batch never waits while others could be served.

mod batch;
mod facts;
mod keys;
mod writes;

use std::fmt;
use std::time::Instant;

use async_trait::async_trait;
use domain::model::{BookSeats, Booked, BookingId, Cancelled, EventId};
use domain::ports::{BookError, BookingStore, CancelError, StoreError};
use domain::rules::{SaleAnswer, SaleCommand};
use futures::FutureExt;
use group_commit::{GroupCommit, Load, NotRun};

use crate::Database;
use crate::error::{defect, no_answer};
use crate::shared_read::SharedRead;

/// Commands of one event, and the answer to each.
type SaleQueue = GroupCommit<EventId, SaleCommand, Result<SaleAnswer, StoreError>>;

/// [`BookingStore`] on PostgreSQL.
pub struct PgBookingStore {
    database: Database,
    sales: SaleQueue,
    events_of_bookings: SharedRead<EventId>,
}

impl PgBookingStore {
    /// A store in this database.
    pub fn new(database: Database) -> Self {
        let seller = database.clone();
        let sales = GroupCommit::new(database.batches, move |slot| {
            let database = seller.clone();
            seller.spawn(async move {
                if let Some(batch) = slot.take() {
                    batch::run(&database, batch).await;
                }
            });
        });
        let events_of_bookings = SharedRead::new(database.clone(), |connection, booking_ids| {
            facts::events_of(connection, booking_ids).boxed()
        });
        Self {
            database,
            sales,
            events_of_bookings,
        }
    }

    /// Takes no more commands and waits until those that were taken are done.
    pub async fn drain(&self) {
        self.sales.close();
        self.sales.drained().await;
    }

    /// How many commands wait, and how many transactions are under way.
    pub fn load(&self) -> Load {
        self.sales.load()
    }

    /// Has a command decided in its turn. It runs even if nobody waits for it
    /// any more; one that did not get its turn in time does not run.
    async fn ask(&self, event_id: EventId, command: SaleCommand) -> Result<SaleAnswer, StoreError> {
        #[allow(
            clippy::disallowed_methods,
            reason = "how long a caller waits is no business of the store's clock"
        )]
        let deadline = Instant::now() + self.database.patience();
        let not_taken = |not_run: NotRun| no_answer(not_run.into());
        let submitted = self.sales.submit(event_id, command, Some(deadline));
        let mut pending = submitted.map_err(not_taken)?;
        let in_time = tokio::time::timeout_at(deadline.into(), &mut pending).await;
        let answer = match in_time {
            Ok(answer) => answer,
            Err(_) => {
                // Either it is out of the queue now and never runs, or it is
                // under way and its end, which has limits of its own, is near.
                pending.withdraw();
                pending.await
            }
        };
        answer.map_err(no_answer)?
    }
}

#[async_trait]
impl BookingStore for PgBookingStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let event_id = command.event_id;
        let asked = SaleCommand::Book(command.clone());
        match self.ask(event_id, asked).await? {
            SaleAnswer::Book(answer) => {
                answer.map_err(|refusal| BookError::refused(refusal, &command))
            }
            SaleAnswer::Cancel(_) => Err(defect("a booking was answered as a cancellation").into()),
        }
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        let not_found = CancelError::BookingNotFound(booking_id);
        // That never changes, so it may be read before any lock.
        let Some(event_id) = self.events_of_bookings.get(booking_id.get()).await? else {
            return Err(not_found);
        };
        match self.ask(event_id, SaleCommand::Cancel(booking_id)).await? {
            SaleAnswer::Cancel(cancelled) => cancelled.ok_or(not_found),
            SaleAnswer::Book(_) => Err(defect("a cancellation was answered as a booking").into()),
        }
    }
}

impl fmt::Debug for PgBookingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgBookingStore")
            .field("sales", &self.sales)
            .finish_non_exhaustive()
    }
}

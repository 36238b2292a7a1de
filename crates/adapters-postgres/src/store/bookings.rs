//! Making and cancelling bookings in PostgreSQL: commands that arrive while a
//! transaction for their event is under way share the next one.
//!
//! A batch may be for several events. Then it takes no event that somebody else
//! has locked: that one's commands are put off to a batch of their own, which
//! waits for the lock. So a batch never waits while others could be served.
//!
//! A batch whose connection broke at COMMIT ends, and what became of it is found out
//! beside the others, see `settle`.

mod attempt;
mod batch;
mod facts;
mod keys;
mod request_id;
mod settle;
mod traces;
mod writes;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use domain::model::{BookSeats, Booked, BookingId, Cancelled, EventId};
use domain::ports::{BookError, BookingStore, CancelError, SeatsWatch, StoreError};
use domain::rules::{SaleAnswer, SaleCommand};
use futures::FutureExt;
use group_commit::{GroupCommit, Load, Observer};
use tracing::Instrument;

use crate::Database;
use crate::error::defect;
use crate::in_turn::in_turn;
use crate::shared_read::SharedRead;

use self::settle::Settling;

/// Commands of one event, and the answer to each.
type SaleQueue = GroupCommit<EventId, SaleCommand, Result<SaleAnswer, StoreError>>;

/// [`BookingStore`] on PostgreSQL.
pub struct PgBookingStore {
    database: Database,
    sales: SaleQueue,
    settling: Settling,
    events_of_bookings: SharedRead<EventId>,
}

impl PgBookingStore {
    /// A store in this database.
    pub fn new(database: Database) -> Self {
        Self::observed(database, None, None)
    }

    /// As [`new`](Self::new), with somebody, perhaps, who is told of each batch, and
    /// somebody who is told what it left of each event. What a batch left that has to be
    /// looked into is not told.
    pub fn observed(
        database: Database,
        observer: Option<Arc<dyn Observer>>,
        watch: Option<Arc<dyn SeatsWatch>>,
    ) -> Self {
        let seller = database.clone();
        let settling = Settling::new(&database);
        let unsettled = settling.clone();
        let sales = GroupCommit::observed(database.batches, observer, move |slot| {
            let (database, settling) = (seller.clone(), unsettled.clone());
            let watch = watch.clone();
            seller.spawn(async move {
                if let Some(batch) = slot.take() {
                    let span = batch.span();
                    let run = batch::run(&database, batch, &settling, watch.as_deref());
                    run.instrument(span).await;
                }
            });
        });
        let events_of_bookings = SharedRead::new(database.clone(), |connection, booking_ids| {
            facts::events_of(connection, booking_ids).boxed()
        });
        Self {
            database,
            sales,
            settling,
            events_of_bookings,
        }
    }

    /// Takes no more commands and waits until those that were taken are done.
    pub async fn drain(&self) {
        self.sales.close();
        self.sales.drained().await;
        self.settling.settled().await;
    }

    /// How many commands wait, and how many transactions are under way.
    pub fn load(&self) -> Load {
        self.sales.load()
    }
}

#[async_trait]
impl BookingStore for PgBookingStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let event_id = command.event_id;
        let asked = SaleCommand::Book(command.clone());
        match in_turn(&self.database, &self.sales, event_id, asked).await? {
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
        let asked = SaleCommand::Cancel(booking_id);
        match in_turn(&self.database, &self.sales, event_id, asked).await? {
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

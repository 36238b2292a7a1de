//! The ports of `domain` on the simulated database. Sales go in batches, as those of
//! the real stores do.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use domain::model::{
    BookSeats, Booked, BookingId, Cancelled, ChangedEvent, Event, EventChange, EventId, EventSeats,
    Listing, Page, PublishEvent, Timeline,
};
use domain::ports::{
    BookError, BookingStore, CancelError, ChangeEventError, DeleteEventError, EventCatalogue,
    EventStore, FindEventError, StoreError,
};
use domain::rules::{SaleAnswer, SaleCommand, change};
use group_commit::{GroupCommit, Limits, NotDone, Slot};

use super::batch::{self, Answer};
use super::transaction::{Transaction, step};
use super::{Lock, Written, with};
use crate::surroundings::{self, Handle, timeout};

/// How long a command waits for its turn.
const PATIENCE: Duration = Duration::from_millis(250);

/// What batches may be like; the smaller, the more of them meet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchSizes {
    pub(crate) commands: usize,
    pub(crate) events: usize,
    pub(crate) batches: usize,
}

/// The store of one process.
pub(crate) struct SimulatedStore {
    sales: GroupCommit<EventId, SaleCommand, Answer>,
}

impl SimulatedStore {
    pub(crate) fn new(sizes: BatchSizes) -> Self {
        let at_least_one = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        let limits = Limits {
            commands_per_batch_max: at_least_one(sizes.commands),
            keys_per_batch_max: at_least_one(sizes.events),
            batches_max: at_least_one(sizes.batches),
            batches_alone_max: at_least_one(sizes.batches / 2),
            ..Limits::default()
        };
        let process = Handle::current();
        let start = move |slot: Slot<EventId, SaleCommand, Answer>| {
            process.spawn(async move {
                if let Some(batch) = slot.take_at(surroundings::now()) {
                    batch::run(batch).await;
                }
            });
        };
        Self {
            sales: GroupCommit::new(limits, start),
        }
    }

    async fn in_turn(&self, event_id: EventId, command: SaleCommand) -> Answer {
        let deadline = surroundings::now() + PATIENCE;
        let submitted = self.sales.submit(event_id, command, Some(deadline));
        let mut pending = submitted.map_err(|not_run| busy(not_run.into()))?;
        let answer = match timeout(PATIENCE, &mut pending).await {
            Ok(answer) => answer,
            Err(_) => {
                pending.withdraw();
                pending.await
            }
        };
        answer.map_err(busy)?
    }
}

fn busy(not_done: NotDone) -> StoreError {
    match not_done {
        NotDone::NotRun(_) => StoreError::Busy(not_done.into()),
        NotDone::Lost => StoreError::OutcomeUnknown(not_done.into()),
    }
}

fn defect() -> StoreError {
    StoreError::Failed("the answer is for something else".into())
}

#[async_trait]
impl BookingStore for SimulatedStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        let asked = SaleCommand::Book(command.clone());
        match self.in_turn(command.event_id, asked).await? {
            SaleAnswer::Book(answer) => {
                answer.map_err(|refusal| BookError::refused(refusal, &command))
            }
            SaleAnswer::Cancel(_) => Err(defect().into()),
        }
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        step().await?;
        let not_found = CancelError::BookingNotFound(booking_id);
        let Some(booking) = super::booking(booking_id) else {
            return Err(not_found);
        };
        match self
            .in_turn(booking.event_id, SaleCommand::Cancel(booking_id))
            .await?
        {
            SaleAnswer::Cancel(cancelled) => cancelled.ok_or(not_found),
            SaleAnswer::Book(_) => Err(defect().into()),
        }
    }
}

#[async_trait]
impl EventStore for SimulatedStore {
    async fn publish(&self, details: PublishEvent) -> Result<Event, StoreError> {
        let transaction = Transaction::begin().await?;
        let event_id = with(|database| database.rows.draw_event_id());
        let seats = details.capacity;
        let event = Event::try_new(event_id, details.clone(), seats);
        transaction
            .commit(Written::Published(event_id, details))
            .await?;
        event.map_err(|invalid| StoreError::Failed(invalid.into()))
    }

    async fn change(
        &self,
        event_id: EventId,
        wanted: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        let mut transaction = Transaction::begin().await?;
        transaction.lock(Lock::Event(event_id)).await?;
        transaction.step().await?;
        let event = with(|database| database.rows.as_event(event_id));
        let event = event.ok_or(ChangeEventError::EventNotFound(event_id))?;
        let changed = change(&event, wanted)?;
        let written = Written::Changed {
            event: changed.event.clone(),
            seats_gained: changed.seats_gained,
        };
        transaction.commit(written).await?;
        Ok(changed)
    }

    async fn delete(&self, event_id: EventId) -> Result<(), DeleteEventError> {
        let mut transaction = Transaction::begin().await?;
        transaction.lock(Lock::Event(event_id)).await?;
        transaction.step().await?;
        if with(|database| database.rows.event(event_id).is_none()) {
            return Err(DeleteEventError::EventNotFound(event_id));
        }
        transaction.commit(Written::Deleted(event_id)).await?;
        Ok(())
    }
}

#[async_trait]
impl EventCatalogue for SimulatedStore {
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError> {
        step().await?;
        let event = with(|database| database.rows.as_event(event_id));
        event.ok_or(FindEventError::EventNotFound(event_id))
    }

    async fn list(&self, _: bool, _: Page<Timeline>) -> Result<Listing<Event>, StoreError> {
        Err(defect())
    }

    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError> {
        step().await?;
        let mut events = with(|database| database.rows.upcoming(database.now()));
        if let Some(after) = after {
            events.retain(|event| (event.start_at, event.event_id.get()) > (after.at, after.id));
        }
        events.truncate(events_max);
        Ok(events)
    }

    async fn seats_of(&self, event_id: EventId) -> Result<Option<EventSeats>, StoreError> {
        step().await?;
        let seats = with(|database| database.rows.seats(event_id));
        // The answer takes its time as well.
        step().await?;
        Ok(seats)
    }
}

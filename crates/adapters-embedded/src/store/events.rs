//! Events in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::model::{
    ChangedEvent, Event, EventChange, EventId, EventSeats, Listing, Page, PublishEvent, Timeline,
};
use domain::ports::{
    ChangeEventError, DeleteEventError, EventCatalogue, EventStore, FindEventError, StoreError,
};
use domain::rules;

use crate::Database;
use crate::clock::{self, Place};
use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, EventRow, EventSeatsRow};

use super::AddToTotal;
use super::shared_find::SharedFind;

/// [`EventStore`] and [`EventCatalogue`] on SQLite.
#[derive(Debug, Clone)]
pub struct SqliteEventStore {
    finds: SharedFind,
    database: Database,
}

impl SqliteEventStore {
    /// A store in this database. Its clones share their questions by id.
    pub fn new(database: Database) -> Self {
        Self {
            finds: SharedFind::new(&database),
            database,
        }
    }
}

prepared!(
    /// With all its seats free.
    InsertEvent {
        name: String as Text,
        venue: Option<String> as Nullable<Text>,
        start_at: i64 as BigInt,
        capacity: i64 as BigInt,
        seats_available: i64 as BigInt,
        created_at: i64 as BigInt,
        updated_at: i64 as BigInt,
    } -> (BigInt, Text, Nullable<Text>, BigInt, BigInt, BigInt),
    "INSERT INTO events
         (name, venue, start_at, capacity, seats_available, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)
     RETURNING id, name, venue, start_at, capacity, seats_available"
);

prepared!(
    /// The event's row of figures.
    InsertSales { event_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO event_sales (event_id) VALUES (?)"
);

prepared!(
    /// By primary key.
    FindEvent { event_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, BigInt, BigInt),
    "SELECT id, name, venue, start_at, capacity, seats_available FROM events
     WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// Writes what the rule decided.
    WriteEvent {
        name: String as Text,
        venue: Option<String> as Nullable<Text>,
        start_at: i64 as BigInt,
        capacity: i64 as BigInt,
        seats_available: i64 as BigInt,
        now: i64 as BigInt,
        event_id: i64 as BigInt,
    } -> (BigInt,),
    "UPDATE events
     SET name = ?, venue = ?, start_at = ?, capacity = ?, seats_available = ?,
         version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// Hides the event and frees its seats; no row if there is none to hide.
    HideEvent { deleted_at: i64 as BigInt, updated_at: i64 as BigInt, event_id: i64 as BigInt }
        -> (BigInt,),
    "UPDATE events
     SET deleted_at = ?, seats_available = capacity, version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// Takes the event out of the figures and says how many bookings it had.
    DropSales { event_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM event_sales WHERE event_id = ? RETURNING confirmed_bookings"
);

prepared!(
    /// Queues the event's bookings for marking.
    QueueMarking { event_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO deletions_pending (event_id) VALUES (?)"
);

prepared!(
    /// Walks `events_by_start`.
    ListEvents { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, BigInt, BigInt, BigInt),
    "SELECT id, name, venue, start_at, capacity, seats_available FROM events
     WHERE deleted_at IS NULL AND (start_at, id) > (?, ? COLLATE BINARY)
     ORDER BY start_at, id LIMIT ?"
);

prepared!(
    /// Walks `events_by_start`.
    ListSeats { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, BigInt, BigInt),
    "SELECT id, seats_available, start_at FROM events
     WHERE deleted_at IS NULL AND (start_at, id) > (?, ? COLLATE BINARY)
     ORDER BY start_at, id LIMIT ?"
);

#[async_trait]
impl EventStore for SqliteEventStore {
    async fn publish(&self, event: PublishEvent) -> Result<Event, StoreError> {
        self.database
            .write("publish_event", move |connection| {
                publish(connection, event, clock::now())
            })
            .await
    }

    async fn change(
        &self,
        event_id: EventId,
        change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        let change = EventChange {
            // What is answered is what a later look will find.
            start_at: change.start_at.map(clock::truncated),
            ..change
        };
        self.database
            .write("change_event", move |connection| {
                let query = FindEvent {
                    event_id: event_id.get(),
                };
                let row: Option<EventRow> =
                    at_most_one(connection, query).map_err(before_commit)?;
                let row = row.ok_or(ChangeEventError::EventNotFound(event_id))?;
                let changed = rules::change(&rows::one(row)?, change)?;
                write(connection, &changed.event)?;
                Ok(changed)
            })
            .await
    }

    async fn delete(&self, event_id: EventId) -> Result<(), DeleteEventError> {
        self.database
            .write("delete_event", move |connection| {
                if hide(connection, event_id)? {
                    Ok(())
                } else {
                    Err(DeleteEventError::EventNotFound(event_id))
                }
            })
            .await
    }
}

/// The event and its row of figures.
pub(super) fn publish(
    connection: &mut SqliteConnection,
    event: PublishEvent,
    now: DateTime<Utc>,
) -> Result<Event, StoreError> {
    let (capacity, now) = (i64::from(event.capacity.get()), clock::micros(now));
    let insert = InsertEvent {
        name: event.name.into(),
        venue: event.venue.map(String::from),
        start_at: clock::micros(event.start_at),
        capacity,
        seats_available: capacity,
        created_at: now,
        updated_at: now,
    };
    let row: EventRow = exactly_one(connection, insert).map_err(before_commit)?;
    let event: Event = rows::one(row)?;
    let event_id = event.id().get();
    let counted = InsertSales { event_id }.execute(connection);
    only_one_row(counted, "publishing", event_id)?;
    Ok(event)
}

fn write(connection: &mut SqliteConnection, event: &Event) -> Result<(), StoreError> {
    let event_id = event.id().get();
    let written = WriteEvent {
        name: event.name().as_str().to_owned(),
        venue: event.venue().map(|venue| venue.as_str().to_owned()),
        start_at: clock::micros(event.start_at()),
        capacity: event.capacity().get().into(),
        seats_available: event.seats_available().get().into(),
        now: clock::micros(clock::now()),
        event_id,
    }
    .execute(connection);
    only_one_row(written, "changing", event_id)
}

/// Hides the event, frees its seats, takes its bookings out of the figures and
/// queues them for marking. They read as cancelled from the commit on. Says
/// whether there was an event to hide.
fn hide(connection: &mut SqliteConnection, event_id: EventId) -> Result<bool, StoreError> {
    let (event_id, now) = (event_id.get(), clock::micros(clock::now()));
    let hidden = HideEvent {
        deleted_at: now,
        updated_at: now,
        event_id,
    };
    if hidden.execute(connection).map_err(before_commit)? == 0 {
        return Ok(false);
    }
    // An event that somebody inserted by hand has no figures before its first
    // booking.
    let figures: Option<(i64,)> =
        at_most_one(connection, DropSales { event_id }).map_err(before_commit)?;
    let confirmed_bookings = figures.map_or(0, |(bookings,)| bookings);
    if confirmed_bookings > 0 {
        let queued = QueueMarking { event_id }.execute(connection);
        only_one_row(queued, "deleting", event_id)?;
        let bookings = -confirmed_bookings;
        let totalled = AddToTotal { bookings }.execute(connection);
        only_one_row(totalled, "deleting", event_id)?;
    }
    Ok(true)
}

pub(super) fn only_one_row(
    changed: QueryResult<usize>,
    doing: &str,
    event_id: i64,
) -> Result<(), StoreError> {
    match changed.map_err(before_commit)? {
        1 => Ok(()),
        rows => Err(defect(format!(
            "{doing} event {event_id} changed {rows} rows"
        ))),
    }
}

/// Upcoming events behind a place are those behind the place or behind now,
/// whichever is later: one bound, so that the walk begins there and does not
/// pass all events that have started.
pub(super) fn upcoming_behind(after: Place) -> Place {
    let now = clock::micros(clock::now());
    if after.at > now {
        after
    } else {
        Place {
            at: now,
            id: i64::MAX,
        }
    }
}

#[async_trait]
impl EventCatalogue for SqliteEventStore {
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError> {
        let found = self.finds.find(event_id).await?;
        found.ok_or(FindEventError::EventNotFound(event_id))
    }

    async fn list(
        &self,
        upcoming_only: bool,
        page: Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError> {
        let after = page.after.map_or(Place::OLDEST, Place::from);
        let rows_max = super::one_more(page.limit);
        let found: Vec<EventRow> = self
            .database
            .read(move |connection| {
                let Place { at, id } = if upcoming_only {
                    upcoming_behind(after)
                } else {
                    after
                };
                ListEvents { at, id, rows_max }.load(connection)
            })
            .await?;
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError> {
        let after = after.map_or(Place::OLDEST, Place::from);
        let rows_max = i64::try_from(events_max).unwrap_or(i64::MAX);
        let found: Vec<EventSeatsRow> = self
            .database
            .read(move |connection| {
                let Place { at, id } = upcoming_behind(after);
                ListSeats { at, id, rows_max }.load(connection)
            })
            .await?;
        rows::all(found)
    }

    async fn seats_of(&self, event_id: EventId) -> Result<Option<EventSeats>, StoreError> {
        match self.find(event_id).await {
            Ok(event) => Ok(Some(EventSeats::from(&event))),
            Err(FindEventError::EventNotFound(_)) => Ok(None),
            Err(FindEventError::Store(error)) => Err(error),
        }
    }
}

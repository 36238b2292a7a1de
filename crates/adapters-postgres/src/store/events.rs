//! Events in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    ChangedEvent, Event, EventChange, EventId, EventSeats, Listing, Page, PublishEvent, Timeline,
};
use domain::ports::{
    ChangeEventError, DeleteEventError, EventCatalogue, EventStore, FindEventError, StoreError,
};
use domain::rules;
use futures::FutureExt;

use crate::Database;
use crate::error::{before_commit, defect};
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, EventRow, EventSeatsRow};
use crate::schema::{deletions_pending, event_sales, events};
use crate::shared_read::SharedRead;

use super::totals::AddToTotal;

/// [`EventStore`] and [`EventCatalogue`] on PostgreSQL.
#[derive(Debug)]
pub struct PgEventStore {
    database: Database,
    by_id: SharedRead<EventRow>,
}

impl PgEventStore {
    /// A store in this database.
    pub fn new(database: Database) -> Self {
        let by_id = SharedRead::new(database.clone(), |connection, ids| {
            async move {
                let rows: Vec<EventRow> = FindEvents { ids }.load(connection).await?;
                Ok(rows.into_iter().map(|row| (row.id, row)).collect())
            }
            .boxed()
        });
        Self { database, by_id }
    }
}

prepared!(
    /// By primary key.
    FindEvents { ids: Vec<i64> as Array<BigInt> }
        -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    "SELECT id, name, venue, start_at, capacity, seats_available FROM events
     WHERE id = ANY (?) AND deleted_at IS NULL"
);

/// The place before everything in the list of events: RFC 3339 knows no year
/// before 0, and PostgreSQL's timestamps reach back further.
pub(super) fn earliest() -> Timeline {
    let year_zero = DateTime::<Utc>::from_timestamp_secs(-62_167_305_600);
    Timeline {
        at: year_zero.expect("a constant in range"),
        id: 0,
    }
}

prepared!(
    /// The event and its row of figures, in one statement and so in one piece.
    InsertEvent {
        name: String as Text,
        venue: Option<String> as Nullable<Text>,
        start_at: DateTime<Utc> as Timestamptz,
        capacity: i32 as Integer,
    } -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    "WITH event AS (
         INSERT INTO events (name, venue, start_at, capacity, seats_available)
         SELECT name, venue, start_at, capacity, capacity
         FROM (VALUES (?, ?, ?, ?)) AS new (name, venue, start_at, capacity)
         RETURNING id, name, venue, start_at, capacity, seats_available
     ), sales AS (
         INSERT INTO event_sales (event_id) SELECT id FROM event
     )
     SELECT * FROM event"
);

prepared!(
    /// A change needs the row's facts to stay true until it is written. The
    /// weaker lock lets the foreign-key checks of bookings pass.
    LockEvent { event_id: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    "SELECT id, name, venue, start_at, capacity, seats_available FROM events
     WHERE id = ? AND deleted_at IS NULL FOR NO KEY UPDATE"
);

prepared!(
    /// Hides the event and frees its seats.
    HideEvent { event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET deleted_at = clock_timestamp(), seats_available = capacity, version = version + 1,
         updated_at = clock_timestamp()
     WHERE id = ?"
);

prepared!(
    /// Walks `events_by_start`.
    ListEvents { at: DateTime<Utc> as Timestamptz, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    "SELECT id, name, venue, start_at, capacity, seats_available FROM events
     WHERE deleted_at IS NULL AND (start_at, id) > (?, ?)
     ORDER BY start_at, id LIMIT ?"
);

/// Upcoming events behind a place are those behind the place or behind now,
/// whichever is later: one bound, so that the walk begins there and does not
/// pass all events that have started.
macro_rules! upcoming {
    ($columns:literal, $now:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM events WHERE deleted_at IS NULL AND (start_at, id) > (
                 greatest(?, ",
            $now,
            "), CASE WHEN ? > ",
            $now,
            " THEN ? ELSE 9223372036854775807 END
             )
             ORDER BY start_at, id LIMIT ?"
        )
    };
    // An index cannot be searched for `clock_timestamp()`, which never stands still.
    ($columns:literal) => {
        upcoming!($columns, "statement_timestamp()")
    };
}

prepared!(
    /// Walks `events_by_start` from now on.
    ListUpcoming {
        at: DateTime<Utc> as Timestamptz,
        same_at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    upcoming!("id, name, venue, start_at, capacity, seats_available")
);

prepared!(
    /// As [`ListUpcoming`], on a replica, whose own clock may differ: now is when the primary
    /// took the last beat that the replica has.
    ListUpcomingAtBeat {
        at: DateTime<Utc> as Timestamptz,
        instance: i64 as BigInt,
        same_at: DateTime<Utc> as Timestamptz,
        same_instance: i64 as BigInt,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer),
    upcoming!(
        "id, name, venue, start_at, capacity, seats_available",
        "(SELECT beat_at FROM replica_beats WHERE instance = ?)"
    )
);

prepared!(
    /// As [`ListUpcoming`].
    SeatsOfUpcoming {
        at: DateTime<Utc> as Timestamptz,
        same_at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, Integer, Timestamptz),
    upcoming!("id, seats_available, start_at")
);

#[async_trait]
impl EventStore for PgEventStore {
    async fn publish(&self, event: PublishEvent) -> Result<Event, StoreError> {
        let insert = InsertEvent {
            name: event.name.into(),
            venue: event.venue.map(String::from),
            start_at: event.start_at,
            capacity: column(event.capacity.get())?,
        };
        let row: EventRow = self
            .database
            .write("publish_event", move |connection| {
                async move { insert.one_row(connection).await }.boxed()
            })
            .await?;
        rows::one(row)
    }

    async fn change(
        &self,
        event_id: EventId,
        mut change: EventChange,
    ) -> Result<ChangedEvent, ChangeEventError> {
        // As fine as a column keeps it, so that the answer is what is stored.
        change.start_at = change.start_at.map(|start_at| start_at.trunc_subsecs(6));
        self.database
            .transaction("change_event", move |connection| {
                async move {
                    let event = lock(connection, event_id)
                        .await?
                        .ok_or(ChangeEventError::EventNotFound(event_id))?;
                    let changed = rules::change(&event, change)?;
                    write(connection, &changed.event).await?;
                    Ok(changed)
                }
                .boxed()
            })
            .await
    }

    async fn delete(&self, event_id: EventId) -> Result<(), DeleteEventError> {
        self.database
            .transaction("delete_event", move |connection| {
                async move {
                    lock(connection, event_id)
                        .await?
                        .ok_or(DeleteEventError::EventNotFound(event_id))?;
                    Ok(hide(connection, event_id).await.map_err(before_commit)?)
                }
                .boxed()
            })
            .await
    }
}

diesel::define_sql_function! {
    /// The time right now; `now()` is when the transaction began, which may be
    /// before the change that it waited for.
    fn clock_timestamp() -> Timestamptz;
}

async fn lock(
    connection: &mut AsyncPgConnection,
    event_id: EventId,
) -> Result<Option<Event>, StoreError> {
    let query = LockEvent {
        event_id: event_id.get(),
    };
    let row: Option<EventRow> = query
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    row.map(rows::one).transpose()
}

async fn write(connection: &mut AsyncPgConnection, event: &Event) -> Result<(), StoreError> {
    diesel::update(events::table.find(event.id().get()))
        .set((
            events::name.eq(event.name().as_str()),
            events::venue.eq(event.venue().map(|venue| venue.as_str())),
            events::start_at.eq(event.start_at()),
            events::capacity.eq(column(event.capacity().get())?),
            events::seats_available.eq(column(event.seats_available().get())?),
            events::version.eq(events::version + 1),
            events::updated_at.eq(clock_timestamp()),
        ))
        .execute(connection)
        .await
        .map_err(before_commit)?;
    Ok(())
}

/// Hides the event, frees its seats, takes its bookings out of the figures and
/// queues them for marking. They read as cancelled from the commit on.
async fn hide(connection: &mut AsyncPgConnection, event_id: EventId) -> QueryResult<()> {
    let event_id = event_id.get();
    HideEvent { event_id }.execute(connection).await?;
    let confirmed_bookings: Option<i64> = diesel::delete(event_sales::table.find(event_id))
        .returning(event_sales::confirmed_bookings)
        .one_row(connection)
        .await
        .optional()?;
    diesel::insert_into(deletions_pending::table)
        .values(deletions_pending::event_id.eq(event_id))
        .execute(connection)
        .await?;
    let bookings = -confirmed_bookings.unwrap_or(0);
    AddToTotal { bookings }.execute(connection).await?;
    Ok(())
}

fn column(seats: u32) -> Result<i32, StoreError> {
    i32::try_from(seats).map_err(|_| defect("more seats than a column holds"))
}

/// A page of the list of events.
pub(super) struct EventList {
    upcoming_only: bool,
    after: Timeline,
    rows_max: i64,
}

impl EventList {
    pub(super) fn new(upcoming_only: bool, page: &Page<Timeline>) -> Self {
        Self {
            upcoming_only,
            after: page.after.unwrap_or_else(earliest),
            rows_max: page.limit.get() as i64 + 1,
        }
    }

    async fn load(self, connection: &AsyncPgConnection) -> QueryResult<Vec<EventRow>> {
        let Timeline { at, id } = self.after;
        let rows_max = self.rows_max;
        if !self.upcoming_only {
            let list = ListEvents { at, id, rows_max };
            return list.load(&mut &*connection).await;
        }
        let list = ListUpcoming {
            at,
            same_at: at,
            id,
            rows_max,
        };
        list.load(&mut &*connection).await
    }

    /// As [`load`](Self::load), on a replica that has beats of that instance.
    pub(super) async fn load_at_beat(
        self,
        connection: &AsyncPgConnection,
        instance: i64,
    ) -> QueryResult<Vec<EventRow>> {
        if !self.upcoming_only {
            return self.load(connection).await;
        }
        let Timeline { at, id } = self.after;
        let list = ListUpcomingAtBeat {
            at,
            instance,
            same_at: at,
            same_instance: instance,
            id,
            rows_max: self.rows_max,
        };
        list.load(&mut &*connection).await
    }

    pub(super) fn listing(
        rows: Vec<EventRow>,
        page: &Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError> {
        Ok(Listing::from_one_more(rows::all(rows)?, page.limit))
    }
}

#[async_trait]
impl EventCatalogue for PgEventStore {
    async fn find(&self, event_id: EventId) -> Result<Event, FindEventError> {
        let row = self.by_id.get(event_id.get()).await?;
        Ok(rows::one(
            row.ok_or(FindEventError::EventNotFound(event_id))?,
        )?)
    }

    async fn list(
        &self,
        upcoming_only: bool,
        page: Page<Timeline>,
    ) -> Result<Listing<Event>, StoreError> {
        let list = EventList::new(upcoming_only, &page);
        let found = self
            .database
            .read(move |connection| async move { list.load(connection).await }.boxed());
        EventList::listing(found.await?, &page)
    }

    async fn seats_of_upcoming(
        &self,
        after: Option<Timeline>,
        events_max: usize,
    ) -> Result<Vec<EventSeats>, StoreError> {
        let Timeline { at, id } = after.unwrap_or_else(earliest);
        let query = SeatsOfUpcoming {
            at,
            same_at: at,
            id,
            rows_max: events_max as i64,
        };
        let found: Vec<EventSeatsRow> = self
            .database
            .read(move |connection| async move { query.load(connection).await }.boxed())
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

//! Comparing what is kept with the bookings in PostgreSQL, and putting it right.
//!
//! Whatever is compared is read by one statement, which sees one state of the
//! database: bookings, seats and figures change together, in one transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    EventDifference, EventFigures, EventId, Glance, GlanceBounds, KeyGlance, KeyPlace, Timeline,
    TotalDifference,
};
use domain::ports::{Reconciliation, StoreError};
use domain::rules;
use futures::FutureExt;

use crate::error::{before_commit, defect};
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, CheckedKeyRow, EventFiguresRow};

use super::events::earliest;

super::store!(
    /// [`Reconciliation`] on PostgreSQL.
    PgReconciliation
);

/// Names the advisory lock under which the total is put right. "sums" in ASCII.
const TOTAL_LOCK: i64 = 0x7375_6d73;

/// Some events, and what their bookings say: all of them, or so many of each. The
/// order of `bookings_of_event` keeps PostgreSQL from reading the whole table in
/// search of the few bookings of an event.
macro_rules! figures {
    ($events:literal, $bookings:literal, $order:literal) => {
        concat!(
            "SELECT e.id, e.start_at, e.deleted_at IS NOT NULL, p.event_id IS NOT NULL,
                 e.capacity, e.seats_available, s.confirmed_bookings,
                 b.bookings, b.confirmed_bookings, b.confirmed_seats
             FROM (SELECT * FROM events WHERE ",
            $events,
            ") e
             LEFT JOIN event_sales s ON s.event_id = e.id
             LEFT JOIN deletions_pending p ON p.event_id = e.id
             CROSS JOIN LATERAL (
                 SELECT count(*) AS bookings,
                     count(*) FILTER (WHERE status = 'CONFIRMED') AS confirmed_bookings,
                     coalesce(sum(seats) FILTER (WHERE status = 'CONFIRMED'), 0)::bigint
                         AS confirmed_seats
                 FROM (SELECT status, seats FROM bookings WHERE event_id = e.id ",
            $bookings,
            ") b
             ) b ",
            $order
        )
    };
}

type FiguresType = (
    BigInt,
    Timestamptz,
    Bool,
    Bool,
    Integer,
    Integer,
    Nullable<BigInt>,
    BigInt,
    BigInt,
    BigInt,
);

prepared!(
    /// Walks the primary key, and `bookings_of_event` for each event.
    GlanceAtAll { after: i64 as BigInt, events_max: i64 as BigInt, bookings_max: i64 as BigInt }
        -> FiguresType,
    figures!(
        "id > ? ORDER BY id LIMIT ?",
        "ORDER BY created_at DESC, id DESC LIMIT ?",
        "ORDER BY e.id"
    )
);

prepared!(
    /// Walks `events_by_start` from now on (`ListUpcoming` says how), and
    /// `bookings_of_event` for each event.
    GlanceAtUpcoming {
        at: DateTime<Utc> as Timestamptz,
        same_at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        events_max: i64 as BigInt,
        bookings_max: i64 as BigInt,
    } -> FiguresType,
    figures!(
        "deleted_at IS NULL AND (start_at, id) > (
             greatest(?, statement_timestamp()),
             CASE WHEN ? > statement_timestamp() THEN ? ELSE 9223372036854775807 END
         )
         ORDER BY start_at, id LIMIT ?",
        "ORDER BY created_at DESC, id DESC LIMIT ?",
        "ORDER BY e.start_at, e.id"
    )
);

prepared!(
    /// All bookings of one event, whatever is the quickest way to them.
    FiguresOf { event_id: i64 as BigInt } -> FiguresType,
    figures!("id = ?", "", "")
);

prepared!(
    /// Deleted or not. Nobody books, cancels, resizes or deletes meanwhile, and the
    /// next statement sees what was committed before.
    LockAny { event_id: i64 as BigInt } -> (BigInt,),
    "SELECT id FROM events WHERE id = ? FOR NO KEY UPDATE"
);

prepared!(
    /// Puts the seats left.
    PutSeats { seats: i32 as Integer, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET seats_available = ?, version = version + 1, updated_at = clock_timestamp()
     WHERE id = ?"
);

prepared!(
    /// Puts a figure. The total is another matter: see [`TotalAndFigures`].
    PutFigure { event_id: i64 as BigInt, bookings: i64 as BigInt } -> (BigInt,),
    "INSERT INTO event_sales (event_id, confirmed_bookings) VALUES (?, ?)
     ON CONFLICT (event_id) DO UPDATE SET confirmed_bookings = excluded.confirmed_bookings"
);

prepared!(
    /// A deleted event has none.
    DropFigure { event_id: i64 as BigInt } -> (BigInt,),
    "DELETE FROM event_sales WHERE event_id = ?"
);

prepared!(
    /// Queues the bookings of a deleted event for marking once more.
    AwaitMarking { event_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO deletions_pending (event_id) VALUES (?)"
);

prepared!(
    /// Held until the transaction ends, by those who put the total right.
    LockTotal { lock: i64 as BigInt } -> (Bool,),
    "SELECT true FROM pg_advisory_xact_lock(?)"
);

prepared!(
    /// The total and what it should be, in one state. Every transaction that sells,
    /// cancels or deletes changes both by the same, so the difference stays what
    /// it is whatever goes on: no lock on all slots is needed to add it.
    TotalAndFigures {} -> (BigInt, BigInt),
    "SELECT (SELECT coalesce(sum(confirmed_bookings), 0)::bigint FROM booking_totals),
            (SELECT coalesce(sum(confirmed_bookings), 0)::bigint FROM event_sales)"
);

prepared!(
    /// Adds to the session's slot, and makes it if somebody has removed it.
    AddToSlot { bookings: i64 as BigInt } -> (BigInt,),
    "INSERT INTO booking_totals AS totals (slot, confirmed_bookings)
     VALUES ((pg_backend_pid() % 64)::smallint, ?)
     ON CONFLICT (slot) DO UPDATE
     SET confirmed_bookings = totals.confirmed_bookings + excluded.confirmed_bookings"
);

prepared!(
    /// Walks the primary key of keys, and that of bookings for each.
    KeysBehind { user_id: i64 as BigInt, key: String as Text, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, Bool, Bool),
    "SELECT k.user_id, k.key, k.booking_id, b.id IS NULL,
         (b.user_id, b.event_id, b.seats) IS DISTINCT FROM (k.user_id, k.event_id, k.seats)
     FROM (
         SELECT user_id, key, booking_id, event_id, seats FROM idempotency_keys
         WHERE (user_id, key) > (?, ?) ORDER BY user_id, key LIMIT ?
     ) k LEFT JOIN bookings b ON b.id = k.booking_id
     ORDER BY k.user_id, k.key"
);

#[async_trait]
impl Reconciliation for PgReconciliation {
    async fn glance_at_upcoming(
        &self,
        after: Option<Timeline>,
        bounds: GlanceBounds,
    ) -> Result<Glance<Timeline>, StoreError> {
        let Timeline { at, id } = after.unwrap_or_else(earliest);
        let query = GlanceAtUpcoming {
            at,
            same_at: at,
            id,
            events_max: bounds.events_max as i64,
            bookings_max: bounds.bookings_max as i64 + 1,
        };
        let found: Vec<EventFiguresRow> = self
            .0
            .read(move |connection| async move { query.load(connection).await }.boxed())
            .await?;
        let events = rows::all(found)?;
        Ok(Glance::of(events, bounds, |event| Timeline {
            at: event.start_at,
            id: event.event_id.get(),
        }))
    }

    async fn glance_at_all(
        &self,
        after: Option<EventId>,
        bounds: GlanceBounds,
    ) -> Result<Glance<EventId>, StoreError> {
        let query = GlanceAtAll {
            after: after.map_or(0, EventId::get),
            events_max: bounds.events_max as i64,
            bookings_max: bounds.bookings_max as i64 + 1,
        };
        let found: Vec<EventFiguresRow> = self
            .0
            .read(move |connection| async move { query.load(connection).await }.boxed())
            .await?;
        Ok(Glance::of(rows::all(found)?, bounds, |event| {
            event.event_id
        }))
    }

    async fn figures(&self, event_id: EventId) -> Result<Option<EventFigures>, StoreError> {
        let event_id = event_id.get();
        let query = FiguresOf { event_id };
        let found: Option<EventFiguresRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        found.map(rows::one).transpose()
    }

    async fn check_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        // One statement sees one state: to look, nobody has to be locked out.
        let figures = self.figures(event_id).await?;
        Ok(figures.as_ref().map(rules::compare).unwrap_or_default())
    }

    async fn repair_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        self.0
            .transaction("repair_event", move |connection| {
                async move {
                    let differences = compare_locked(connection, event_id).await?;
                    for difference in &differences {
                        repair(connection, event_id, *difference).await?;
                    }
                    Ok(differences)
                }
                .boxed()
            })
            .await
    }

    async fn check_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        self.0
            .read(|connection| compare_total(connection).boxed())
            .await
    }

    async fn repair_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        // Nobody has to wait for anybody where nothing is wrong.
        if self.check_total().await?.is_none() {
            return Ok(None);
        }
        self.0
            .transaction("repair_total", |connection| {
                async move { repair_total(connection).await.map_err(before_commit) }.boxed()
            })
            .await
    }

    async fn check_keys(
        &self,
        after: Option<KeyPlace>,
        keys_max: usize,
    ) -> Result<KeyGlance, StoreError> {
        let (user_id, key) = after.map_or((0, String::new()), |place| (place.user_id, place.key));
        let query = KeysBehind {
            user_id,
            key,
            rows_max: keys_max as i64,
        };
        let found: Vec<CheckedKeyRow> = self
            .0
            .read(move |connection| async move { query.load(connection).await }.boxed())
            .await?;
        let keys = found.len();
        let next = found
            .last()
            .filter(|_| keys == keys_max)
            .map(CheckedKeyRow::place);
        let faults = found.iter().filter_map(CheckedKeyRow::fault);
        Ok(KeyGlance {
            keys,
            faults: faults.collect::<Result<_, _>>()?,
            next,
        })
    }
}

/// The order of locks is kept: the event, its figure, the queue of its bookings.
async fn compare_locked(
    connection: &mut AsyncPgConnection,
    event_id: EventId,
) -> Result<Vec<EventDifference>, StoreError> {
    let event_id = event_id.get();
    let locked: Option<(i64,)> = LockAny { event_id }
        .one_row(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    if locked.is_none() {
        return Ok(Vec::new());
    }
    let row: EventFiguresRow = FiguresOf { event_id }
        .one_row(connection)
        .await
        .map_err(before_commit)?;
    Ok(rules::compare(&rows::one(row)?))
}

async fn repair(
    connection: &mut AsyncPgConnection,
    event_id: EventId,
    difference: EventDifference,
) -> Result<(), StoreError> {
    let event_id = event_id.get();
    let repaired = match difference {
        EventDifference::SeatsAvailable { due, .. } => {
            let seats =
                i32::try_from(due.get()).map_err(|_| defect("more seats than a column holds"))?;
            PutSeats { seats, event_id }.execute(connection).await
        }
        EventDifference::ConfirmedBookings { due: None, .. } => {
            DropFigure { event_id }.execute(connection).await
        }
        EventDifference::ConfirmedBookings {
            due: Some(bookings),
            ..
        } => PutFigure { event_id, bookings }.execute(connection).await,
        EventDifference::Unmarked { .. } => AwaitMarking { event_id }.execute(connection).await,
        EventDifference::Oversold { .. } => return Ok(()),
    };
    match repaired.map_err(before_commit)? {
        1 => Ok(()),
        rows => Err(defect(format!(
            "repairing event {event_id} changed {rows} rows"
        ))),
    }
}

async fn compare_total(connection: &mut AsyncPgConnection) -> QueryResult<Option<TotalDifference>> {
    let (kept, due) = TotalAndFigures {}.one_row(connection).await?;
    Ok((kept != due).then_some(TotalDifference { kept, due }))
}

/// Whoever waited for the lock sees what was repaired meanwhile.
async fn repair_total(connection: &mut AsyncPgConnection) -> QueryResult<Option<TotalDifference>> {
    LockTotal { lock: TOTAL_LOCK }.execute(connection).await?;
    let difference = compare_total(connection).await?;
    if let Some(TotalDifference { kept, due }) = difference {
        let bookings = due - kept;
        AddToSlot { bookings }.execute(connection).await?;
    }
    Ok(difference)
}

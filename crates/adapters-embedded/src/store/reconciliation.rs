//! Comparing what is kept with the bookings in SQLite, and putting it right.
//!
//! A transaction that only reads is one state of the database, whoever writes
//! meanwhile; one that writes is alone.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use domain::model::{
    EventDifference, EventFigures, EventId, Glance, GlanceBounds, KeyGlance, KeyPlace, Timeline,
    TotalDifference,
};
use domain::ports::{Reconciliation, StoreError};
use domain::rules;

use crate::clock::{self, Place};
use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, CheckedKeyRow, EventFiguresRow};

use super::count;
use super::events::{only_one_row, upcoming_behind};

super::store!(
    /// [`Reconciliation`] on SQLite.
    SqliteReconciliation
);

/// What is kept of some events.
macro_rules! kept {
    ($events:literal) => {
        concat!(
            "SELECT e.id, e.start_at, e.deleted_at IS NOT NULL, p.event_id IS NOT NULL,
                 e.capacity, e.seats_available, s.confirmed_bookings
             FROM events e
             LEFT JOIN event_sales s ON s.event_id = e.id
             LEFT JOIN deletions_pending p ON p.event_id = e.id
             WHERE ",
            $events
        )
    };
}

type KeptType = (BigInt, BigInt, Bool, Bool, BigInt, BigInt, Nullable<BigInt>);
type Kept = (i64, i64, bool, bool, i64, i64, Option<i64>);

prepared!(
    /// Walks the rowid.
    KeptOfAll { after: i64 as BigInt, rows_max: i64 as BigInt } -> KeptType,
    kept!("e.id > ? ORDER BY e.id LIMIT ?")
);

prepared!(
    /// Walks `events_by_start`.
    KeptOfUpcoming { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt } -> KeptType,
    kept!(
        "e.deleted_at IS NULL AND (e.start_at, e.id) > (?, ? COLLATE BINARY)
         ORDER BY e.start_at, e.id LIMIT ?"
    )
);

prepared!(
    /// By primary key.
    KeptOf { event_id: i64 as BigInt } -> KeptType,
    kept!("e.id = ?")
);

prepared!(
    /// Walks `bookings_of_event` until so many were counted: all, and of those
    /// that are confirmed the number and the seats.
    CountBookings { event_id: i64 as BigInt, rows_max: i64 as BigInt } -> (BigInt, BigInt, BigInt),
    "SELECT count(*), coalesce(sum(status = 'CONFIRMED'), 0),
         coalesce(sum(seats) FILTER (WHERE status = 'CONFIRMED'), 0)
     FROM (SELECT status, seats FROM bookings WHERE event_id = ? LIMIT ?)"
);

prepared!(
    /// Puts the seats left.
    PutSeats { seats: i64 as BigInt, now: i64 as BigInt, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events SET seats_available = ?, version = version + 1, updated_at = ? WHERE id = ?"
);

prepared!(
    /// Puts a figure.
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
    /// The total and what it should be.
    TotalAndFigures {} -> (BigInt, BigInt),
    "SELECT (SELECT coalesce(sum(confirmed_bookings), 0) FROM booking_totals),
            (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales)"
);

prepared!(
    /// Puts the total, whose row somebody may have removed.
    PutTotal { bookings: i64 as BigInt } -> (BigInt,),
    "INSERT INTO booking_totals (slot, confirmed_bookings) VALUES (0, ?)
     ON CONFLICT (slot) DO UPDATE SET confirmed_bookings = excluded.confirmed_bookings"
);

prepared!(
    /// Walks the primary key of keys, and that of bookings for each.
    KeysBehind { user_id: i64 as BigInt, key: String as Text, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, Bool, Bool),
    "SELECT k.user_id, k.key, k.booking_id, b.id IS NULL,
         (b.user_id, b.event_id, b.seats) IS NOT (k.user_id, k.event_id, k.seats)
     FROM idempotency_keys k LEFT JOIN bookings b ON b.id = k.booking_id
     WHERE (k.user_id, k.key) > (?, ?) ORDER BY k.user_id, k.key LIMIT ?"
);

#[async_trait]
impl Reconciliation for SqliteReconciliation {
    async fn glance_at_upcoming(
        &self,
        after: Option<Timeline>,
        bounds: GlanceBounds,
    ) -> Result<Glance<Timeline>, StoreError> {
        let after = after.map_or(Place::OLDEST, Place::from);
        let found: Vec<EventFiguresRow> = self
            .0
            .read(move |connection| {
                let Place { at, id } = upcoming_behind(after);
                let rows_max = count(bounds.events_max);
                let kept = KeptOfUpcoming { at, id, rows_max }.load(connection)?;
                counted_all(connection, kept, bounds)
            })
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
        let after = after.map_or(0, EventId::get);
        let found: Vec<EventFiguresRow> = self
            .0
            .read(move |connection| {
                let rows_max = count(bounds.events_max);
                let kept = KeptOfAll { after, rows_max }.load(connection)?;
                counted_all(connection, kept, bounds)
            })
            .await?;
        Ok(Glance::of(rows::all(found)?, bounds, |event| {
            event.event_id
        }))
    }

    async fn figures(&self, event_id: EventId) -> Result<Option<EventFigures>, StoreError> {
        let found = self
            .0
            .read(move |connection| find(connection, event_id))
            .await?;
        found.map(rows::one).transpose()
    }

    async fn check_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        let figures = self.figures(event_id).await?;
        Ok(figures.as_ref().map(rules::compare).unwrap_or_default())
    }

    async fn repair_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        self.0
            .write("repair_event", move |connection| {
                let found = find(connection, event_id).map_err(before_commit)?;
                let Some(row) = found else {
                    return Ok(Vec::new());
                };
                let differences = rules::compare(&rows::one(row)?);
                for difference in &differences {
                    repair(connection, event_id, *difference)?;
                }
                Ok(differences)
            })
            .await
    }

    async fn check_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        self.0.read(compare_total).await
    }

    async fn repair_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        // Bookings need not wait where nothing is wrong.
        if self.check_total().await?.is_none() {
            return Ok(None);
        }
        self.0
            .write("repair_total", |connection| {
                let difference = compare_total(connection).map_err(before_commit)?;
                if let Some(TotalDifference { due, .. }) = difference {
                    let put = PutTotal { bookings: due }.execute(connection);
                    if put.map_err(before_commit)? != 1 {
                        return Err(defect("putting the total changed other rows"));
                    }
                }
                Ok(difference)
            })
            .await
    }

    async fn check_keys(
        &self,
        after: Option<KeyPlace>,
        keys_max: usize,
    ) -> Result<KeyGlance, StoreError> {
        let (user_id, key) = after.map_or((0, String::new()), |place| (place.user_id, place.key));
        let found: Vec<CheckedKeyRow> = self
            .0
            .read(move |connection| {
                let rows_max = count(keys_max);
                let query = KeysBehind {
                    user_id,
                    key,
                    rows_max,
                };
                query.load(connection)
            })
            .await?;
        let keys = found.len();
        let last = found.last().filter(|_| keys == keys_max);
        let faults = found.iter().filter_map(CheckedKeyRow::fault);
        Ok(KeyGlance {
            keys,
            next: last.map(CheckedKeyRow::place),
            faults: faults.collect::<Result<_, _>>()?,
        })
    }
}

fn find(
    connection: &mut SqliteConnection,
    event_id: EventId,
) -> QueryResult<Option<EventFiguresRow>> {
    let event_id = event_id.get();
    let kept: Option<Kept> = at_most_one(connection, KeptOf { event_id })?;
    kept.map(|kept| counted(connection, kept, i64::MAX))
        .transpose()
}

fn counted_all(
    connection: &mut SqliteConnection,
    kept: Vec<Kept>,
    bounds: GlanceBounds,
) -> QueryResult<Vec<EventFiguresRow>> {
    let rows_max = count(bounds.bookings_max).saturating_add(1);
    kept.into_iter()
        .map(|kept| counted(connection, kept, rows_max))
        .collect()
}

fn counted(
    connection: &mut SqliteConnection,
    kept: Kept,
    rows_max: i64,
) -> QueryResult<EventFiguresRow> {
    let event_id = kept.0;
    let sums: (i64, i64, i64) = exactly_one(connection, CountBookings { event_id, rows_max })?;
    Ok(EventFiguresRow::new(kept, sums))
}

fn repair(
    connection: &mut SqliteConnection,
    event_id: EventId,
    difference: EventDifference,
) -> Result<(), StoreError> {
    let event_id = event_id.get();
    let repaired = match difference {
        EventDifference::SeatsAvailable { due, .. } => PutSeats {
            seats: due.get().into(),
            now: clock::micros(clock::now()),
            event_id,
        }
        .execute(connection),
        EventDifference::ConfirmedBookings { due: None, .. } => {
            DropFigure { event_id }.execute(connection)
        }
        EventDifference::ConfirmedBookings {
            due: Some(bookings),
            ..
        } => PutFigure { event_id, bookings }.execute(connection),
        EventDifference::Unmarked { .. } => AwaitMarking { event_id }.execute(connection),
        EventDifference::Oversold { .. } => return Ok(()),
    };
    only_one_row(repaired, "repairing", event_id)
}

fn compare_total(connection: &mut SqliteConnection) -> QueryResult<Option<TotalDifference>> {
    let (kept, due): (i64, i64) = exactly_one(connection, TotalAndFigures {})?;
    Ok((kept != due).then_some(TotalDifference { kept, due }))
}

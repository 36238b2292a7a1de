//! Pausing sales in SQLite, and resuming them. There is one writer: a pause comes after
//! the bookings before it and before those behind it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use domain::model::{EventId, Listing, Page, PausedSales, Timeline};
use domain::ports::{PauseError, SalesControl, StoreError};

use crate::clock::{self, Place};
use crate::error::{before_commit, stored};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, PausedEventRow};

super::store!(
    /// [`SalesControl`] on SQLite.
    SqliteSalesControl
);

prepared!(
    /// One that is paused already keeps its time.
    PauseEvent { now: i64 as BigInt, updated_at: i64 as BigInt, event_id: i64 as BigInt }
        -> (BigInt,),
    "UPDATE events
     SET sales_paused_at = coalesce(sales_paused_at, ?), version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL
     RETURNING sales_paused_at"
);

prepared!(
    /// If it is paused or not.
    ResumeEvent { now: i64 as BigInt, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET sales_paused_at = NULL, version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// A pause that is there keeps its time.
    PauseAll { now: i64 as BigInt } -> (BigInt,),
    "INSERT INTO sales_paused (slot, paused_at) VALUES (0, ?)
     ON CONFLICT (slot) DO UPDATE SET paused_at = paused_at
     RETURNING paused_at"
);

prepared!(
    /// If there is one.
    ResumeAll {} -> (BigInt,),
    "DELETE FROM sales_paused"
);

prepared!(
    /// One row at most.
    FindPauseOfAll {} -> (BigInt,),
    "SELECT paused_at FROM sales_paused"
);

prepared!(
    /// Walks `events_paused`.
    ListPaused { at: i64 as BigInt, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt),
    "SELECT id, name, sales_paused_at FROM events
     WHERE sales_paused_at IS NOT NULL AND deleted_at IS NULL
         AND (sales_paused_at, id) < (?, ? COLLATE BINARY)
     ORDER BY sales_paused_at DESC, id DESC LIMIT ?"
);

#[async_trait]
impl SalesControl for SqliteSalesControl {
    async fn pause(&self, event_id: EventId) -> Result<DateTime<Utc>, PauseError> {
        self.0
            .write("pause_event", move |connection| {
                let now = clock::micros(clock::now());
                let pause = PauseEvent {
                    now,
                    updated_at: now,
                    event_id: event_id.get(),
                };
                let paused: Option<(i64,)> =
                    at_most_one(connection, pause).map_err(before_commit)?;
                let (paused_at,) = paused.ok_or(PauseError::EventNotFound(event_id))?;
                Ok(clock::from_micros(paused_at).map_err(stored)?)
            })
            .await
    }

    async fn resume(&self, event_id: EventId) -> Result<(), PauseError> {
        self.0
            .write("resume_event", move |connection| {
                let resume = ResumeEvent {
                    now: clock::micros(clock::now()),
                    event_id: event_id.get(),
                };
                match resume.execute(connection).map_err(before_commit)? {
                    0 => Err(PauseError::EventNotFound(event_id)),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn pause_all(&self) -> Result<DateTime<Utc>, StoreError> {
        self.0
            .write("pause_all", |connection| {
                let now = clock::micros(clock::now());
                let (paused_at,): (i64,) =
                    exactly_one(connection, PauseAll { now }).map_err(before_commit)?;
                clock::from_micros(paused_at).map_err(stored)
            })
            .await
    }

    async fn resume_all(&self) -> Result<(), StoreError> {
        self.0
            .write("resume_all", |connection| {
                ResumeAll {}.execute(connection).map_err(before_commit)?;
                Ok(())
            })
            .await
    }

    async fn paused(&self, page: Page<Timeline>) -> Result<PausedSales, StoreError> {
        let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
        let rows_max = super::one_more(page.limit);
        let (all, events): (Option<(i64,)>, Vec<PausedEventRow>) = self
            .0
            .read(move |connection| {
                let all = at_most_one(connection, FindPauseOfAll {})?;
                Ok((all, ListPaused { at, id, rows_max }.load(connection)?))
            })
            .await?;
        let all_paused_at = all.map(|(paused_at,)| clock::from_micros(paused_at));
        Ok(PausedSales {
            all_paused_at: all_paused_at.transpose().map_err(stored)?,
            events: Listing::from_one_more(rows::all(events)?, page.limit),
        })
    }
}

//! Pausing sales in PostgreSQL, and resuming them.
//!
//! The pause of one event stands in its row, which every batch that sells has locked.
//! The pause of all stands in a row of its own, which nobody locks: it would be the
//! row that everybody wants. Instead each batch holds an advisory lock, shared, when it
//! reads that row, and until it has ended; see
//! `docs/adr/0018-pausing-sales.md`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{EventId, Listing, Page, PausedSales, Timeline};
use domain::ports::{PauseError, SalesControl, StoreError};
use futures::FutureExt;

use crate::error::before_commit;
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, PausedEventRow};

use super::NEWEST;

super::store!(
    /// [`SalesControl`] on PostgreSQL.
    PgSalesControl
);

prepared!(
    /// Waits for the event's lock, so for all bookings of it that are under way. An event
    /// that is paused already keeps its time.
    PauseEvent { event_id: i64 as BigInt } -> (Timestamptz,),
    "UPDATE events
     SET sales_paused_at = coalesce(sales_paused_at, clock_timestamp()),
         version = version + 1, updated_at = clock_timestamp()
     WHERE id = ? AND deleted_at IS NULL
     RETURNING sales_paused_at"
);

prepared!(
    /// As [`PauseEvent`].
    ResumeEvent { event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET sales_paused_at = NULL, version = version + 1, updated_at = clock_timestamp()
     WHERE id = ? AND deleted_at IS NULL
     RETURNING id"
);

prepared!(
    /// One that is there keeps its time.
    PauseAll {} -> (Timestamptz,),
    "INSERT INTO sales_paused AS paused (slot, paused_at) VALUES (0, clock_timestamp())
     ON CONFLICT (slot) DO UPDATE SET paused_at = paused.paused_at
     RETURNING paused_at"
);

prepared!(
    /// If there is one.
    ResumeAll {} -> (BigInt,),
    "DELETE FROM sales_paused"
);

prepared!(
    /// Waits until every batch has ended that holds the lock, shared, and so may have
    /// read that nothing is paused. Those that come meanwhile wait behind this one, and
    /// then read that all is.
    AwaitSales { lock: i64 as BigInt } -> (Bool,),
    "SELECT true FROM pg_advisory_xact_lock(?)"
);

prepared!(
    /// One row at most.
    FindPauseOfAll {} -> (Timestamptz,),
    "SELECT paused_at FROM sales_paused"
);

prepared!(
    /// Walks `events_paused`.
    ListPaused { at: DateTime<Utc> as Timestamptz, id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, Text, Timestamptz),
    "SELECT id, name, sales_paused_at FROM events
     WHERE sales_paused_at IS NOT NULL AND deleted_at IS NULL AND (sales_paused_at, id) < (?, ?)
     ORDER BY sales_paused_at DESC, id DESC LIMIT ?"
);

/// Names the advisory lock. "sell" in ASCII; the statements that lock events have it too.
const SALES_LOCK: i64 = 0x73_65_6c_6c;

#[async_trait]
impl SalesControl for PgSalesControl {
    async fn pause(&self, event_id: EventId) -> Result<DateTime<Utc>, PauseError> {
        let pause = PauseEvent {
            event_id: event_id.get(),
        };
        let paused: Option<(DateTime<Utc>,)> = self
            .0
            .write("pause_event", move |connection| {
                async move { pause.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        let (paused_at,) = paused.ok_or(PauseError::EventNotFound(event_id))?;
        Ok(paused_at)
    }

    async fn resume(&self, event_id: EventId) -> Result<(), PauseError> {
        let resume = ResumeEvent {
            event_id: event_id.get(),
        };
        let resumed: Option<(i64,)> = self
            .0
            .write("resume_event", move |connection| {
                async move { resume.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        resumed
            .map(|_| ())
            .ok_or(PauseError::EventNotFound(event_id))
    }

    /// Committed first, so that it holds for whoever begins to sell, however long those
    /// take who have begun.
    async fn pause_all(&self) -> Result<DateTime<Utc>, StoreError> {
        let (paused_at,): (DateTime<Utc>,) = self
            .0
            .write("pause_all", |connection| {
                async move { PauseAll {}.one_row(connection).await }.boxed()
            })
            .await?;
        let ended = self
            .0
            .transaction("await_sales", |connection| await_sales(connection).boxed());
        ended.await.map_err(not_all_ended)?;
        Ok(paused_at)
    }

    async fn resume_all(&self) -> Result<(), StoreError> {
        self.0
            .write("resume_all", |connection| {
                async move { ResumeAll {}.execute(connection).await }.boxed()
            })
            .await?;
        Ok(())
    }

    async fn paused(&self, page: Page<Timeline>) -> Result<PausedSales, StoreError> {
        let Timeline { at, id } = page.after.unwrap_or(NEWEST);
        let list = ListPaused {
            at,
            id,
            rows_max: page.limit.get() as i64 + 1,
        };
        let (all, events): (Option<(DateTime<Utc>,)>, Vec<PausedEventRow>) = self
            .0
            .read(move |connection| {
                async move {
                    let all = FindPauseOfAll {}.one_row(connection).await;
                    Ok((all.optional()?, list.load(connection).await?))
                }
                .boxed()
            })
            .await?;
        Ok(PausedSales {
            all_paused_at: all.map(|(paused_at,)| paused_at),
            events: Listing::from_one_more(rows::all(events)?, page.limit),
        })
    }
}

async fn await_sales(connection: &mut AsyncPgConnection) -> Result<(), StoreError> {
    let wait = AwaitSales { lock: SALES_LOCK };
    let (_,): (bool,) = wait.one_row(connection).await.map_err(before_commit)?;
    Ok(())
}

/// The pause holds, but it is not known that nobody sells who had begun before.
fn not_all_ended(error: StoreError) -> StoreError {
    match error {
        StoreError::Busy(cause)
        | StoreError::Unavailable(cause)
        | StoreError::OutcomeUnknown(cause)
        | StoreError::Failed(cause) => StoreError::OutcomeUnknown(cause),
    }
}

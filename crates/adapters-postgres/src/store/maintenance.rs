//! Housekeeping in PostgreSQL, a bounded piece at a time.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::Timeline;
use domain::ports::{Maintenance, StoreError};
use futures::FutureExt;

use crate::error::before_commit;
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::schema::deletions_pending;

use super::NEWEST;

super::store!(
    /// [`Maintenance`] on PostgreSQL. Processes that do the same work at the
    /// same time pass each other by instead of waiting.
    PgMaintenance
);

prepared!(
    /// The next piece of a deleted event's bookings, in the order of
    /// `bookings_of_event`.
    BookingsBehind {
        event_id: i64 as BigInt,
        at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, Timestamptz, Text),
    "SELECT id, created_at, status FROM bookings
     WHERE event_id = ? AND (created_at, id) < (?, ?)
     ORDER BY created_at DESC, id DESC LIMIT ?"
);

prepared!(
    /// Marks these bookings, whose seats and figures are somebody else's concern.
    MarkAll { ids: Vec<i64> as Array<BigInt> } -> (BigInt,),
    "UPDATE bookings SET status = 'CANCELLED', updated_at = clock_timestamp()
     WHERE id = ANY (?) AND status = 'CONFIRMED'"
);

prepared!(
    /// The oldest keys, found once and deleted by where they lie. A subquery in
    /// `IN` may run again and delete more than it should.
    ForgetKeys { age_seconds: f64 as Double, rows_max: i64 as BigInt } -> (BigInt,),
    "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM idempotency_keys
         WHERE created_at < statement_timestamp() - make_interval(secs => ?)
         ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED
     ))"
);

#[async_trait]
impl Maintenance for PgMaintenance {
    async fn finish_deletions(&self, bookings_max: usize) -> Result<usize, StoreError> {
        if bookings_max == 0 {
            return Ok(0);
        }
        self.0
            .transaction("finish_deletions", move |connection| {
                async move {
                    mark_a_piece(connection, bookings_max)
                        .await
                        .map_err(before_commit)
                }
                .boxed()
            })
            .await
    }

    async fn forget_keys(&self, keys_max: usize) -> Result<usize, StoreError> {
        let forget = ForgetKeys {
            age_seconds: self.0.keep_keys.as_secs_f64(),
            rows_max: keys_max as i64,
        };
        self.0
            .write("forget_keys", move |connection| {
                async move { forget.execute(connection).await }.boxed()
            })
            .await
    }
}

async fn mark_a_piece(
    connection: &mut AsyncPgConnection,
    bookings_max: usize,
) -> QueryResult<usize> {
    let pending: Option<(i64, Option<DateTime<Utc>>, Option<i64>)> = deletions_pending::table
        .order(deletions_pending::event_id)
        .for_update()
        .skip_locked()
        .limit(1)
        .one_row(connection)
        .await
        .optional()?;
    let Some((event_id, at, id)) = pending else {
        return Ok(0);
    };
    let Timeline { at, id } = match (at, id) {
        (Some(at), Some(id)) => Timeline { at, id },
        _ => NEWEST,
    };
    let piece: Vec<(i64, DateTime<Utc>, String)> = BookingsBehind {
        event_id,
        at,
        id,
        rows_max: bookings_max as i64,
    }
    .load(connection)
    .await?;
    let confirmed: Vec<i64> = piece
        .iter()
        .filter(|(_, _, status)| status == "CONFIRMED")
        .map(|(id, _, _)| *id)
        .collect();
    let marked = MarkAll { ids: confirmed }.execute(connection).await?;
    match piece.last() {
        Some((id, at, _)) if piece.len() == bookings_max => {
            diesel::update(deletions_pending::table.find(event_id))
                .set((
                    deletions_pending::marked_created_at.eq(at),
                    deletions_pending::marked_id.eq(id),
                ))
                .execute(connection)
                .await?;
        }
        _ => {
            diesel::delete(deletions_pending::table.find(event_id))
                .execute(connection)
                .await?;
        }
    }
    // A piece in which nothing was left to mark is still a piece of work done.
    Ok(marked.max(1))
}

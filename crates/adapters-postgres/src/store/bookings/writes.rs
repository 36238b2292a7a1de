//! Writing what was decided, in one statement that travels with COMMIT.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz, Uuid};
use diesel_async::RunQueryDsl;
use domain::model::{BookingId, EventId, SeatCount};
use domain::ports::StoreError;
use domain::rules::{Change, Sale};
use futures::FutureExt;

use crate::error::defect;
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::transaction::Transaction;

use super::request_id::RequestId;

prepared!(
    /// Takes and gives back seats, writes bookings, marks those that were
    /// cancelled, and counts. All parts see the state at the beginning and none
    /// of them touches a row of another.
    ///
    /// It fails as a whole unless each part has changed exactly the rows that it
    /// is about and it runs in the transaction that has locked the events: nobody
    /// looks at the numbers before COMMIT. The text that is no number becomes the
    /// error's. No event is changed whose seats are too few, which the rule has
    /// ruled out, or to which more seats come back than had ever been taken, as
    /// those of a booking inserted by hand may: they must not be sold.
    ///
    /// Buyers are looked at again, and kept from being suspended or erased until
    /// COMMIT: their facts were read without a lock. It is the lock that the foreign
    /// key takes anyway, by id as everywhere.
    ///
    /// An event that somebody inserted by hand has no row of figures before its
    /// first booking. The session's slot of the totals comes last.
    WriteAll {
        buyers: Vec<i64> as Array<BigInt>,
        event_ids: Vec<i64> as Array<BigInt>,
        event_seats: Vec<i64> as Array<BigInt>,
        event_returned: Vec<i64> as Array<BigInt>,
        event_bookings: Vec<i64> as Array<BigInt>,
        ids: Vec<i64> as Array<BigInt>,
        user_ids: Vec<i64> as Array<BigInt>,
        sale_event_ids: Vec<i64> as Array<BigInt>,
        seats: Vec<i32> as Array<Integer>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        request_ids: Vec<RequestId> as Array<Uuid>,
        cancelled: Vec<i64> as Array<BigInt>,
        total: i64 as BigInt,
        rows_buyers: i64 as BigInt,
        rows_changed: i64 as BigInt,
        rows_sold: i64 as BigInt,
        rows_cancelled: i64 as BigInt,
        transaction_id: i64 as BigInt,
    } -> (BigInt,),
    "WITH buyers AS MATERIALIZED (
         SELECT id FROM users
         WHERE id = ANY (?) AND suspended_at IS NULL AND erased_at IS NULL
         ORDER BY id FOR KEY SHARE
     ), change AS MATERIALIZED (
         SELECT * FROM unnest(?, ?, ?, ?) AS c (event_id, seats, returned, bookings)
     ), changed AS (
         UPDATE events
         SET seats_available = seats_available + change.seats, version = version + 1,
             updated_at = clock_timestamp()
         FROM change
         WHERE id = change.event_id AND seats_available + change.seats >= 0
             AND seats_available + change.returned <= capacity
         RETURNING 1
     ), sold AS (
         INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at,
                               request_id)
         SELECT id, user_id, event_id, seats, 'CONFIRMED', created_at, created_at, request_id
         FROM unnest(?, ?, ?, ?, ?, ?)
             AS sale (id, user_id, event_id, seats, created_at, request_id)
         RETURNING 1
     ), cancelled AS (
         UPDATE bookings SET status = 'CANCELLED', updated_at = clock_timestamp()
         WHERE id = ANY (?) AND status = 'CONFIRMED'
         RETURNING 1
     ), counted AS (
         INSERT INTO event_sales AS sales (event_id, confirmed_bookings)
         SELECT event_id, bookings FROM change WHERE bookings > 0
         ON CONFLICT (event_id) DO UPDATE
         SET confirmed_bookings = sales.confirmed_bookings + excluded.confirmed_bookings
         RETURNING 1
     ), uncounted AS (
         UPDATE event_sales sales
         SET confirmed_bookings = confirmed_bookings + change.bookings
         FROM change WHERE change.bookings < 0 AND sales.event_id = change.event_id
         RETURNING 1
     ), totalled AS (
         UPDATE booking_totals SET confirmed_bookings = confirmed_bookings + ?
         WHERE slot = (pg_backend_pid() % 64)::smallint
         RETURNING 1
     ), done AS MATERIALIZED (
         SELECT (SELECT count(*) FROM buyers) AS buyers,
                (SELECT count(*) FROM changed) AS changed, (SELECT count(*) FROM sold) AS sold,
                (SELECT count(*) FROM cancelled) AS cancelled,
                (SELECT count(*) FROM counted) + (SELECT count(*) FROM uncounted) AS figures,
                (SELECT count(*) FROM totalled) AS totals
     )
     SELECT CASE
         WHEN (buyers, changed, sold, cancelled, totals, pg_current_xact_id()::text::bigint)
             = (?, ?, ?, ?, 1, ?) THEN changed
         ELSE ('selling changed other rows than were decided on: ' || done)::bigint
     END
     FROM done"
);

prepared!(
    /// Has COMMIT leave something in the log, behind which it waits for the standbys. Events
    /// that are sold are locked already, deleted ones are not. Nobody waits for this lock, nor
    /// it for those of others: it is that of a foreign key.
    MarkEvents { event_ids: Vec<i64> as Array<BigInt> } -> (BigInt,),
    "SELECT id FROM events WHERE id = ANY (?) ORDER BY id FOR KEY SHARE"
);

/// What is to be written.
#[derive(Clone, Copy)]
pub(super) struct Decided<'a> {
    pub(super) sales: &'a [Sale],
    /// One for each sale.
    pub(super) request_ids: &'a [RequestId],
    pub(super) cancelled: &'a [BookingId],
    pub(super) changes: &'a BTreeMap<EventId, Change>,
}

/// Everything that a transaction has yet to write.
pub(super) struct Writes(WriteAll);

impl Writes {
    pub(super) fn new(
        decided: &Decided<'_>,
        figures: &HashMap<EventId, i64>,
        transaction_id: i64,
    ) -> Result<Self, StoreError> {
        let Decided {
            sales,
            cancelled,
            changes,
            request_ids,
        } = *decided;
        let event_bookings = figures_change(changes, figures);
        let seats: Result<_, _> = sales.iter().map(|sale| column(sale.seats)).collect();
        let mut buyers: Vec<_> = sales.iter().map(|sale| sale.user_id.get()).collect();
        buyers.sort_unstable();
        buyers.dedup();
        Ok(Self(WriteAll {
            rows_buyers: buyers.len() as i64,
            buyers,
            event_ids: changes.keys().map(|event_id| event_id.get()).collect(),
            event_seats: changes.values().map(|change| change.seats).collect(),
            event_returned: seats_returned(changes, sales),
            total: event_bookings.iter().sum(),
            event_bookings,
            ids: sales.iter().map(|sale| sale.booking_id.get()).collect(),
            user_ids: sales.iter().map(|sale| sale.user_id.get()).collect(),
            sale_event_ids: sales.iter().map(|sale| sale.event_id.get()).collect(),
            seats: seats?,
            created_at: sales.iter().map(|sale| sale.created_at).collect(),
            request_ids: request_ids.to_vec(),
            cancelled: cancelled.iter().map(|id| id.get()).collect(),
            rows_changed: changes.len() as i64,
            rows_sold: sales.len() as i64,
            rows_cancelled: cancelled.len() as i64,
            transaction_id,
        }))
    }

    /// Writes it and commits.
    pub(super) async fn commit(self, transaction: Transaction) -> Result<(), StoreError> {
        let (_,): (i64,) = transaction
            .commit_with(|connection| {
                async move { self.0.one_row(&mut &*connection).await }.boxed()
            })
            .await?;
        Ok(())
    }
}

/// Commits a transaction that changes nothing, so that it waits for the standbys.
pub(super) async fn confirm(
    transaction: Transaction,
    event_ids: &[EventId],
) -> Result<(), StoreError> {
    let mark = MarkEvents {
        event_ids: event_ids.iter().map(|id| id.get()).collect(),
    };
    let marked = transaction
        .commit_with(|connection| async move { mark.load(&mut &*connection).await }.boxed());
    marked.await.map(|_: Vec<(i64,)>| ())
}

/// What the figure of each event changes by. A booking inserted by hand was never
/// counted: if it is cancelled the figure stays where it is rather than fall
/// below 0, and so does the total.
fn figures_change(
    changes: &BTreeMap<EventId, Change>,
    figures: &HashMap<EventId, i64>,
) -> Vec<i64> {
    let change_of = |(event_id, change): (&EventId, &Change)| match figures.get(event_id) {
        Some(figure) => change.bookings.max(-figure),
        None => change.bookings,
    };
    changes.iter().map(change_of).collect()
}

/// How many seats came back to each event, whether they were sold again or not.
fn seats_returned(changes: &BTreeMap<EventId, Change>, sales: &[Sale]) -> Vec<i64> {
    let change_of = |(event_id, change): (&EventId, &Change)| (*event_id, change.seats);
    let mut returned: BTreeMap<EventId, i64> = changes.iter().map(change_of).collect();
    for sale in sales {
        *returned.entry(sale.event_id).or_default() += i64::from(sale.seats.get());
    }
    returned.into_values().collect()
}

pub(super) fn column(seats: SeatCount) -> Result<i32, StoreError> {
    i32::try_from(seats.get()).map_err(|_| defect("more seats than a column holds"))
}

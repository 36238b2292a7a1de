//! Writes what was decided. What a statement changed is counted: another number
//! of rows than expected undoes the batch.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use domain::model::EventId;
use domain::ports::StoreError;
use domain::rules::{Decisions, Sale, SaleAnswer};

use crate::clock;
use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, prepared};
use crate::store::AddToTotal;

prepared!(
    /// Binds a key to the booking that it has made.
    BindKey {
        user_id: i64 as BigInt,
        key: String as Text,
        booking_id: i64 as BigInt,
        event_id: i64 as BigInt,
        seats: i64 as BigInt,
        created_at: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats, created_at)
     VALUES (?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// Marks a booking; no row if it was marked before, which the rule has ruled
    /// out.
    MarkCancelled { now: i64 as BigInt, booking_id: i64 as BigInt } -> (BigInt,),
    "UPDATE bookings SET status = 'CANCELLED', updated_at = ?
     WHERE id = ? AND status = 'CONFIRMED'"
);

prepared!(
    /// Takes the seats that were sold and gives back those that were returned. No
    /// row if too few were left, which the rule has ruled out, or if more come
    /// back than had ever been taken, as those of a booking inserted by hand may.
    ChangeSeats {
        change: i64 as BigInt,
        now: i64 as BigInt,
        event_id: i64 as BigInt,
        change_again: i64 as BigInt,
        returned: i64 as BigInt,
    } -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available + ?, version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL
       AND seats_available + ? >= 0 AND seats_available + ? <= capacity"
);

prepared!(
    /// How many confirmed bookings of an event are counted.
    FindFigure { event_id: i64 as BigInt } -> (BigInt,),
    "SELECT confirmed_bookings FROM event_sales WHERE event_id = ?"
);

prepared!(
    /// More or fewer confirmed bookings of an event. One that somebody inserted by
    /// hand has no row of figures before its first booking. What is inserted is
    /// checked before it is known whether there is one, so it is never negative.
    CountBookings { event_id: i64 as BigInt, first: i64 as BigInt, bookings: i64 as BigInt }
        -> (BigInt,),
    "INSERT INTO event_sales (event_id, confirmed_bookings) VALUES (?, ?)
     ON CONFLICT (event_id)
     DO UPDATE SET confirmed_bookings = event_sales.confirmed_bookings + ?"
);

/// Rows of the larger of the two statements that insert bookings. With a
/// statement for each row a row takes 10 to 20 % longer; more rows in one gain
/// nothing (measured with 1, 16, 32, 64 and 128).
const ROWS_MAX: usize = 32;

/// Inserts `N` bookings; a statement is prepared for each `N` that is in use.
pub(in crate::store) struct InsertBookings<'r, const N: usize> {
    rows: &'r [BookingRow],
}

/// A booking's columns; `updated_at` is `created_at`.
pub(in crate::store) struct BookingRow {
    pub(in crate::store) id: i64,
    pub(in crate::store) user_id: i64,
    pub(in crate::store) event_id: i64,
    pub(in crate::store) seats: i64,
    pub(in crate::store) created_at: i64,
}

impl<'r, const N: usize> InsertBookings<'r, N> {
    /// # Errors
    /// Not `N` rows.
    pub(in crate::store) fn try_new(rows: &'r [BookingRow]) -> Result<Self, StoreError> {
        if rows.len() == N {
            Ok(Self { rows })
        } else {
            Err(defect(format!("{} rows for {N} places", rows.len())))
        }
    }
}

impl<const N: usize> QueryId for InsertBookings<'_, N> {
    type QueryId = InsertBookings<'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize> QueryFragment<Sqlite> for InsertBookings<'_, N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO bookings
                 (id, user_id, event_id, seats, created_at, updated_at, status) VALUES ",
        );
        let mut before = "(";
        for row in self.rows {
            let (at, seats) = (&row.created_at, &row.seats);
            for value in [&row.id, &row.user_id, &row.event_id, seats, at, at] {
                out.push_sql(before);
                out.push_bind_param::<BigInt, i64>(value)?;
                before = ", ";
            }
            out.push_sql(", 'CONFIRMED')");
            before = ", (";
        }
        Ok(())
    }
}

impl<const N: usize> RunQueryDsl<SqliteConnection> for InsertBookings<'_, N> {}

/// Writes a batch; `now` is the store's clock in its transaction.
pub(super) fn write(
    connection: &mut SqliteConnection,
    decisions: &Decisions,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = clock::micros(now);
    insert_bookings(connection, &decisions.sales)?;
    for sale in &decisions.sales {
        bind_key(connection, sale)?;
    }
    for booking_id in &decisions.cancelled {
        let booking_id = booking_id.get();
        let marked = MarkCancelled { now, booking_id }.execute(connection);
        changed(marked, 1, || format!("cancelling booking {booking_id}"))?;
    }
    let returned = seats_returned(&decisions.answers);
    let mut bookings = 0;
    for (event_id, change) in &decisions.changes {
        let returned = returned.get(event_id).copied().unwrap_or(0);
        change_seats(connection, *event_id, change.seats, returned, now)?;
        bookings += count(connection, *event_id, change.bookings)?;
    }
    let totalled = AddToTotal { bookings };
    changed(totalled.execute(connection), 1, || {
        "adding to the total of bookings".to_owned()
    })
}

fn insert_bookings(connection: &mut SqliteConnection, sales: &[Sale]) -> Result<(), StoreError> {
    let rows: Vec<BookingRow> = sales.iter().map(BookingRow::from).collect();
    let (chunks, rest) = rows.as_chunks::<ROWS_MAX>();
    for rows in chunks {
        insert::<ROWS_MAX>(connection, rows)?;
    }
    for row in rest {
        insert::<1>(connection, std::slice::from_ref(row))?;
    }
    Ok(())
}

fn insert<const N: usize>(
    connection: &mut SqliteConnection,
    rows: &[BookingRow],
) -> Result<(), StoreError> {
    let inserted = InsertBookings::<N>::try_new(rows)?.execute(connection);
    changed(inserted, N, || format!("inserting {N} bookings"))
}

impl From<&Sale> for BookingRow {
    fn from(sale: &Sale) -> Self {
        Self {
            id: sale.booking_id.get(),
            user_id: sale.user_id.get(),
            event_id: sale.event_id.get(),
            seats: sale.seats.get().into(),
            created_at: clock::micros(sale.created_at),
        }
    }
}

fn bind_key(connection: &mut SqliteConnection, sale: &Sale) -> Result<(), StoreError> {
    let Some(key) = &sale.idempotency_key else {
        return Ok(());
    };
    let bind = BindKey {
        user_id: sale.user_id.get(),
        key: key.as_str().to_owned(),
        booking_id: sale.booking_id.get(),
        event_id: sale.event_id.get(),
        seats: sale.seats.get().into(),
        created_at: clock::micros(sale.created_at),
    };
    changed(bind.execute(connection), 1, || {
        format!("binding a key of user {}", sale.user_id)
    })
}

/// How many seats the cancellations of a batch gave back to each event.
fn seats_returned(answers: &[SaleAnswer]) -> HashMap<EventId, i64> {
    let mut returned = HashMap::new();
    for answer in answers {
        if let SaleAnswer::Cancel(Some(cancelled)) = answer {
            let seats = cancelled.seats_returned.map_or(0, |seats| seats.get());
            *returned.entry(cancelled.event_id).or_default() += i64::from(seats);
        }
    }
    returned
}

fn change_seats(
    connection: &mut SqliteConnection,
    event_id: EventId,
    change: i64,
    returned: i64,
    now: i64,
) -> Result<(), StoreError> {
    let seats = ChangeSeats {
        change,
        now,
        event_id: event_id.get(),
        change_again: change,
        returned,
    };
    changed(seats.execute(connection), 1, || {
        format!("selling and returning seats of event {event_id}")
    })
}

/// Changes the figure of an event and says by how much, which is what the total
/// has to change by: a booking inserted by hand was never counted, and if it is
/// cancelled the figure stays where it is rather than fall below 0.
fn count(
    connection: &mut SqliteConnection,
    event_id: EventId,
    bookings: i64,
) -> Result<i64, StoreError> {
    let id = event_id.get();
    let bookings = if bookings < 0 {
        let figure: Option<(i64,)> =
            at_most_one(connection, FindFigure { event_id: id }).map_err(before_commit)?;
        bookings.max(-figure.map_or(0, |(counted,)| counted))
    } else {
        bookings
    };
    let count = CountBookings {
        event_id: id,
        first: bookings.max(0),
        bookings,
    };
    changed(count.execute(connection), 1, || {
        format!("counting bookings of event {event_id}")
    })?;
    Ok(bookings)
}

fn changed(
    rows: QueryResult<usize>,
    expected: usize,
    doing: impl FnOnce() -> String,
) -> Result<(), StoreError> {
    match rows.map_err(before_commit)? {
        rows if rows == expected => Ok(()),
        rows => Err(defect(format!("{} changed {rows} rows", doing()))),
    }
}

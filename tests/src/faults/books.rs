//! What the tables say when everything has come to rest.

use std::collections::BTreeMap;

use crate::sql::Sql;

/// The tables that bookings are about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// By id.
    pub events: BTreeMap<i64, EventRow>,
    /// By id.
    pub bookings: BTreeMap<i64, BookingRow>,
    /// Keys by user, who has no more than one.
    pub keys: BTreeMap<i64, KeyRow>,
    /// Confirmed bookings by event, of all events, as they are kept.
    pub sales: BTreeMap<i64, i64>,
    /// Confirmed bookings of all events, as they are kept.
    pub total: i64,
}

/// A row of `events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRow {
    /// All its seats.
    pub capacity: i64,
    /// Those that are left.
    pub available: i64,
    /// Whether it is hidden.
    pub deleted: bool,
}

/// A row of `bookings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookingRow {
    /// Whose.
    pub user: i64,
    /// Of which event.
    pub event: i64,
    /// How many seats.
    pub seats: i64,
    /// Else it is cancelled.
    pub confirmed: bool,
    /// Microseconds on the store's clock: only a hint where to look first.
    pub made_at: i64,
    /// As `made_at`, of the last change.
    pub changed_at: i64,
}

/// A row of `idempotency_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRow {
    /// The booking that it stands for.
    pub booking: i64,
    /// What was asked for.
    pub event: i64,
    /// What was asked for.
    pub seats: i64,
}

impl Books {
    /// Reads the tables of PostgreSQL: what is about the events from that id on,
    /// and all figures.
    pub async fn read(sql: &Sql, first_event: i64) -> Self {
        let micros = "(extract(epoch FROM $) * 1000000)::bigint";
        Self::read_as(sql, first_event, micros).await
    }

    /// Reads the file of the embedded store, which keeps times as microseconds.
    pub async fn read_embedded(sql: &Sql, first_event: i64) -> Self {
        Self::read_as(sql, first_event, "$").await
    }

    async fn read_as(sql: &Sql, first_event: i64, micros: &str) -> Self {
        let micros = |column: &str| micros.replace('$', column);
        let events = numbers(
            sql,
            &format!(
                "SELECT id, capacity, seats_available, \
                 CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END \
                 FROM events WHERE id >= {first_event}"
            ),
        )
        .await;
        let bookings = numbers(
            sql,
            &format!(
                "SELECT id, user_id, event_id, seats, \
                 CASE status WHEN 'CONFIRMED' THEN 1 ELSE 0 END, {}, {} \
                 FROM bookings WHERE event_id >= {first_event}",
                micros("created_at"),
                micros("updated_at")
            ),
        )
        .await;
        let keys = numbers(
            sql,
            &format!(
                "SELECT user_id, booking_id, event_id, seats FROM idempotency_keys \
                 WHERE event_id >= {first_event}"
            ),
        )
        .await;
        let sales = numbers(sql, "SELECT event_id, confirmed_bookings FROM event_sales").await;
        let total = sql
            .number("SELECT coalesce(sum(confirmed_bookings), 0) FROM booking_totals")
            .await;
        Self {
            events: events.iter().map(|row| (row[0], event(row))).collect(),
            bookings: bookings.iter().map(|row| (row[0], booking(row))).collect(),
            keys: keys.iter().map(|row| (row[0], key(row))).collect(),
            sales: sales.iter().map(|row| (row[0], row[1])).collect(),
            total,
        }
    }
}

fn event(row: &[i64]) -> EventRow {
    EventRow {
        capacity: row[1],
        available: row[2],
        deleted: row[3] == 1,
    }
}

fn booking(row: &[i64]) -> BookingRow {
    BookingRow {
        user: row[1],
        event: row[2],
        seats: row[3],
        confirmed: row[4] == 1,
        made_at: row[5],
        changed_at: row[6],
    }
}

fn key(row: &[i64]) -> KeyRow {
    KeyRow {
        booking: row[1],
        event: row[2],
        seats: row[3],
    }
}

async fn numbers(sql: &Sql, query: &str) -> Vec<Vec<i64>> {
    let rows = sql.rows(query).await;
    let number = |text: &String| {
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?} is no whole number: {query}"))
    };
    rows.iter()
        .map(|row| row.iter().map(number).collect())
        .collect()
}

//! Filling a store with more than anybody wants to book one by one. The rows
//! are what the server would have written: seats and figures add up.

use diesel::Connection;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection;
use utsavam_tests::Sql;

use super::side::{Kind, Place};

/// Users of a filled store; the first of them book.
const USERS: i64 = 10_000;

/// How full a store shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) events: i64,
    /// Spread evenly over events and users.
    pub(crate) bookings: i64,
}

/// The first user and the first event of a filled store.
pub(crate) const FIRST: i64 = 1;

/// Without the checks of foreign keys, which would take most of the time and
/// find nothing.
const POSTGRES: &str = "
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    INSERT INTO users (email) SELECT 'fill-' || n || '@example.com' FROM generate_series(1, {users}) n;
    INSERT INTO events (name, venue, start_at, capacity, seats_available)
    SELECT 'Concert ' || n, 'Hall', TIMESTAMPTZ '2099-01-01Z' + n * interval '1 minute',
           {capacity}, {capacity}
    FROM generate_series(1, {events}) n;
    INSERT INTO bookings (user_id, event_id, seats, status, created_at, updated_at)
    SELECT 1 + n * 7919 % {users}, 1 + n * 104729 % {events}, 1, 'CONFIRMED', t.at, t.at
    FROM generate_series(1::bigint, {bookings}) n,
         LATERAL (SELECT TIMESTAMPTZ '2020-01-01Z' + n * interval '10 seconds' AS at) t;
    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id) FROM events e LEFT JOIN bookings b ON b.event_id = e.id GROUP BY e.id;
    UPDATE events e SET seats_available = capacity - s.confirmed_bookings
    FROM event_sales s WHERE s.event_id = e.id AND s.confirmed_bookings > 0;
    UPDATE booking_totals SET confirmed_bookings = {bookings} WHERE slot = 0;";

/// The log would hold all of it a second time, and nothing here must survive.
const SQLITE: &str = "
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY;
    BEGIN;
    WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {users})
    INSERT INTO users (email) SELECT 'fill-' || n || '@example.com' FROM s;
    WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {events})
    INSERT INTO events (name, venue, start_at, capacity, seats_available)
    SELECT 'Concert ' || n, 'Hall', 4070908800000000 + n * 60000000, {capacity}, {capacity} FROM s;
    WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {bookings})
    INSERT INTO bookings (user_id, event_id, seats, status, created_at, updated_at)
    SELECT 1 + n * 7919 % {users}, 1 + n * 104729 % {events}, 1, 'CONFIRMED',
           1577836800000000 + n * 10000000, 1577836800000000 + n * 10000000
    FROM s WHERE {bookings} > 0;
    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id) FROM events e LEFT JOIN bookings b ON b.event_id = e.id GROUP BY e.id;
    UPDATE events SET seats_available = capacity -
        (SELECT confirmed_bookings FROM event_sales WHERE event_id = id);
    UPDATE booking_totals SET confirmed_bookings = {bookings};
    COMMIT;
    ANALYZE;";

/// Fills an empty store on which no server runs yet.
///
/// # Errors
/// SQLite's own words; PostgreSQL's end the program.
pub(crate) async fn fill(place: &Place, fill: Fill) -> Result<(), String> {
    let with_numbers = |statements: &str| {
        statements
            .replace("{users}", &USERS.to_string())
            .replace("{events}", &fill.events.to_string())
            .replace("{bookings}", &fill.bookings.to_string())
            .replace("{capacity}", "100000000")
    };
    match place.kind {
        Kind::Scaled => {
            let sql = Sql::connect(&place.url).await;
            sql.run(&with_numbers(POSTGRES)).await;
            sql.run("VACUUM ANALYZE").await;
            sql.run("CHECKPOINT").await;
            Ok(())
        }
        Kind::Embedded => {
            let file = place.url.trim_start_matches("sqlite://").to_owned();
            let statements = with_numbers(SQLITE);
            let filling = tokio::task::spawn_blocking(move || {
                let mut connection =
                    SqliteConnection::establish(&file).map_err(|error| error.to_string())?;
                connection
                    .batch_execute(&statements)
                    .map_err(|error| format!("filling {file}: {error}"))
            });
            filling.await.map_err(|error| error.to_string())?
        }
    }
}

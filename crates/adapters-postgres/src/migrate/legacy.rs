//! What a database of the Python service looks like, and what in it would
//! stand in the way of being taken over.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{EventName, Venue};

use super::MigrateError;

/// The columns that the service's tables have at least, with a prefix of their
/// type: `integer` and `bigint` keys, `text` and `character varying` both occurred.
const COLUMNS: [(&str, &str, &[&str]); 21] = [
    ("users", "id", &["integer", "bigint"]),
    ("users", "email", &["text", "character varying"]),
    ("users", "name", &["text", "character varying"]),
    ("users", "created_at", &["timestamp with time zone"]),
    ("events", "id", &["integer", "bigint"]),
    ("events", "name", &["text", "character varying"]),
    ("events", "venue", &["text", "character varying"]),
    ("events", "start_at", &["timestamp with time zone"]),
    ("events", "capacity", &["integer"]),
    ("events", "seats_available", &["integer"]),
    ("events", "version", &["integer", "bigint"]),
    ("events", "created_at", &["timestamp with time zone"]),
    ("events", "updated_at", &["timestamp with time zone"]),
    ("bookings", "id", &["integer", "bigint"]),
    ("bookings", "user_id", &["integer", "bigint"]),
    ("bookings", "event_id", &["integer", "bigint"]),
    ("bookings", "seats", &["integer"]),
    ("bookings", "status", &["text", "character varying"]),
    (
        "bookings",
        "idempotency_key",
        &["text", "character varying"],
    ),
    ("bookings", "created_at", &["timestamp with time zone"]),
    ("bookings", "updated_at", &["timestamp with time zone"]),
];

/// Tables of ours whose names somebody else may have used.
const TABLES: [&str; 7] = [
    "users",
    "events",
    "bookings",
    "idempotency_keys",
    "event_sales",
    "booking_totals",
    "deletions_pending",
];

/// Whether there is any table under a name that we are going to use.
pub(super) async fn is_present(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let tables: Vec<String> = tables(connection).await?;
    Ok(!tables.is_empty())
}

async fn tables(connection: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Text)]
        table_name: String,
    }
    let rows: Vec<Table> = diesel::sql_query(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_name = ANY ($1) ORDER BY table_name",
    )
    .bind::<Array<Text>, _>(TABLES.to_vec())
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.table_name).collect())
}

/// Refuses a database whose tables are not those of the Python service.
pub(super) async fn check_shape(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        table_name: String,
        #[diesel(sql_type = Text)]
        column_name: String,
        #[diesel(sql_type = Text)]
        data_type: String,
    }
    let columns: Vec<Column> = diesel::sql_query(
        "SELECT table_name::text, column_name::text, data_type::text
         FROM information_schema.columns WHERE table_schema = current_schema()",
    )
    .load(connection)
    .await?;
    for (table, column, types) in COLUMNS {
        let found = columns
            .iter()
            .find(|c| c.table_name == table && c.column_name == column);
        if !found.is_some_and(|c| types.contains(&c.data_type.as_str())) {
            return Err(refuse(format!(
                "the database has tables that Utsavam did not make: {table}.{column} of type {} is missing",
                types[0]
            )));
        }
    }
    let unknown = columns.iter().find(|c| {
        TABLES[..3].contains(&c.table_name.as_str())
            && !COLUMNS
                .iter()
                .any(|(table, column, _)| c.table_name == *table && c.column_name == *column)
    });
    if let Some(Column {
        table_name,
        column_name,
        ..
    }) = unknown
    {
        return Err(refuse(format!(
            "Utsavam has no place for the column {table_name}.{column_name}; drop it or keep it elsewhere"
        )));
    }
    let other = tables(connection)
        .await?
        .into_iter()
        .find(|table| !TABLES[..3].contains(&table.as_str()));
    match other {
        Some(table) => Err(refuse(format!(
            "the database has a table {table} that Utsavam did not make"
        ))),
        None => Ok(()),
    }
}

/// Refuses data that breaks a rule which the tables of today enforce.
pub(super) async fn check_data(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    // The text of each query names the first row that is in the way.
    const CHECKS: [&str; 5] = [
        "SELECT format('event %s has %s confirmed seats and a capacity of %s', e.id, sum(b.seats), e.capacity)
         FROM legacy.events e JOIN legacy.bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED'
         GROUP BY e.id, e.capacity HAVING sum(b.seats) > e.capacity ORDER BY e.id LIMIT 1",
        "SELECT format('event %s has a capacity of %s', id, capacity)
         FROM legacy.events WHERE capacity < 0 ORDER BY id LIMIT 1",
        "SELECT format('booking %s has the status %s', id, status) FROM legacy.bookings
         WHERE status NOT IN ('CONFIRMED', 'CANCELLED') ORDER BY id LIMIT 1",
        "SELECT format('booking %s is for %s seats', id, seats) FROM legacy.bookings
         WHERE seats < 1 ORDER BY id LIMIT 1",
        "SELECT format('%s %s has an id that is not positive', kind, id) FROM (
             SELECT 'user' AS kind, id FROM legacy.users UNION ALL
             SELECT 'event', id FROM legacy.events UNION ALL
             SELECT 'booking', id FROM legacy.bookings) AS ids
         WHERE id < 1 LIMIT 1",
    ];
    #[derive(QueryableByName)]
    struct Complaint {
        #[diesel(sql_type = Text)]
        format: String,
    }
    for check in CHECKS {
        let found: Option<Complaint> = diesel::sql_query(check)
            .get_result(connection)
            .await
            .optional()?;
        if let Some(Complaint { format }) = found {
            return Err(refuse(format));
        }
    }
    check_names(connection).await
}

async fn check_names(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Names {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Nullable<Text>)]
        venue: Option<String>,
    }
    let events: Vec<Names> = diesel::sql_query(
        "SELECT id::bigint, name::text, nullif(btrim(venue::text), '') AS venue
         FROM legacy.events ORDER BY id",
    )
    .load(connection)
    .await?;
    for Names { id, name, venue } in events {
        EventName::parse(&name)
            .map_err(|invalid| refuse(format!("the name of event {id} {invalid}")))?;
        venue
            .map(|venue| Venue::parse(&venue))
            .transpose()
            .map_err(|invalid| refuse(format!("the venue of event {id} {invalid}")))?;
    }
    Ok(())
}

pub(super) fn refuse(why: String) -> MigrateError {
    MigrateError::Refused(format!("this database cannot be taken over: {why}"))
}

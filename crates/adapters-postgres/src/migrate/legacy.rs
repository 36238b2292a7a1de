//! What a database of the Python service looks like, and what in it would
//! stand in the way of being taken over.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{EventName, Venue};

use super::MigrateError;

use crate::one_row::OneRow;

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
const TABLES: [&str; 14] = [
    "users",
    "events",
    "bookings",
    "idempotency_keys",
    "event_sales",
    "booking_totals",
    "deletions_pending",
    "sessions",
    "spent_refresh_secrets",
    "password_tokens",
    "api_keys",
    "audit_log",
    "erasures_pending",
    "sales_paused",
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
    if let Some(table) = other {
        return Err(refuse(format!(
            "the database has a table {table} that Utsavam did not make"
        )));
    }
    complain(connection, SCHEMA_IN_THE_WAY).await
}

const SCHEMA_IN_THE_WAY: &str = "
    SELECT 'the database has a schema utsavam_adoption, whose name is needed' AS format
    FROM pg_namespace WHERE nspname = 'utsavam_adoption'";

/// What hangs on the old tables and has no place on ours, and data that break a
/// rule which the tables of today enforce. The text of each query names the
/// first thing or row that is in the way.
const CHECKS: [&str; 11] = [
    "SELECT format('the database has a %s that Utsavam did not make', relname) FROM pg_class
     JOIN pg_namespace n ON n.oid = relnamespace AND nspname = current_schema()
     WHERE relname IN ('users_id_seq', 'events_id_seq', 'bookings_id_seq') ORDER BY relname LIMIT 1",
    "SELECT format('the table %s has %s, which would be lost; drop it and make it again afterwards', relname, what)
     FROM (SELECT tgrelid AS relation, 'the trigger ' || tgname AS what FROM pg_trigger WHERE NOT tgisinternal
           UNION ALL SELECT ev_class, 'the rule ' || rulename FROM pg_rewrite
           UNION ALL SELECT polrelid, 'the policy ' || polname FROM pg_policy
           UNION ALL SELECT oid, 'row-level security' FROM pg_class WHERE relrowsecurity) AS found
     JOIN pg_class ON oid = relation
     WHERE relnamespace = 'utsavam_adoption'::regnamespace ORDER BY relname, what LIMIT 1",
    "SELECT format('%s %s has no id', CASE kind WHEN 'event' THEN 'an' ELSE 'a' END, kind)
     FROM (SELECT 'user' AS kind, id FROM utsavam_adoption.users UNION ALL
           SELECT 'event', id FROM utsavam_adoption.events UNION ALL
           SELECT 'booking', id FROM utsavam_adoption.bookings) AS ids
     WHERE id IS NULL LIMIT 1",
    "SELECT format('more than one %s has the id %s', kind, id)
     FROM (SELECT 'user' AS kind, id FROM utsavam_adoption.users UNION ALL
           SELECT 'event', id FROM utsavam_adoption.events UNION ALL
           SELECT 'booking', id FROM utsavam_adoption.bookings) AS ids
     GROUP BY kind, id HAVING count(*) > 1 LIMIT 1",
    "SELECT format('%s %s has an id that is not positive', kind, id)
     FROM (SELECT 'user' AS kind, id FROM utsavam_adoption.users UNION ALL
           SELECT 'event', id FROM utsavam_adoption.events UNION ALL
           SELECT 'booking', id FROM utsavam_adoption.bookings) AS ids
     WHERE id < 1 LIMIT 1",
    "SELECT format('%s %s has no %s', kind, id, field)
     FROM (SELECT 'user' AS kind, id, 'email' AS field FROM utsavam_adoption.users WHERE email IS NULL
           UNION ALL
           SELECT 'event', id, field FROM utsavam_adoption.events, LATERAL (VALUES
               ('name', name IS NULL), ('start_at', start_at IS NULL),
               ('capacity', capacity IS NULL), ('version', version IS NULL)) AS fields (field, is_missing)
           WHERE is_missing
           UNION ALL
           SELECT 'booking', id, field FROM utsavam_adoption.bookings, LATERAL (VALUES
               ('user_id', user_id IS NULL), ('event_id', event_id IS NULL),
               ('seats', seats IS NULL), ('status', status IS NULL)) AS fields (field, is_missing)
           WHERE is_missing) AS missing
     ORDER BY kind, id LIMIT 1",
    // The API writes years with four digits; year 0 is 1 BC here.
    "SELECT format('the %s of %s %s is %s, which is not between the years 0000 and 9999 in UTC',
                   field, kind, id, at AT TIME ZONE 'UTC')
     FROM (SELECT 'user' AS kind, id, 'created_at' AS field, created_at AS at FROM utsavam_adoption.users
           UNION ALL SELECT 'event', id, 'start_at', start_at FROM utsavam_adoption.events
           UNION ALL SELECT 'event', id, 'created_at', created_at FROM utsavam_adoption.events
           UNION ALL SELECT 'event', id, 'updated_at', updated_at FROM utsavam_adoption.events
           UNION ALL SELECT 'booking', id, 'created_at', created_at FROM utsavam_adoption.bookings
           UNION ALL SELECT 'booking', id, 'updated_at', updated_at FROM utsavam_adoption.bookings) AS times
     WHERE at < '0001-01-01 00:00:00+00 BC' OR at >= '10000-01-01 00:00:00+00'
     ORDER BY kind, id LIMIT 1",
    "SELECT format('event %s has %s confirmed seats and a capacity of %s', e.id, sum(b.seats), e.capacity)
     FROM utsavam_adoption.events e
     JOIN utsavam_adoption.bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED'
     GROUP BY e.id, e.capacity HAVING sum(b.seats) > e.capacity ORDER BY e.id LIMIT 1",
    "SELECT format('event %s has a capacity of %s', id, capacity)
     FROM utsavam_adoption.events WHERE capacity < 0 ORDER BY id LIMIT 1",
    "SELECT format('booking %s has the status %s', id, status) FROM utsavam_adoption.bookings
     WHERE status NOT IN ('CONFIRMED', 'CANCELLED') ORDER BY id LIMIT 1",
    "SELECT format('booking %s is for %s seats', id, seats) FROM utsavam_adoption.bookings
     WHERE seats < 1 ORDER BY id LIMIT 1",
];

/// Refuses tables, after they stepped aside, that cannot be moved as they are.
pub(super) async fn check_data(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    for check in CHECKS {
        complain(connection, check).await?;
    }
    check_names(connection).await
}

/// Refuses with the text that the query finds, if it finds one.
async fn complain(connection: &mut AsyncPgConnection, check: &str) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Complaint {
        #[diesel(sql_type = Text)]
        format: String,
    }
    let found: Option<Complaint> = diesel::sql_query(check)
        .one_row(connection)
        .await
        .optional()?;
    match found {
        Some(Complaint { format }) => Err(refuse(format)),
        None => Ok(()),
    }
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
         FROM utsavam_adoption.events ORDER BY id",
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

//! Taking over a database of the Python service: its tables step aside, ours
//! are made by the ordinary migrations, and the rows move over. So an adopted
//! database has exactly the schema of a new one. All of it is one transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use domain::model::{Email, UserName};

use super::legacy::{self, refuse};
use super::{MigrateError, Migrated, apply, begin, commit, privileges};

use crate::one_row::OneRow;

/// How many users are moved with one statement.
const USERS_AT_ONCE: i64 = 5_000;

/// A sequence that is only named in the default of an id would stay behind, under
/// the name that ours is going to have.
const OWN_SEQUENCES: &str = "
    SELECT format('ALTER SEQUENCE %s OWNED BY %s.id', s.oid::regclass, a.adrelid::regclass)
    FROM pg_attrdef a
    JOIN pg_attribute c ON c.attrelid = a.adrelid AND c.attnum = a.adnum AND c.attname = 'id'
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
    JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND s.relkind = 'S'
    WHERE a.adrelid IN ('users'::regclass, 'events'::regclass, 'bookings'::regclass)
      AND pg_get_serial_sequence(a.adrelid::regclass::text, 'id') IS NULL";

/// The old tables take their indexes, constraints and sequences along, so no
/// name is in the way of ours.
const STEP_ASIDE: &str = "
    CREATE SCHEMA utsavam_adoption;
    ALTER TABLE bookings SET SCHEMA utsavam_adoption;
    ALTER TABLE events SET SCHEMA utsavam_adoption;
    ALTER TABLE users SET SCHEMA utsavam_adoption";

/// Seats available are counted anew: the older service could lose count. Keys
/// were not unique there; the first booking of a user under a key keeps it, and
/// is kept as long as a key that is bound today.
const MOVE: &str = "
    INSERT INTO events (id, name, venue, start_at, capacity, seats_available, version, created_at, updated_at)
    SELECT e.id, e.name, nullif(btrim(e.venue), ''), e.start_at, e.capacity,
           e.capacity - coalesce((SELECT sum(b.seats) FROM utsavam_adoption.bookings b
                                  WHERE b.event_id = e.id AND b.status = 'CONFIRMED'), 0),
           e.version, coalesce(e.created_at, now()), coalesce(e.updated_at, e.created_at, now())
    FROM utsavam_adoption.events e;
    INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
    SELECT id, user_id, event_id, seats, status, coalesce(created_at, now()),
           coalesce(updated_at, created_at, now())
    FROM utsavam_adoption.bookings;
    INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
    SELECT DISTINCT ON (user_id, idempotency_key) user_id, idempotency_key, id, event_id, seats
    FROM utsavam_adoption.bookings WHERE idempotency_key <> ''
    ORDER BY user_id, idempotency_key, id;
    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id) FROM utsavam_adoption.events e
    LEFT JOIN utsavam_adoption.bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED' GROUP BY e.id;
    UPDATE booking_totals SET confirmed_bookings = (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales)
    WHERE slot = 0";

/// New ids come behind all that were ever given out: the older service deleted
/// rows, and whoever still holds such an id must not reach another row with it.
const CONTINUE: &str = "
    SELECT setval(pg_get_serial_sequence(moved.kind, 'id'), moved.last)
    FROM (SELECT kind, greatest(id_max, pg_sequence_last_value(
                     pg_get_serial_sequence('utsavam_adoption.' || kind, 'id')::regclass)) AS last
          FROM (SELECT 'users' AS kind, max(id) AS id_max FROM users UNION ALL
                SELECT 'events', max(id) FROM events UNION ALL
                SELECT 'bookings', max(id) FROM bookings) AS largest) AS moved
    WHERE moved.last > 0";

/// Views and other things that depend on the old tables make this fail, and so
/// the adoption.
const DROP_OLD: &str = "
    DROP TABLE utsavam_adoption.bookings;
    DROP TABLE utsavam_adoption.events;
    DROP TABLE utsavam_adoption.users;
    DROP SCHEMA utsavam_adoption";

/// Takes the database over, or refuses and leaves it as it is.
pub(super) async fn adopt(connection: AsyncPgConnection) -> Result<Migrated, MigrateError> {
    // Dropping the connection on an error rolls everything back.
    let (mut connection, adopted) = move_all(connection).await.map_err(|error| match error {
        MigrateError::Failed(cause) => MigrateError::NotAdopted(cause),
        foreseen => foreseen,
    })?;
    commit(&mut connection).await?;
    Ok(adopted)
}

/// Everything up to the commit.
async fn move_all(
    mut connection: AsyncPgConnection,
) -> Result<(AsyncPgConnection, Migrated), MigrateError> {
    legacy::check_shape(&mut connection).await?;
    begin(&mut connection).await?;
    run_written(&mut connection, OWN_SEQUENCES).await?;
    connection.batch_execute(STEP_ASIDE).await?;
    legacy::check_data(&mut connection).await?;
    let (mut connection, _) = apply(connection).await?;
    move_users(&mut connection).await?;
    for statements in [MOVE, CONTINUE] {
        connection.batch_execute(statements).await?;
    }
    run_written(&mut connection, privileges::GRANTS).await?;
    connection.batch_execute(DROP_OLD).await?;
    let adopted = count(&mut connection).await?;
    Ok((connection, adopted))
}

/// Runs the statements that a query writes.
async fn run_written(connection: &mut AsyncPgConnection, query: &str) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Statement {
        #[diesel(sql_type = Text)]
        format: String,
    }
    let statements: Vec<Statement> = diesel::sql_query(query).load(connection).await?;
    for Statement { format } in statements {
        connection.batch_execute(&format).await?;
    }
    Ok(())
}

/// Users go through the program, because addresses are compared in the form in
/// which it writes them.
async fn move_users(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct LegacyUser {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        email: String,
        #[diesel(sql_type = Nullable<Text>)]
        name: Option<String>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        created_at: Option<DateTime<Utc>>,
    }
    let mut after = 0;
    loop {
        let users: Vec<LegacyUser> = diesel::sql_query(
            "SELECT id::bigint, email::text, nullif(btrim(name::text), '') AS name, created_at
             FROM utsavam_adoption.users WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(USERS_AT_ONCE)
        .load(connection)
        .await?;
        let Some(last) = users.last() else {
            return Ok(());
        };
        after = last.id;
        let mut columns = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for LegacyUser {
            id,
            email,
            name,
            created_at,
        } in users
        {
            let email = Email::parse(&email)
                .map_err(|invalid| refuse(format!("the email of user {id} {invalid}")))?;
            let name = name
                .map(|name| UserName::parse(&name))
                .transpose()
                .map_err(|invalid| refuse(format!("the name of user {id} {invalid}")))?;
            columns.0.push(id);
            columns.1.push(String::from(email));
            columns.2.push(name.map(String::from));
            columns.3.push(created_at);
        }
        insert_users(connection, columns).await?;
    }
}

type UserColumns = (
    Vec<i64>,
    Vec<String>,
    Vec<Option<String>>,
    Vec<Option<DateTime<Utc>>>,
);

async fn insert_users(
    connection: &mut AsyncPgConnection,
    (ids, emails, names, created_at): UserColumns,
) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Inserted {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let inserted: Vec<Inserted> = diesel::sql_query(
        "INSERT INTO users (id, email, name, created_at)
         SELECT id, email, name, coalesce(created_at, now())
         FROM unnest($1, $2, $3, $4) AS moved (id, email, name, created_at)
         ON CONFLICT (email) DO NOTHING RETURNING id",
    )
    .bind::<Array<BigInt>, _>(&ids)
    .bind::<Array<Text>, _>(&emails)
    .bind::<Array<Nullable<Text>>, _>(&names)
    .bind::<Array<Nullable<Timestamptz>>, _>(&created_at)
    .load(connection)
    .await?;
    let inserted: HashSet<i64> = inserted.into_iter().map(|row| row.id).collect();
    match ids.iter().find(|id| !inserted.contains(id)) {
        Some(id) => Err(refuse(format!(
            "user {id} has an email that differs from another user's only in case or margins"
        ))),
        None => Ok(()),
    }
}

async fn count(connection: &mut AsyncPgConnection) -> QueryResult<Migrated> {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = BigInt)]
        users: i64,
        #[diesel(sql_type = BigInt)]
        events: i64,
        #[diesel(sql_type = BigInt)]
        bookings: i64,
    }
    let Counts {
        users,
        events,
        bookings,
    } = diesel::sql_query(
        "SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM events) AS events,
                (SELECT count(*) FROM bookings) AS bookings",
    )
    .one_row(connection)
    .await?;
    Ok(Migrated::Adopted {
        users,
        events,
        bookings,
    })
}

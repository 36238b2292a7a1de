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
use super::{MigrateError, Migrated, apply, begin, commit};

/// How many users are moved with one statement.
const USERS_AT_ONCE: i64 = 5_000;

/// The old tables take their indexes, constraints and sequences along, so no
/// name is in the way of ours.
const STEP_ASIDE: &str = "
    CREATE SCHEMA legacy;
    ALTER TABLE bookings SET SCHEMA legacy;
    ALTER TABLE events SET SCHEMA legacy;
    ALTER TABLE users SET SCHEMA legacy";

/// Seats available are counted anew: the older service could lose count. Keys
/// were not unique there; the first booking of a user under a key keeps it, and
/// is kept as long as a key that is bound today. Views and other things that
/// depend on the old tables make the last statements fail, and so the adoption.
const MOVE: &str = "
    INSERT INTO events (id, name, venue, start_at, capacity, seats_available, version, created_at, updated_at)
    SELECT e.id, e.name, nullif(btrim(e.venue), ''), e.start_at, e.capacity,
           e.capacity - coalesce((SELECT sum(b.seats) FROM legacy.bookings b
                                  WHERE b.event_id = e.id AND b.status = 'CONFIRMED'), 0),
           e.version, coalesce(e.created_at, now()), coalesce(e.updated_at, e.created_at, now())
    FROM legacy.events e;
    INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
    SELECT id, user_id, event_id, seats, status, coalesce(created_at, now()),
           coalesce(updated_at, created_at, now())
    FROM legacy.bookings;
    INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
    SELECT DISTINCT ON (user_id, idempotency_key) user_id, idempotency_key, id, event_id, seats
    FROM legacy.bookings WHERE idempotency_key <> ''
    ORDER BY user_id, idempotency_key, id;
    INSERT INTO event_sales (event_id, confirmed_bookings)
    SELECT e.id, count(b.id) FROM legacy.events e
    LEFT JOIN legacy.bookings b ON b.event_id = e.id AND b.status = 'CONFIRMED' GROUP BY e.id;
    UPDATE booking_totals SET confirmed_bookings = (SELECT coalesce(sum(confirmed_bookings), 0) FROM event_sales)
    WHERE slot = 0;
    SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users HAVING count(*) > 0;
    SELECT setval(pg_get_serial_sequence('events', 'id'), max(id)) FROM events HAVING count(*) > 0;
    SELECT setval(pg_get_serial_sequence('bookings', 'id'), max(id)) FROM bookings HAVING count(*) > 0;
    DROP TABLE legacy.bookings;
    DROP TABLE legacy.events;
    DROP TABLE legacy.users;
    DROP SCHEMA legacy";

/// Takes the database over, or refuses and leaves it as it is.
pub(super) async fn adopt(mut connection: AsyncPgConnection) -> Result<Migrated, MigrateError> {
    legacy::check_shape(&mut connection).await?;
    // Dropping the connection on an error rolls everything back.
    begin(&mut connection).await?;
    connection.batch_execute(STEP_ASIDE).await?;
    legacy::check_data(&mut connection).await?;
    let (mut connection, _) = apply(connection).await?;
    move_users(&mut connection).await?;
    connection.batch_execute(MOVE).await?;
    let adopted = count(&mut connection).await?;
    commit(&mut connection).await?;
    Ok(adopted)
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
             FROM legacy.users WHERE id > $1 ORDER BY id LIMIT $2",
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
    .get_result(connection)
    .await?;
    Ok(Migrated::Adopted {
        users,
        events,
        bookings,
    })
}

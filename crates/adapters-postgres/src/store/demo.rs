//! Demo data in PostgreSQL.

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{EventSeats, NewUser, PublishEvent};
use domain::ports::{DemoStore, StoreError};
use futures::FutureExt;

use crate::error::before_commit;
use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, EventSeatsRow};
use crate::schema::users;

super::store!(
    /// [`DemoStore`] on PostgreSQL.
    PgDemoStore
);

/// Names the advisory lock that makes parallel calls wait for one another.
/// "demo" in ASCII.
const LOCK: i64 = 0x6465_6d6f;

prepared!(
    /// Held until the transaction ends.
    TakeLock { lock: i64 as BigInt } -> (Bool,),
    "SELECT true FROM pg_advisory_xact_lock(?)"
);

prepared!(
    /// The oldest event of that name, and whether it has started.
    FindByName { name: String as Text } -> ((BigInt, Integer, Timestamptz), Bool),
    "SELECT id, seats_available, start_at, start_at <= clock_timestamp() FROM events
     WHERE name = ? AND deleted_at IS NULL ORDER BY id LIMIT 1 FOR NO KEY UPDATE"
);

prepared!(
    /// Moves the event ahead.
    MoveAhead { lead_seconds: f64 as Double, id: i64 as BigInt } -> (BigInt, Integer, Timestamptz),
    "UPDATE events
     SET start_at = clock_timestamp() + make_interval(secs => ?), version = version + 1,
         updated_at = clock_timestamp()
     WHERE id = ? RETURNING id, seats_available, start_at"
);

prepared!(
    /// The event and its row of figures.
    InsertDemoEvent {
        name: String as Text,
        venue: Option<String> as Nullable<Text>,
        lead_seconds: f64 as Double,
        capacity: i32 as Integer,
    } -> (BigInt, Integer, Timestamptz),
    "WITH event AS (
         INSERT INTO events (name, venue, start_at, capacity, seats_available)
         SELECT name, venue, clock_timestamp() + make_interval(secs => lead), capacity, capacity
         FROM (VALUES (?, ?, ?, ?)) AS new (name, venue, lead, capacity)
         RETURNING id, seats_available, start_at
     ), sales AS (
         INSERT INTO event_sales (event_id) SELECT id FROM event
     )
     SELECT * FROM event"
);

#[async_trait]
impl DemoStore for PgDemoStore {
    async fn ensure(
        &self,
        users: Vec<NewUser>,
        events: Vec<PublishEvent>,
        lead: TimeDelta,
    ) -> Result<Vec<EventSeats>, StoreError> {
        let rows: Vec<EventSeatsRow> = self
            .0
            .transaction("seed_demo", move |connection| {
                async move {
                    ensure(connection, users, events, lead)
                        .await
                        .map_err(before_commit)
                }
                .boxed()
            })
            .await?;
        rows::all(rows)
    }
}

async fn ensure(
    connection: &mut AsyncPgConnection,
    users: Vec<NewUser>,
    events: Vec<PublishEvent>,
    lead: TimeDelta,
) -> QueryResult<Vec<EventSeatsRow>> {
    TakeLock { lock: LOCK }.execute(connection).await?;
    for NewUser {
        email,
        name,
        password,
    } in users
    {
        diesel::insert_into(users::table)
            .values((
                users::email.eq(String::from(email)),
                users::name.eq(name.map(String::from)),
                users::password_hash.eq(password.map(|hash| hash.as_phc().to_owned())),
            ))
            .on_conflict(users::email)
            .do_nothing()
            .execute(connection)
            .await?;
    }
    let lead_seconds = lead.as_seconds_f64();
    let mut seats = Vec::new();
    for PublishEvent {
        name,
        venue,
        capacity,
        ..
    } in events
    {
        let name = String::from(name);
        let found: Option<(EventSeatsRow, bool)> = FindByName { name: name.clone() }
            .one_row(connection)
            .await
            .optional()?;
        seats.push(match found {
            Some((event, false)) => event,
            Some((event, true)) => {
                MoveAhead {
                    lead_seconds,
                    id: event.id,
                }
                .one_row(connection)
                .await?
            }
            None => {
                let venue = venue.map(String::from);
                let capacity = i32::try_from(capacity.get()).unwrap_or(i32::MAX);
                InsertDemoEvent {
                    name,
                    venue,
                    lead_seconds,
                    capacity,
                }
                .one_row(connection)
                .await?
            }
        });
    }
    Ok(seats)
}

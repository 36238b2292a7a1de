//! Demo data in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use domain::model::{EventSeats, NewUser, PublishEvent};
use domain::ports::{DemoStore, StoreError};

use crate::clock;
use crate::error::{before_commit, defect};
use crate::prepared::{at_most_one, prepared};
use crate::rows::{self, EventSeatsRow};

use super::{events, users};

super::store!(
    /// [`DemoStore`] on SQLite. All of it is one transaction, so parallel calls
    /// come one after the other.
    SqliteDemoStore
);

prepared!(
    /// The oldest event of that name.
    FindByName { name: String as Text } -> (BigInt, BigInt),
    "SELECT id, start_at FROM events
     WHERE name = ? AND deleted_at IS NULL ORDER BY id LIMIT 1"
);

prepared!(
    /// By primary key.
    SeatsById { id: i64 as BigInt } -> (BigInt, BigInt, BigInt),
    "SELECT id, seats_available, start_at FROM events WHERE id = ?"
);

prepared!(
    /// Moves an event ahead.
    MoveAhead { start_at: i64 as BigInt, now: i64 as BigInt, id: i64 as BigInt }
        -> (BigInt, BigInt, BigInt),
    "UPDATE events SET start_at = ?, version = version + 1, updated_at = ?
     WHERE id = ? RETURNING id, seats_available, start_at"
);

#[async_trait]
impl DemoStore for SqliteDemoStore {
    async fn ensure(
        &self,
        users: Vec<NewUser>,
        events: Vec<PublishEvent>,
        lead: TimeDelta,
    ) -> Result<Vec<EventSeats>, StoreError> {
        self.0
            .write("seed_demo", move |connection| {
                let now = clock::now();
                let start_at = now
                    .checked_add_signed(lead)
                    .ok_or_else(|| defect("the lead reaches beyond the calendar"))?;
                for user in users {
                    // Leaves an address alone that is in use.
                    let insert = users::insert(user, now);
                    insert.execute(connection).map_err(before_commit)?;
                }
                events
                    .into_iter()
                    .map(|event| ensure_event(connection, PublishEvent { start_at, ..event }, now))
                    .collect()
            })
            .await
    }
}

fn ensure_event(
    connection: &mut SqliteConnection,
    event: PublishEvent,
    now: DateTime<Utc>,
) -> Result<EventSeats, StoreError> {
    let name = event.name.as_str().to_owned();
    let found: Option<(i64, i64)> =
        at_most_one(connection, FindByName { name }).map_err(before_commit)?;
    let (start_at, now_micros) = (clock::micros(event.start_at), clock::micros(now));
    let row: Option<EventSeatsRow> = match found {
        Some((id, begins)) if begins <= now_micros => {
            let now = now_micros;
            at_most_one(connection, MoveAhead { start_at, now, id })
        }
        Some((id, _)) => at_most_one(connection, SeatsById { id }),
        None => return Ok(EventSeats::from(&events::publish(connection, event, now)?)),
    }
    .map_err(before_commit)?;
    rows::one(row.ok_or_else(|| defect("an event was there and then was not"))?)
}

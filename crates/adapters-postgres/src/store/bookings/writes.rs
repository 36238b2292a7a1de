//! Writing what was decided: one statement for each table.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::SeatCount;
use domain::ports::StoreError;
use domain::rules::{Change, Decisions, Sale};

use crate::error::{before_commit, defect};
use crate::prepared::prepared;
use crate::store::maintenance::MarkAll;
use crate::store::totals::AddToTotal;

use super::keys::{self, Reserved};

prepared!(
    /// Takes and gives back seats; a row less where that is impossible, which
    /// the locks rule out.
    ChangeSeats { event_ids: Vec<i64> as Array<BigInt>, seats: Vec<i64> as Array<BigInt> }
        -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available + change.seats, version = version + 1,
         updated_at = clock_timestamp()
     FROM unnest(?, ?) AS change (event_id, seats)
     WHERE id = change.event_id AND seats_available + change.seats BETWEEN 0 AND capacity"
);

prepared!(
    /// Writes bookings, in their order.
    InsertBookings {
        ids: Vec<i64> as Array<BigInt>,
        user_ids: Vec<i64> as Array<BigInt>,
        event_ids: Vec<i64> as Array<BigInt>,
        seats: Vec<i32> as Array<Integer>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
    } -> (BigInt,),
    "INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
     SELECT id, user_id, event_id, seats, 'CONFIRMED', created_at, created_at
     FROM unnest(?, ?, ?, ?, ?) AS sale (id, user_id, event_id, seats, created_at)"
);

prepared!(
    /// Counts confirmed bookings. A booking that somebody inserted by hand was
    /// never counted, hence the bound.
    CountBookings { event_ids: Vec<i64> as Array<BigInt>, bookings: Vec<i64> as Array<BigInt> }
        -> (BigInt,),
    "UPDATE event_sales sales
     SET confirmed_bookings = greatest(confirmed_bookings + change.bookings, 0)
     FROM unnest(?, ?) AS change (event_id, bookings)
     WHERE sales.event_id = change.event_id"
);

prepared!(
    /// The first figures of events that somebody inserted by hand.
    BeginCounting { event_ids: Vec<i64> as Array<BigInt>, bookings: Vec<i64> as Array<BigInt> }
        -> (BigInt,),
    "INSERT INTO event_sales (event_id, confirmed_bookings)
     SELECT event_id, greatest(bookings, 0) FROM unnest(?, ?) AS change (event_id, bookings)
     ON CONFLICT (event_id) DO NOTHING"
);

/// Writes a decision. Every statement must have changed the rows that it is
/// about, else nothing is kept.
pub(super) async fn write(
    connection: &mut AsyncPgConnection,
    decisions: &Decisions,
    reserved: &Reserved,
) -> Result<(), StoreError> {
    keys::finish(connection, reserved, &decisions.sales).await?;
    let Decisions {
        sales,
        cancelled,
        changes,
        ..
    } = decisions;
    let sum = |part: fn(&Change) -> i64| changes.values().map(part).collect::<Vec<_>>();
    let event_ids: Vec<i64> = changes.keys().map(|event_id| event_id.get()).collect();
    let (seats, bookings) = (sum(|change| change.seats), sum(|change| change.bookings));
    let total = AddToTotal {
        bookings: bookings.iter().sum(),
    };
    let change = ChangeSeats {
        event_ids: event_ids.clone(),
        seats,
    };
    let count = CountBookings {
        event_ids: event_ids.clone(),
        bookings: bookings.clone(),
    };
    let insert = insert(sales)?;
    let mark = MarkAll {
        ids: cancelled
            .iter()
            .map(|booking_id| booking_id.get())
            .collect(),
    };
    let (changed, inserted, marked, counted, totalled) = {
        let connection: &AsyncPgConnection = connection;
        futures::try_join!(
            change.execute(&mut &*connection),
            rows_of(!sales.is_empty(), insert.execute(&mut &*connection)),
            rows_of(!cancelled.is_empty(), mark.execute(&mut &*connection)),
            count.execute(&mut &*connection),
            total.execute(&mut &*connection),
        )
        .map_err(before_commit)?
    };
    let expected = (changes.len(), sales.len(), cancelled.len(), 1);
    if (changed, inserted, marked, totalled) != expected {
        return Err(defect(format!(
            "selling changed other rows: {:?} instead of {expected:?}",
            (changed, inserted, marked, totalled)
        )));
    }
    if counted < changes.len() {
        let begin = BeginCounting {
            event_ids,
            bookings,
        };
        begin.execute(connection).await.map_err(before_commit)?;
    }
    Ok(())
}

/// The rows that a statement changes, if there is reason to send it.
async fn rows_of(
    wanted: bool,
    statement: impl Future<Output = QueryResult<usize>>,
) -> QueryResult<usize> {
    if wanted { statement.await } else { Ok(0) }
}

fn insert(sales: &[Sale]) -> Result<InsertBookings, StoreError> {
    let seats: Result<_, _> = sales.iter().map(|sale| column(sale.seats)).collect();
    Ok(InsertBookings {
        ids: sales.iter().map(|sale| sale.booking_id.get()).collect(),
        user_ids: sales.iter().map(|sale| sale.user_id.get()).collect(),
        event_ids: sales.iter().map(|sale| sale.event_id.get()).collect(),
        seats: seats?,
        created_at: sales.iter().map(|sale| sale.created_at).collect(),
    })
}

pub(super) fn column(seats: SeatCount) -> Result<i32, StoreError> {
    i32::try_from(seats.get()).map_err(|_| defect("more seats than a column holds"))
}

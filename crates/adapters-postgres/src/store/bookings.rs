//! Making and cancelling bookings in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    BookSeats, Booked, BookingId, BookingStatus, Cancelled, Capacity, EventId, IdempotencyKey,
    Invalid, KeyedBooking, SeatCount,
};
use domain::ports::{BookError, BookingStore, CancelError, StoreError};
use domain::rules::{self, Cancellation, EventFacts, Refusal, SeatRequest};
use futures::FutureExt;

use crate::error::{before_commit, defect};
use crate::prepared::prepared;

use super::totals::AddToTotal;
use super::users::UserExists;

super::store!(
    /// [`BookingStore`] on PostgreSQL.
    PgBookingStore
);

prepared!(
    /// Binds a key to the id that its booking is going to have. Inserts nothing
    /// when the user is unknown or the key is bound. A key that another
    /// transaction is just binding is waited for: this row is the lock that
    /// makes one booking out of parallel duplicates.
    BindKey {
        key: String as Text,
        event_id: i64 as BigInt,
        seats: i32 as Integer,
        user_id: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats)
     SELECT id, ?, nextval('bookings_id_seq'), ?, ?
     FROM users WHERE id = ?
     ON CONFLICT (user_id, key) DO NOTHING
     RETURNING booking_id"
);

prepared!(
    /// What a key stands for. A statement of its own: under READ COMMITTED the
    /// one that lost the race does not see the row that it lost to.
    FindKey { user_id: i64 as BigInt, key: String as Text } -> (BigInt, BigInt, Integer),
    "SELECT booking_id, event_id, seats FROM idempotency_keys WHERE user_id = ? AND key = ?"
);

prepared!(
    /// Locks the event and reads the facts of the decision. The clock is read
    /// outside the locking part, hence after the lock was granted: a booking
    /// that waited in line past the beginning is too late.
    LockForSale { event_id: i64 as BigInt } -> (Integer, Timestamptz, Timestamptz),
    "WITH event AS MATERIALIZED (
         SELECT seats_available, start_at FROM events
         WHERE id = ? AND deleted_at IS NULL FOR NO KEY UPDATE
     )
     SELECT seats_available, start_at, clock_timestamp() FROM event"
);

prepared!(
    /// Takes the seats; no row if there are fewer, which the lock rules out.
    SellSeats { seats: i32 as Integer, event_id: i64 as BigInt, least: i32 as Integer } -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available - ?, version = version + 1,
         updated_at = clock_timestamp()
     WHERE id = ? AND seats_available >= ?"
);

prepared!(
    /// Writes the booking, under the id that its key was bound to, if any.
    InsertBooking {
        booking_id: Option<i64> as Nullable<BigInt>,
        user_id: i64 as BigInt,
        event_id: i64 as BigInt,
        seats: i32 as Integer,
        created_at: DateTime<Utc> as Timestamptz,
    } -> (BigInt,),
    "INSERT INTO bookings (id, user_id, event_id, seats, status, created_at)
     VALUES (coalesce(?, nextval('bookings_id_seq')), ?, ?, ?, 'CONFIRMED', ?)
     RETURNING id"
);

prepared!(
    /// One more confirmed booking of the event. One that somebody inserted by
    /// hand has no row of figures before its first booking.
    CountBooking { event_id: i64 as BigInt } -> (BigInt,),
    "INSERT INTO event_sales AS sales (event_id, confirmed_bookings) VALUES (?, 1)
     ON CONFLICT (event_id) DO UPDATE SET confirmed_bookings = sales.confirmed_bookings + 1"
);

prepared!(
    /// One confirmed booking of the event fewer; a booking that somebody
    /// inserted by hand was never counted.
    UncountBooking { event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE event_sales SET confirmed_bookings = greatest(confirmed_bookings - 1, 0)
     WHERE event_id = ?"
);

prepared!(
    /// Which event a booking is for; that never changes, so no lock is needed.
    EventOfBooking { booking_id: i64 as BigInt } -> (BigInt,),
    "SELECT event_id FROM bookings WHERE id = ?"
);

prepared!(
    /// Locks the event, deleted or not.
    LockForReturn { event_id: i64 as BigInt } -> (Bool,),
    "SELECT deleted_at IS NOT NULL FROM events WHERE id = ? FOR NO KEY UPDATE"
);

prepared!(
    /// What the decision on a cancellation needs; the event's lock keeps it true.
    BookingFacts { booking_id: i64 as BigInt } -> (Text, Integer),
    "SELECT status, seats FROM bookings WHERE id = ?"
);

prepared!(
    /// Marks the booking; no row if it was marked before, which the lock rules out.
    MarkCancelled { booking_id: i64 as BigInt } -> (BigInt,),
    "UPDATE bookings SET status = 'CANCELLED', updated_at = clock_timestamp()
     WHERE id = ? AND status = 'CONFIRMED'"
);

prepared!(
    /// Gives the seats back.
    ReturnSeats { seats: i32 as Integer, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available + ?, version = version + 1,
         updated_at = clock_timestamp()
     WHERE id = ?"
);

#[async_trait]
impl BookingStore for PgBookingStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        self.0
            .transaction(move |connection| async move { book(connection, command).await }.boxed())
            .await
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        self.0
            .transaction(move |connection| {
                async move { cancel(connection, booking_id).await }.boxed()
            })
            .await
    }
}

/// Key first, then the event: the order of locks everywhere. A refusal rolls
/// the transaction back, and with it the key.
async fn book(connection: &mut AsyncPgConnection, command: BookSeats) -> Result<Booked, BookError> {
    let booking_id = match &command.idempotency_key {
        None => None,
        Some(key) => match bind_key(connection, &command, key).await? {
            KeyBinding::Bound(booking_id) => Some(booking_id),
            KeyBinding::Used(first) => return Ok(rules::replay(&first, &command)?),
            // The facts below tell an unknown user from anything else.
            KeyBinding::Unbound => None,
        },
    };
    let (event, user_exists) = read_facts(connection, &command).await?;
    let request = SeatRequest {
        user_exists,
        seats: command.seats,
    };
    let allotment = rules::allot(event.as_ref(), &[request]);
    match (allotment.answers.as_slice(), event) {
        ([Ok(seats)], Some(event)) => {
            if command.idempotency_key.is_some() && booking_id.is_none() {
                return Err(StoreError::Busy("the key was let go this very moment".into()).into());
            }
            sell(connection, &command, *seats, booking_id, event.now)
                .await
                .map_err(BookError::Store)
        }
        ([Err(refusal)], _) => Err(refused(*refusal, &command)),
        _ => Err(defect("the rule gave no answer").into()),
    }
}

enum KeyBinding {
    Bound(i64),
    Used(KeyedBooking),
    Unbound,
}

async fn bind_key(
    connection: &mut AsyncPgConnection,
    command: &BookSeats,
    key: &IdempotencyKey,
) -> Result<KeyBinding, StoreError> {
    let (user_id, key) = (command.user_id.get(), key.as_str().to_owned());
    let bind = BindKey {
        key: key.clone(),
        event_id: command.event_id.get(),
        seats: column(command.seats)?,
        user_id,
    };
    let bound: Option<(i64,)> = bind
        .get_result(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    if let Some((booking_id,)) = bound {
        return Ok(KeyBinding::Bound(booking_id));
    }
    let used: Option<(i64, i64, i32)> = FindKey { user_id, key }
        .get_result(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    match used {
        Some(row) => Ok(KeyBinding::Used(keyed_booking(row).map_err(stored)?)),
        None => Ok(KeyBinding::Unbound),
    }
}

fn keyed_booking((booking_id, event_id, seats): (i64, i64, i32)) -> Result<KeyedBooking, Invalid> {
    Ok(KeyedBooking {
        booking_id: BookingId::try_new(booking_id)?,
        event_id: EventId::try_new(event_id)?,
        seats: SeatCount::try_new(seats.into())?,
    })
}

/// Seats left, the beginning, and the clock, as [`LockForSale`] returns them.
type SaleRow = (i32, DateTime<Utc>, DateTime<Utc>);

async fn read_facts(
    connection: &AsyncPgConnection,
    command: &BookSeats,
) -> Result<(Option<EventFacts>, bool), StoreError> {
    let lock = LockForSale {
        event_id: command.event_id.get(),
    };
    let user = UserExists {
        user_id: command.user_id.get(),
    };
    let (event, (user_exists,)) = futures::try_join!(
        async {
            lock.get_result::<SaleRow>(&mut &*connection)
                .await
                .optional()
        },
        user.get_result::<(bool,)>(&mut &*connection),
    )
    .map_err(before_commit)?;
    let event = event.map(|(seats_available, start_at, now)| {
        let seats_available = Capacity::try_new(seats_available.into()).map_err(stored)?;
        Ok(EventFacts {
            start_at,
            seats_available,
            now,
        })
    });
    Ok((event.transpose()?, user_exists))
}

async fn sell(
    connection: &AsyncPgConnection,
    command: &BookSeats,
    seats: SeatCount,
    booking_id: Option<i64>,
    created_at: DateTime<Utc>,
) -> Result<Booked, StoreError> {
    let (user_id, event_id, seats_column) = (
        command.user_id.get(),
        command.event_id.get(),
        column(seats)?,
    );
    let sell = SellSeats {
        seats: seats_column,
        event_id,
        least: seats_column,
    };
    let insert = InsertBooking {
        booking_id,
        user_id,
        event_id,
        seats: seats_column,
        created_at,
    };
    let count = CountBooking { event_id };
    let total = AddToTotal { bookings: 1 };
    let (sold, (booking_id,), counted, totalled): (usize, (i64,), usize, usize) =
        futures::try_join!(
            sell.execute(&mut &*connection),
            insert.get_result(&mut &*connection),
            count.execute(&mut &*connection),
            total.execute(&mut &*connection),
        )
        .map_err(before_commit)?;
    if (sold, counted, totalled) != (1, 1, 1) {
        return Err(defect(format!(
            "selling {seats} seats of event {event_id} changed other rows"
        )));
    }
    Ok(Booked {
        booking_id: BookingId::try_new(booking_id).map_err(stored)?,
        user_id: command.user_id,
        event_id: command.event_id,
        seats,
        replayed: false,
    })
}

fn refused(refusal: Refusal, command: &BookSeats) -> BookError {
    match refusal {
        Refusal::UserNotFound => BookError::UserNotFound(command.user_id),
        Refusal::EventNotFound => BookError::EventNotFound(command.event_id),
        Refusal::EventStarted => BookError::EventStarted(command.event_id),
        Refusal::NotEnoughSeats { seats_left } => BookError::NotEnoughSeats {
            event_id: command.event_id,
            seats_left,
            seats_requested: command.seats,
        },
    }
}

/// The event's lock makes one cancellation out of parallel ones: whoever comes
/// second reads the booking after the first has marked it.
async fn cancel(
    connection: &mut AsyncPgConnection,
    booking_id: BookingId,
) -> Result<Cancelled, CancelError> {
    let id = booking_id.get();
    let event: Option<(i64,)> = EventOfBooking { booking_id: id }
        .get_result(connection)
        .await
        .optional()
        .map_err(before_commit)?;
    let (event_id,) = event.ok_or(CancelError::BookingNotFound(booking_id))?;
    let (event_deleted,): (bool,) = LockForReturn { event_id }
        .get_result(connection)
        .await
        .map_err(before_commit)?;
    let (status, seats): (String, i32) = BookingFacts { booking_id: id }
        .get_result(connection)
        .await
        .map_err(before_commit)?;
    let status = BookingStatus::parse(&status).map_err(stored)?;
    let seats = SeatCount::try_new(seats.into()).map_err(stored)?;
    let seats_returned = match rules::cancel(status, seats, event_deleted) {
        Cancellation::AlreadyCancelled => None,
        Cancellation::Release(seats) => {
            give_back(connection, id, event_id, seats).await?;
            Some(seats)
        }
    };
    let event_id = EventId::try_new(event_id).map_err(stored)?;
    Ok(Cancelled {
        booking_id,
        event_id,
        seats_returned,
    })
}

async fn give_back(
    connection: &AsyncPgConnection,
    booking_id: i64,
    event_id: i64,
    seats: SeatCount,
) -> Result<(), StoreError> {
    let mark = MarkCancelled { booking_id };
    let give = ReturnSeats {
        seats: column(seats)?,
        event_id,
    };
    let count = UncountBooking { event_id };
    let total = AddToTotal { bookings: -1 };
    let (marked, given, _, totalled) = futures::try_join!(
        mark.execute(&mut &*connection),
        give.execute(&mut &*connection),
        count.execute(&mut &*connection),
        total.execute(&mut &*connection),
    )
    .map_err(before_commit)?;
    if (marked, given, totalled) != (1, 1, 1) {
        return Err(defect(format!(
            "cancelling booking {booking_id} changed other rows"
        )));
    }
    Ok(())
}

fn column(seats: SeatCount) -> Result<i32, StoreError> {
    i32::try_from(seats.get()).map_err(|_| defect("more seats than a column holds"))
}

fn stored(invalid: Invalid) -> StoreError {
    defect(format!("a stored value {invalid}"))
}

//! Making and cancelling bookings in SQLite.
//!
//! There is one writer, and its transactions have the right to write from their
//! first statement on: what they read stays true until they commit, without a
//! lock on any row. Parallel duplicates come one after the other, so the second
//! finds the key that the first has bound.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use domain::model::{
    BookSeats, Booked, BookingId, BookingStatus, Cancelled, Capacity, EventId, IdempotencyKey,
    KeyedBooking, SeatCount,
};
use domain::ports::{BookError, BookingStore, CancelError, StoreError};
use domain::rules::{self, Cancellation, EventFacts, SeatRequest};

use crate::clock;
use crate::error::{before_commit, defect, stored};
use crate::prepared::{at_most_one, exactly_one, prepared};
use crate::rows::{self, KeyRow};

use super::AddToTotal;

super::store!(
    /// [`BookingStore`] on SQLite.
    SqliteBookingStore
);

prepared!(
    /// What a key stands for.
    FindKey { user_id: i64 as BigInt, key: String as Text } -> (BigInt, BigInt, BigInt),
    "SELECT booking_id, event_id, seats FROM idempotency_keys WHERE user_id = ? AND key = ?"
);

prepared!(
    /// By primary key.
    FindUser { user_id: i64 as BigInt } -> (BigInt,),
    "SELECT id FROM users WHERE id = ?"
);

prepared!(
    /// The facts of the decision on a sale.
    SaleFacts { event_id: i64 as BigInt } -> (BigInt, BigInt),
    "SELECT seats_available, start_at FROM events WHERE id = ? AND deleted_at IS NULL"
);

prepared!(
    /// Takes the seats; no row if there are fewer, which the rule has ruled out.
    SellSeats {
        seats: i64 as BigInt,
        now: i64 as BigInt,
        event_id: i64 as BigInt,
        least: i64 as BigInt,
    } -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available - ?, version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL AND seats_available >= ?"
);

prepared!(
    /// Writes the booking.
    InsertBooking {
        user_id: i64 as BigInt,
        event_id: i64 as BigInt,
        seats: i64 as BigInt,
        created_at: i64 as BigInt,
        updated_at: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO bookings (user_id, event_id, seats, status, created_at, updated_at)
     VALUES (?, ?, ?, 'CONFIRMED', ?, ?)
     RETURNING id"
);

prepared!(
    /// Binds a key to the booking that it has made.
    BindKey {
        user_id: i64 as BigInt,
        key: String as Text,
        booking_id: i64 as BigInt,
        event_id: i64 as BigInt,
        seats: i64 as BigInt,
        created_at: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats, created_at)
     VALUES (?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// One more or one fewer confirmed booking of the event. An event that
    /// somebody inserted by hand has no row of figures before its first booking,
    /// and a booking inserted by hand was never counted.
    CountBookings { event_id: i64 as BigInt, first: i64 as BigInt, bookings: i64 as BigInt }
        -> (BigInt,),
    "INSERT INTO event_sales (event_id, confirmed_bookings) VALUES (?, max(?, 0))
     ON CONFLICT (event_id)
     DO UPDATE SET confirmed_bookings = max(event_sales.confirmed_bookings + ?, 0)"
);

prepared!(
    /// The facts of the decision on a cancellation.
    CancelFacts { booking_id: i64 as BigInt } -> (BigInt, Text, BigInt, Bool),
    "SELECT b.event_id, b.status, b.seats, e.deleted_at IS NOT NULL
     FROM bookings b JOIN events e ON e.id = b.event_id
     WHERE b.id = ?"
);

prepared!(
    /// Marks the booking; no row if it was marked before, which the rule has
    /// ruled out.
    MarkCancelled { now: i64 as BigInt, booking_id: i64 as BigInt } -> (BigInt,),
    "UPDATE bookings SET status = 'CANCELLED', updated_at = ?
     WHERE id = ? AND status = 'CONFIRMED'"
);

prepared!(
    /// Gives the seats back.
    ReturnSeats { seats: i64 as BigInt, now: i64 as BigInt, event_id: i64 as BigInt } -> (BigInt,),
    "UPDATE events
     SET seats_available = seats_available + ?, version = version + 1, updated_at = ?
     WHERE id = ? AND deleted_at IS NULL"
);

#[async_trait]
impl BookingStore for SqliteBookingStore {
    async fn book(&self, command: BookSeats) -> Result<Booked, BookError> {
        self.0
            .write(move |connection| book(connection, &command))
            .await
    }

    async fn cancel(&self, booking_id: BookingId) -> Result<Cancelled, CancelError> {
        self.0
            .write(move |connection| cancel(connection, booking_id))
            .await
    }
}

/// The key comes first: a bound one answers whatever became of the rest.
fn book(connection: &mut SqliteConnection, command: &BookSeats) -> Result<Booked, BookError> {
    if let Some(key) = &command.idempotency_key
        && let Some(first) = find_key(connection, command, key)?
    {
        return Ok(rules::replay(&first, command)?);
    }
    let (mut event, user_exists) = read_facts(connection, command)?;
    let request = SeatRequest {
        user_exists,
        seats: command.seats,
    };
    let seats = rules::allot(event.as_mut(), &request)
        .map_err(|refusal| BookError::refused(refusal, command))?;
    let now = event.map_or_else(clock::now, |event| event.now);
    Ok(sell(connection, command, seats, clock::micros(now))?)
}

fn find_key(
    connection: &mut SqliteConnection,
    command: &BookSeats,
    key: &IdempotencyKey,
) -> Result<Option<KeyedBooking>, StoreError> {
    let query = FindKey {
        user_id: command.user_id.get(),
        key: key.as_str().to_owned(),
    };
    let row: Option<KeyRow> = at_most_one(connection, query).map_err(before_commit)?;
    row.map(rows::one).transpose()
}

fn read_facts(
    connection: &mut SqliteConnection,
    command: &BookSeats,
) -> Result<(Option<EventFacts>, bool), StoreError> {
    let sale = SaleFacts {
        event_id: command.event_id.get(),
    };
    let user = FindUser {
        user_id: command.user_id.get(),
    };
    let sale: Option<(i64, i64)> = at_most_one(connection, sale).map_err(before_commit)?;
    let user: Option<(i64,)> = at_most_one(connection, user).map_err(before_commit)?;
    let event = sale.map(|(seats_available, start_at)| {
        Ok(EventFacts {
            start_at: clock::from_micros(start_at).map_err(stored)?,
            seats_available: Capacity::try_new(seats_available).map_err(stored)?,
            now: clock::now(),
        })
    });
    Ok((event.transpose()?, user.is_some()))
}

fn sell(
    connection: &mut SqliteConnection,
    command: &BookSeats,
    seats: SeatCount,
    now: i64,
) -> Result<Booked, StoreError> {
    let (user_id, event_id) = (command.user_id.get(), command.event_id.get());
    let seats_column = i64::from(seats.get());
    let sell = SellSeats {
        seats: seats_column,
        now,
        event_id,
        least: seats_column,
    };
    let insert = InsertBooking {
        user_id,
        event_id,
        seats: seats_column,
        created_at: now,
        updated_at: now,
    };
    let sold = sell.execute(connection).map_err(before_commit)?;
    let (booking_id,): (i64,) = exactly_one(connection, insert).map_err(before_commit)?;
    if let Some(key) = &command.idempotency_key {
        let bind = BindKey {
            user_id,
            key: key.as_str().to_owned(),
            booking_id,
            event_id,
            seats: seats_column,
            created_at: now,
        };
        bind.execute(connection).map_err(before_commit)?;
    }
    let counted = count(connection, event_id, 1).map_err(before_commit)?;
    if (sold, counted) != (1, (1, 1)) {
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

/// Adds to the event's figure and to the total; how many rows each had.
fn count(
    connection: &mut SqliteConnection,
    event_id: i64,
    bookings: i64,
) -> QueryResult<(usize, usize)> {
    let of_event = CountBookings {
        event_id,
        first: bookings,
        bookings,
    };
    let of_all = AddToTotal { bookings };
    Ok((of_event.execute(connection)?, of_all.execute(connection)?))
}

fn cancel(
    connection: &mut SqliteConnection,
    booking_id: BookingId,
) -> Result<Cancelled, CancelError> {
    let id = booking_id.get();
    let facts: Option<(i64, String, i64, bool)> =
        at_most_one(connection, CancelFacts { booking_id: id }).map_err(before_commit)?;
    let (event_id, status, seats, event_deleted) =
        facts.ok_or(CancelError::BookingNotFound(booking_id))?;
    let status = BookingStatus::parse(&status).map_err(stored)?;
    let seats = SeatCount::try_new(seats).map_err(stored)?;
    let seats_returned = match rules::cancel(status, seats, event_deleted) {
        Cancellation::AlreadyCancelled => None,
        Cancellation::Release(seats) => {
            give_back(connection, id, event_id, seats)?;
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

fn give_back(
    connection: &mut SqliteConnection,
    booking_id: i64,
    event_id: i64,
    seats: SeatCount,
) -> Result<(), StoreError> {
    let now = clock::micros(clock::now());
    let mark = MarkCancelled { now, booking_id };
    let give = ReturnSeats {
        seats: seats.get().into(),
        now,
        event_id,
    };
    let marked = mark.execute(connection).map_err(before_commit)?;
    let given = give.execute(connection).map_err(before_commit)?;
    let counted = count(connection, event_id, -1).map_err(before_commit)?;
    if (marked, given, counted) != (1, 1, (1, 1)) {
        return Err(defect(format!(
            "cancelling booking {booking_id} changed other rows"
        )));
    }
    Ok(())
}

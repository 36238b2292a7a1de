//! Reading bookings from PostgreSQL. Bookings of a deleted event read as
//! cancelled from the instant of the deletion, marked or not.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::model::{
    AttendedBooking, Booking, BookingId, EventId, Listing, Page, Timeline, UserId,
};
use domain::ports::{BookingRecords, EventBookingsError, FindBookingError, HistoryError};
use futures::FutureExt;

use crate::one_row::OneRow;
use crate::prepared::prepared;
use crate::rows::{self, AttendedBookingRow, BookingRow};

use super::NEWEST;
use super::users::UserExists;

super::store!(
    /// [`BookingRecords`] on PostgreSQL.
    PgBookingRecords
);

prepared!(
    /// By primary key.
    FindBooking { booking_id: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, Integer, Text, Timestamptz),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at
     FROM bookings b JOIN events e ON e.id = b.event_id
     WHERE b.id = ?"
);

prepared!(
    /// Walks `bookings_of_user`.
    BookingsOfUser {
        user_id: i64 as BigInt,
        at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, Integer, Text, Timestamptz),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at
     FROM bookings b JOIN events e ON e.id = b.event_id
     WHERE b.user_id = ? AND (b.created_at, b.id) < (?, ?)
     ORDER BY b.created_at DESC, b.id DESC LIMIT ?"
);

prepared!(
    /// Walks `bookings_of_event`.
    BookingsOfEvent {
        event_id: i64 as BigInt,
        at: DateTime<Utc> as Timestamptz,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, Integer, Text, Timestamptz, Text, Nullable<Text>),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at,
            u.email, u.name
     FROM bookings b JOIN events e ON e.id = b.event_id JOIN users u ON u.id = b.user_id
     WHERE b.event_id = ? AND (b.created_at, b.id) < (?, ?)
     ORDER BY b.created_at DESC, b.id DESC LIMIT ?"
);

prepared!(
    /// By primary key; deleted events exist.
    EventExisted { event_id: i64 as BigInt } -> (Bool,),
    "SELECT EXISTS (SELECT FROM events WHERE id = ?)"
);

#[async_trait]
impl BookingRecords for PgBookingRecords {
    async fn find(&self, booking_id: BookingId) -> Result<Booking, FindBookingError> {
        let query = FindBooking {
            booking_id: booking_id.get(),
        };
        let row: Option<BookingRow> = self
            .0
            .read(move |connection| {
                async move { query.one_row(connection).await.optional() }.boxed()
            })
            .await?;
        let row = row.ok_or(FindBookingError::BookingNotFound(booking_id))?;
        Ok(rows::one(row)?)
    }

    async fn of_user(
        &self,
        user_id: UserId,
        page: Page<Timeline>,
    ) -> Result<Listing<Booking>, HistoryError> {
        let Timeline { at, id } = page.after.unwrap_or(NEWEST);
        let rows_max = page.limit.get() as i64 + 1;
        let list = BookingsOfUser {
            user_id: user_id.get(),
            at,
            id,
            rows_max,
        };
        let exists = UserExists {
            user_id: user_id.get(),
        };
        let (found, (exists,)): (Vec<BookingRow>, (bool,)) = self
            .0
            .read(move |connection| {
                async move {
                    let connection: &AsyncPgConnection = connection;
                    futures::try_join!(
                        list.load(&mut &*connection),
                        exists.one_row(&mut &*connection),
                    )
                }
                .boxed()
            })
            .await?;
        if !exists {
            return Err(HistoryError::UserNotFound(user_id));
        }
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn of_event(
        &self,
        event_id: EventId,
        page: Page<Timeline>,
    ) -> Result<Listing<AttendedBooking>, EventBookingsError> {
        let Timeline { at, id } = page.after.unwrap_or(NEWEST);
        let rows_max = page.limit.get() as i64 + 1;
        let list = BookingsOfEvent {
            event_id: event_id.get(),
            at,
            id,
            rows_max,
        };
        let existed = EventExisted {
            event_id: event_id.get(),
        };
        let (found, (existed,)): (Vec<AttendedBookingRow>, (bool,)) = self
            .0
            .read(move |connection| {
                async move {
                    let connection: &AsyncPgConnection = connection;
                    futures::try_join!(
                        list.load(&mut &*connection),
                        existed.one_row(&mut &*connection),
                    )
                }
                .boxed()
            })
            .await?;
        if !existed {
            return Err(EventBookingsError::EventNotFound(event_id));
        }
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }
}

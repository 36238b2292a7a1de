//! Reading bookings from SQLite. Bookings of a deleted event read as cancelled
//! from the instant of the deletion, marked or not.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::model::{
    AttendedBooking, Booking, BookingId, EventId, Listing, Page, Timeline, UserId,
};
use domain::ports::{BookingRecords, EventBookingsError, FindBookingError, HistoryError};

use crate::clock::Place;
use crate::prepared::{at_most_one, prepared};
use crate::rows::{self, AttendedBookingRow, BookingRow};

use super::bookings::FindUser;

super::store!(
    /// [`BookingRecords`] on SQLite.
    SqliteBookingRecords
);

prepared!(
    /// By primary key.
    FindBooking { booking_id: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, BigInt, Text, BigInt),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at
     FROM bookings b JOIN events e ON e.id = b.event_id
     WHERE b.id = ?"
);

prepared!(
    /// Walks `bookings_of_user`.
    BookingsOfUser {
        user_id: i64 as BigInt,
        at: i64 as BigInt,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, BigInt, Text, BigInt),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at
     FROM bookings b JOIN events e ON e.id = b.event_id
     WHERE b.user_id = ? AND (b.created_at, b.id) < (?, ? COLLATE BINARY)
     ORDER BY b.created_at DESC, b.id DESC LIMIT ?"
);

prepared!(
    /// Walks `bookings_of_event`.
    BookingsOfEvent {
        event_id: i64 as BigInt,
        at: i64 as BigInt,
        id: i64 as BigInt,
        rows_max: i64 as BigInt,
    } -> (BigInt, BigInt, BigInt, BigInt, Text, BigInt, Text, Nullable<Text>),
    "SELECT b.id, b.user_id, b.event_id, b.seats,
            CASE WHEN e.deleted_at IS NULL THEN b.status ELSE 'CANCELLED' END, b.created_at,
            u.email, u.name
     FROM bookings b JOIN events e ON e.id = b.event_id JOIN users u ON u.id = b.user_id
     WHERE b.event_id = ? AND (b.created_at, b.id) < (?, ? COLLATE BINARY)
     ORDER BY b.created_at DESC, b.id DESC LIMIT ?"
);

prepared!(
    /// By primary key; deleted events exist.
    FindEverEvent { event_id: i64 as BigInt } -> (BigInt,),
    "SELECT id FROM events WHERE id = ?"
);

#[async_trait]
impl BookingRecords for SqliteBookingRecords {
    async fn find(&self, booking_id: BookingId) -> Result<Booking, FindBookingError> {
        let query = FindBooking {
            booking_id: booking_id.get(),
        };
        let row: Option<BookingRow> = self
            .0
            .read(move |connection| at_most_one(connection, query))
            .await?;
        let row = row.ok_or(FindBookingError::BookingNotFound(booking_id))?;
        Ok(rows::one(row)?)
    }

    async fn of_user(
        &self,
        user_id: UserId,
        page: Page<Timeline>,
    ) -> Result<Listing<Booking>, HistoryError> {
        let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
        let list = BookingsOfUser {
            user_id: user_id.get(),
            at,
            id,
            rows_max: super::one_more(page.limit),
        };
        let user = FindUser {
            user_id: user_id.get(),
        };
        let (user, found): (Option<(i64,)>, Vec<BookingRow>) = self
            .0
            .read(move |connection| Ok((at_most_one(connection, user)?, list.load(connection)?)))
            .await?;
        if user.is_none() {
            return Err(HistoryError::UserNotFound(user_id));
        }
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }

    async fn of_event(
        &self,
        event_id: EventId,
        page: Page<Timeline>,
    ) -> Result<Listing<AttendedBooking>, EventBookingsError> {
        let Place { at, id } = page.after.map_or(Place::NEWEST, Place::from);
        let list = BookingsOfEvent {
            event_id: event_id.get(),
            at,
            id,
            rows_max: super::one_more(page.limit),
        };
        let event = FindEverEvent {
            event_id: event_id.get(),
        };
        let (event, found): (Option<(i64,)>, Vec<AttendedBookingRow>) = self
            .0
            .read(move |connection| Ok((at_most_one(connection, event)?, list.load(connection)?)))
            .await?;
        if event.is_none() {
            return Err(EventBookingsError::EventNotFound(event_id));
        }
        Ok(Listing::from_one_more(rows::all(found)?, page.limit))
    }
}

//! The tables as an archive reads and fills them.

mod accounts;

pub(super) use accounts::{
    ApiKeysBehind, ArchivedApiKeyRow, ArchivedUserRow, AuditBehind, InsertApiKeys, InsertAudit,
    InsertUsers, UsersBehind,
};

use chrono::{DateTime, Utc};
use diesel::Queryable;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use domain::model::{
    Booking, BookingId, BookingRecord, BookingStatus, Capacity, Event, EventId, EventName,
    EventRecord, IdempotencyKey, Invalid, KeyRecord, KeyedBooking, PublishEvent, SeatCount, UserId,
    Venue,
};

use crate::prepared::prepared;

prepared!(
    /// Walks the primary key; deleted events exist.
    EventsBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Text, Nullable<Text>, Timestamptz, Integer, Integer,
        BigInt, Timestamptz, Timestamptz, Nullable<Timestamptz>, Nullable<Timestamptz>,
    ),
    "SELECT id, name, venue, start_at, capacity, seats_available,
            version, created_at, updated_at, deleted_at, sales_paused_at
     FROM events WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key. The status is the one that is stored.
    BookingsBehind { id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, Integer, Text, Timestamptz, Timestamptz),
    "SELECT id, user_id, event_id, seats, status, created_at, updated_at
     FROM bookings WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key, in the order that the database has for text.
    KeysBehind { user_id: i64 as BigInt, key: String as Text, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, BigInt, Integer, Timestamptz),
    "SELECT user_id, key, booking_id, event_id, seats, created_at
     FROM idempotency_keys WHERE (user_id, key) > (?, ?) ORDER BY user_id, key LIMIT ?"
);

#[derive(Queryable)]
pub(super) struct ArchivedEventRow {
    id: i64,
    name: String,
    venue: Option<String>,
    start_at: DateTime<Utc>,
    capacity: i32,
    seats_available: i32,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    sales_paused_at: Option<DateTime<Utc>>,
}

impl TryFrom<ArchivedEventRow> for EventRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedEventRow) -> Result<Self, Invalid> {
        let details = PublishEvent {
            name: EventName::parse(&row.name)?,
            venue: row.venue.as_deref().map(Venue::parse).transpose()?,
            start_at: row.start_at,
            capacity: Capacity::try_new(row.capacity.into())?,
        };
        let seats_available = Capacity::try_new(row.seats_available.into())?;
        Ok(Self {
            event: Event::try_new(EventId::try_new(row.id)?, details, seats_available)?,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            sales_paused_at: row.sales_paused_at,
        })
    }
}

#[derive(Queryable)]
pub(super) struct ArchivedBookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i32,
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ArchivedBookingRow> for BookingRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedBookingRow) -> Result<Self, Invalid> {
        Ok(Self {
            booking: Booking {
                id: BookingId::try_new(row.id)?,
                user_id: UserId::try_new(row.user_id)?,
                event_id: EventId::try_new(row.event_id)?,
                seats: SeatCount::try_new(row.seats.into())?,
                status: BookingStatus::parse(&row.status)?,
                created_at: row.created_at,
            },
            updated_at: row.updated_at,
        })
    }
}

#[derive(Queryable)]
pub(super) struct ArchivedKeyRow {
    user_id: i64,
    key: String,
    booking_id: i64,
    event_id: i64,
    seats: i32,
    created_at: DateTime<Utc>,
}

impl TryFrom<ArchivedKeyRow> for KeyRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedKeyRow) -> Result<Self, Invalid> {
        Ok(Self {
            user_id: UserId::try_new(row.user_id)?,
            key: IdempotencyKey::parse(&row.key)?,
            first: KeyedBooking {
                booking_id: BookingId::try_new(row.booking_id)?,
                event_id: EventId::try_new(row.event_id)?,
                seats: SeatCount::try_new(row.seats.into())?,
            },
            created_at: row.created_at,
        })
    }
}

prepared!(
    /// One array for each column.
    #[derive(Default)]
    InsertEvents {
        ids: Vec<i64> as Array<BigInt>,
        names: Vec<String> as Array<Text>,
        venues: Vec<Option<String>> as Array<Nullable<Text>>,
        start_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        capacities: Vec<i32> as Array<Integer>,
        seats_available: Vec<i32> as Array<Integer>,
        versions: Vec<i64> as Array<BigInt>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        updated_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        deleted_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        sales_paused_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
    } -> (BigInt,),
    "INSERT INTO events (id, name, venue, start_at, capacity, seats_available,
                         version, created_at, updated_at, deleted_at, sales_paused_at)
     SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// One array for each column.
    #[derive(Default)]
    InsertBookings {
        ids: Vec<i64> as Array<BigInt>,
        user_ids: Vec<i64> as Array<BigInt>,
        event_ids: Vec<i64> as Array<BigInt>,
        seats: Vec<i32> as Array<Integer>,
        statuses: Vec<&'static str> as Array<Text>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        updated_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
    } -> (BigInt,),
    "INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
     SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// One array for each column.
    #[derive(Default)]
    InsertKeys {
        user_ids: Vec<i64> as Array<BigInt>,
        keys: Vec<String> as Array<Text>,
        booking_ids: Vec<i64> as Array<BigInt>,
        event_ids: Vec<i64> as Array<BigInt>,
        seats: Vec<i32> as Array<Integer>,
        created_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
    } -> (BigInt,),
    "INSERT INTO idempotency_keys (user_id, key, booking_id, event_id, seats, created_at)
     SELECT * FROM unnest(?, ?, ?, ?, ?, ?)"
);

impl InsertEvents {
    /// The seats left are written as they came: the archive is only committed
    /// if they are what the bookings leave.
    pub(super) fn push(&mut self, record: &EventRecord) {
        let event = &record.event;
        self.ids.push(event.id().get());
        self.names.push(event.name().as_str().to_owned());
        self.venues
            .push(event.venue().map(|venue| venue.as_str().to_owned()));
        self.start_at.push(event.start_at());
        self.capacities.push(seats(event.capacity().get()));
        self.seats_available
            .push(seats(event.seats_available().get()));
        self.versions.push(record.version);
        self.created_at.push(record.created_at);
        self.updated_at.push(record.updated_at);
        self.deleted_at.push(record.deleted_at);
        self.sales_paused_at.push(record.sales_paused_at);
    }
}

impl InsertBookings {
    pub(super) fn push(&mut self, record: &BookingRecord) {
        let booking = &record.booking;
        self.ids.push(booking.id.get());
        self.user_ids.push(booking.user_id.get());
        self.event_ids.push(booking.event_id.get());
        self.seats.push(seats(booking.seats.get()));
        self.statuses.push(booking.status.as_str());
        self.created_at.push(booking.created_at);
        self.updated_at.push(record.updated_at);
    }
}

impl InsertKeys {
    pub(super) fn push(&mut self, record: &KeyRecord) {
        self.user_ids.push(record.user_id.get());
        self.keys.push(record.key.as_str().to_owned());
        self.booking_ids.push(record.first.booking_id.get());
        self.event_ids.push(record.first.event_id.get());
        self.seats.push(seats(record.first.seats.get()));
        self.created_at.push(record.created_at);
    }
}

/// The model's numbers of seats end where the column's do.
fn seats(seats: u32) -> i32 {
    i32::try_from(seats).expect("the model allows no more than an i32 holds")
}

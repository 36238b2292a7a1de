//! The tables as an archive reads and fills them.

mod accounts;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use domain::model::{
    Booking, BookingId, BookingRecord, BookingStatus, Capacity, Event, EventId, EventName,
    EventRecord, IdempotencyKey, Invalid, KeyRecord, KeyedBooking, PublishEvent, Record, SeatCount,
    UserId, Venue,
};

use crate::clock::{from_micros, micros};
use crate::prepared::prepared;

pub(super) use accounts::{
    ApiKeysBehind, ArchivedApiKeyRow, ArchivedUserRow, AuditBehind, UsersBehind,
};
use accounts::{PutApiKey, PutAudit, PutUser};

prepared!(
    /// Walks the primary key; deleted events exist.
    EventsBehind { id: i64 as BigInt, rows_max: i64 as BigInt } -> (
        BigInt, Text, Nullable<Text>, BigInt, BigInt, BigInt,
        BigInt, BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>,
    ),
    "SELECT id, name, venue, start_at, capacity, seats_available,
            version, created_at, updated_at, deleted_at, sales_paused_at
     FROM events WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key. The status is the one that is stored.
    BookingsBehind { id: i64 as BigInt, rows_max: i64 as BigInt }
        -> (BigInt, BigInt, BigInt, BigInt, Text, BigInt, BigInt),
    "SELECT id, user_id, event_id, seats, status, created_at, updated_at
     FROM bookings WHERE id > ? ORDER BY id LIMIT ?"
);

prepared!(
    /// Walks the primary key.
    KeysBehind { user_id: i64 as BigInt, key: String as Text, rows_max: i64 as BigInt }
        -> (BigInt, Text, BigInt, BigInt, BigInt, BigInt),
    "SELECT user_id, key, booking_id, event_id, seats, created_at
     FROM idempotency_keys WHERE (user_id, key) > (?, ?) ORDER BY user_id, key LIMIT ?"
);

#[derive(Queryable)]
pub(super) struct ArchivedEventRow {
    id: i64,
    name: String,
    venue: Option<String>,
    start_at: i64,
    capacity: i64,
    seats_available: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
    sales_paused_at: Option<i64>,
}

impl TryFrom<ArchivedEventRow> for EventRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedEventRow) -> Result<Self, Invalid> {
        let details = PublishEvent {
            name: EventName::parse(&row.name)?,
            venue: row.venue.as_deref().map(Venue::parse).transpose()?,
            start_at: from_micros(row.start_at)?,
            capacity: Capacity::try_new(row.capacity)?,
        };
        let seats_available = Capacity::try_new(row.seats_available)?;
        Ok(Self {
            event: Event::try_new(EventId::try_new(row.id)?, details, seats_available)?,
            version: row.version,
            created_at: from_micros(row.created_at)?,
            updated_at: from_micros(row.updated_at)?,
            deleted_at: row.deleted_at.map(from_micros).transpose()?,
            sales_paused_at: row.sales_paused_at.map(from_micros).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(super) struct ArchivedBookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i64,
    status: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<ArchivedBookingRow> for BookingRecord {
    type Error = Invalid;

    fn try_from(row: ArchivedBookingRow) -> Result<Self, Invalid> {
        Ok(Self {
            booking: Booking {
                id: BookingId::try_new(row.id)?,
                user_id: UserId::try_new(row.user_id)?,
                event_id: EventId::try_new(row.event_id)?,
                seats: SeatCount::try_new(row.seats)?,
                status: BookingStatus::parse(&row.status)?,
                created_at: from_micros(row.created_at)?,
            },
            updated_at: from_micros(row.updated_at)?,
        })
    }
}

#[derive(Queryable)]
pub(super) struct ArchivedKeyRow {
    user_id: i64,
    key: String,
    booking_id: i64,
    event_id: i64,
    seats: i64,
    created_at: i64,
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
                seats: SeatCount::try_new(row.seats)?,
            },
            created_at: from_micros(row.created_at)?,
        })
    }
}

prepared!(
    /// With its id. The seats left are written as they came: the archive is only
    /// committed if they are what the bookings leave.
    PutEvent {
        id: i64 as BigInt,
        name: String as Text,
        venue: Option<String> as Nullable<Text>,
        start_at: i64 as BigInt,
        capacity: i64 as BigInt,
        seats_available: i64 as BigInt,
        version: i64 as BigInt,
        created_at: i64 as BigInt,
        updated_at: i64 as BigInt,
        deleted_at: Option<i64> as Nullable<BigInt>,
        sales_paused_at: Option<i64> as Nullable<BigInt>,
    } -> (BigInt,),
    "INSERT INTO events (id, name, venue, start_at, capacity, seats_available,
                         version, created_at, updated_at, deleted_at, sales_paused_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// With its id.
    PutBooking {
        id: i64 as BigInt,
        user_id: i64 as BigInt,
        event_id: i64 as BigInt,
        seats: i64 as BigInt,
        status: &'static str as Text,
        created_at: i64 as BigInt,
        updated_at: i64 as BigInt,
    } -> (BigInt,),
    "INSERT INTO bookings (id, user_id, event_id, seats, status, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)"
);

prepared!(
    /// Under its user.
    PutKey {
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

/// Writes one record. Returns how many rows that made.
pub(super) fn insert(connection: &mut SqliteConnection, record: Record) -> QueryResult<usize> {
    match record {
        Record::User(record) => PutUser::from(record).execute(connection),
        Record::Event(record) => put_event(&record).execute(connection),
        Record::Booking(BookingRecord {
            booking,
            updated_at,
        }) => PutBooking {
            id: booking.id.get(),
            user_id: booking.user_id.get(),
            event_id: booking.event_id.get(),
            seats: booking.seats.get().into(),
            status: booking.status.as_str(),
            created_at: micros(booking.created_at),
            updated_at: micros(updated_at),
        }
        .execute(connection),
        Record::Key(record) => PutKey {
            user_id: record.user_id.get(),
            key: record.key.as_str().to_owned(),
            booking_id: record.first.booking_id.get(),
            event_id: record.first.event_id.get(),
            seats: record.first.seats.get().into(),
            created_at: micros(record.created_at),
        }
        .execute(connection),
        Record::ApiKey(record) => PutApiKey::from(record).execute(connection),
        Record::Audit(record) => PutAudit::from(record).execute(connection),
    }
}

fn put_event(record: &EventRecord) -> PutEvent {
    let event = &record.event;
    PutEvent {
        id: event.id().get(),
        name: event.name().as_str().to_owned(),
        venue: event.venue().map(|venue| venue.as_str().to_owned()),
        start_at: micros(event.start_at()),
        capacity: event.capacity().get().into(),
        seats_available: event.seats_available().get().into(),
        version: record.version,
        created_at: micros(record.created_at),
        updated_at: micros(record.updated_at),
        deleted_at: record.deleted_at.map(micros),
        sales_paused_at: record.sales_paused_at.map(micros),
    }
}

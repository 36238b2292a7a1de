//! Rows as SQLite returns them, and the domain's values that they stand for.
//! All integers are read as 64 bits wide, as SQLite holds them: the model, not
//! a conversion that cuts them short, says which of them are legal.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use domain::model::{
    Account, Actor, ApiKey, ApiKeyId, ApiKeyName, AttendedBooking, AuditEntry, AuditId,
    AuditObject, AuditRecord, Booking, BookingId, BookingStatus, Capacity, ConfirmedSums, Deletion,
    Email, Event, EventFigures, EventId, EventName, EventSales, EventSeats, Invalid, KeyFault,
    KeyFaultKind, KeyPlace, KeyedBooking, PausedEvent, PublishEvent, Scope, Scopes, SeatCount,
    Session, SessionId, User, UserId, UserName, Venue,
};
use domain::ports::StoreError;

use crate::clock::from_micros;
use crate::error::{defect, stored};

/// Turns rows into values. A row that the model does not allow is a defect:
/// only this program and its migrations write to the tables.
pub(crate) fn all<T, R>(rows: Vec<R>) -> Result<Vec<T>, StoreError>
where
    T: TryFrom<R, Error = Invalid>,
{
    rows.into_iter().map(one).collect()
}

/// As [`all`], for one row.
pub(crate) fn one<T, R>(row: R) -> Result<T, StoreError>
where
    T: TryFrom<R, Error = Invalid>,
{
    T::try_from(row).map_err(|invalid| {
        let kind = std::any::type_name::<T>();
        defect(format!("a stored {kind} has a value that {invalid}"))
    })
}

#[derive(Queryable)]
pub(crate) struct UserRow {
    id: i64,
    email: String,
    name: Option<String>,
    created_at: i64,
}

impl TryFrom<UserRow> for User {
    type Error = Invalid;

    fn try_from(row: UserRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: UserId::try_new(row.id)?,
            email: Email::parse(&row.email)?,
            name: row.name.as_deref().map(UserName::parse).transpose()?,
            created_at: from_micros(row.created_at)?,
        })
    }
}

#[derive(Queryable, QueryableByName)]
pub(crate) struct AccountRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Bool)]
    has_password: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    suspended_at: Option<i64>,
}

impl TryFrom<AccountRow> for Account {
    type Error = Invalid;

    fn try_from(row: AccountRow) -> Result<Self, Invalid> {
        let user = UserRow {
            id: row.id,
            email: row.email,
            name: row.name,
            created_at: row.created_at,
        };
        Ok(Self {
            user: User::try_from(user)?,
            has_password: row.has_password,
            suspended_at: row.suspended_at.map(from_micros).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct SessionRow {
    id: i64,
    user_id: i64,
    access_until: i64,
    refresh_until: i64,
}

impl TryFrom<SessionRow> for Session {
    type Error = Invalid;

    fn try_from(row: SessionRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: SessionId::try_new(row.id)?,
            user_id: UserId::try_new(row.user_id)?,
            access_until: from_micros(row.access_until)?,
            refresh_until: from_micros(row.refresh_until)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct ApiKeyRow {
    id: i64,
    name: String,
    scopes: String,
    created_at: i64,
    rotated_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = Invalid;

    fn try_from(row: ApiKeyRow) -> Result<Self, Invalid> {
        let scopes: Result<_, _> = row.scopes.split(' ').map(Scope::parse).collect();
        Ok(Self {
            id: ApiKeyId::try_new(row.id)?,
            name: ApiKeyName::parse(&row.name)?,
            scopes: Scopes::try_new(scopes?)?,
            created_at: from_micros(row.created_at)?,
            rotated_at: row.rotated_at.map(from_micros).transpose()?,
            last_used_at: row.last_used_at.map(from_micros).transpose()?,
            revoked_at: row.revoked_at.map(from_micros).transpose()?,
        })
    }
}

#[derive(Queryable, QueryableByName)]
pub(crate) struct AuditRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Text)]
    actor_kind: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    actor_id: Option<i64>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Nullable<Text>)]
    object_kind: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    object_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    refused: Option<String>,
    #[diesel(sql_type = Text)]
    request_id: String,
}

impl TryFrom<AuditRow> for AuditRecord {
    type Error = Invalid;

    fn try_from(row: AuditRow) -> Result<Self, Invalid> {
        let object = row.object_kind.zip(row.object_id);
        let entry = AuditEntry {
            actor: Actor::from_parts(&row.actor_kind, row.actor_id)?,
            action: row.action,
            object: object.map(|(kind, id)| AuditObject { kind, id }),
            refused: row.refused,
            request_id: row.request_id,
        };
        Ok(Self {
            id: AuditId::try_new(row.id)?,
            at: from_micros(row.at)?,
            entry,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct EventRow {
    id: i64,
    name: String,
    venue: Option<String>,
    start_at: i64,
    capacity: i64,
    seats_available: i64,
}

impl TryFrom<EventRow> for Event {
    type Error = Invalid;

    fn try_from(row: EventRow) -> Result<Self, Invalid> {
        let details = PublishEvent {
            name: EventName::parse(&row.name)?,
            venue: row.venue.as_deref().map(Venue::parse).transpose()?,
            start_at: from_micros(row.start_at)?,
            capacity: Capacity::try_new(row.capacity)?,
        };
        let seats_available = Capacity::try_new(row.seats_available)?;
        Event::try_new(EventId::try_new(row.id)?, details, seats_available)
    }
}

#[derive(Queryable)]
pub(crate) struct EventSeatsRow {
    id: i64,
    seats_available: i64,
    start_at: i64,
}

impl TryFrom<EventSeatsRow> for EventSeats {
    type Error = Invalid;

    fn try_from(row: EventSeatsRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            seats_available: Capacity::try_new(row.seats_available)?,
            start_at: from_micros(row.start_at)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct PausedEventRow {
    id: i64,
    name: String,
    paused_at: i64,
}

impl TryFrom<PausedEventRow> for PausedEvent {
    type Error = Invalid;

    fn try_from(row: PausedEventRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            name: EventName::parse(&row.name)?,
            paused_at: from_micros(row.paused_at)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct BookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i64,
    status: String,
    created_at: i64,
}

impl TryFrom<BookingRow> for Booking {
    type Error = Invalid;

    fn try_from(row: BookingRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: BookingId::try_new(row.id)?,
            user_id: UserId::try_new(row.user_id)?,
            event_id: EventId::try_new(row.event_id)?,
            seats: SeatCount::try_new(row.seats)?,
            status: BookingStatus::parse(&row.status)?,
            created_at: from_micros(row.created_at)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct AttendedBookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i64,
    status: String,
    created_at: i64,
    user_email: String,
    user_name: Option<String>,
}

impl TryFrom<AttendedBookingRow> for AttendedBooking {
    type Error = Invalid;

    fn try_from(row: AttendedBookingRow) -> Result<Self, Invalid> {
        let booking = BookingRow {
            id: row.id,
            user_id: row.user_id,
            event_id: row.event_id,
            seats: row.seats,
            status: row.status,
            created_at: row.created_at,
        };
        Ok(Self {
            booking: Booking::try_from(booking)?,
            user_email: Email::parse(&row.user_email)?,
            user_name: row.user_name.as_deref().map(UserName::parse).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct KeyRow {
    booking_id: i64,
    event_id: i64,
    seats: i64,
}

impl TryFrom<KeyRow> for KeyedBooking {
    type Error = Invalid;

    fn try_from(row: KeyRow) -> Result<Self, Invalid> {
        Ok(Self {
            booking_id: BookingId::try_new(row.booking_id)?,
            event_id: EventId::try_new(row.event_id)?,
            seats: SeatCount::try_new(row.seats)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct EventSalesRow {
    event_id: i64,
    name: String,
    confirmed_bookings: i64,
    capacity: i64,
    seats_available: i64,
}

impl TryFrom<EventSalesRow> for EventSales {
    type Error = Invalid;

    fn try_from(row: EventSalesRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.event_id)?,
            name: EventName::parse(&row.name)?,
            confirmed_bookings: row.confirmed_bookings,
            capacity: Capacity::try_new(row.capacity)?,
            seats_available: Capacity::try_new(row.seats_available)?,
        })
    }
}

/// What is kept of an event, and what its bookings say.
pub(crate) struct EventFiguresRow {
    id: i64,
    start_at: i64,
    is_deleted: bool,
    is_being_marked: bool,
    capacity: i64,
    seats_available: i64,
    figure: Option<i64>,
    bookings: i64,
    confirmed_bookings: i64,
    confirmed_seats: i64,
}

impl EventFiguresRow {
    /// From the two statements that read it.
    pub(crate) fn new(
        (id, start_at, is_deleted, is_being_marked, capacity, seats_available, figure): (
            i64,
            i64,
            bool,
            bool,
            i64,
            i64,
            Option<i64>,
        ),
        (bookings, confirmed_bookings, confirmed_seats): (i64, i64, i64),
    ) -> Self {
        Self {
            id,
            start_at,
            is_deleted,
            is_being_marked,
            capacity,
            seats_available,
            figure,
            bookings,
            confirmed_bookings,
            confirmed_seats,
        }
    }
}

impl TryFrom<EventFiguresRow> for EventFigures {
    type Error = Invalid;

    fn try_from(row: EventFiguresRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            start_at: from_micros(row.start_at)?,
            deletion: Deletion::of(row.is_deleted, row.is_being_marked),
            capacity: Capacity::try_new(row.capacity)?,
            seats_available: Capacity::try_new(row.seats_available)?,
            confirmed_bookings: row.figure,
            bookings: row.bookings,
            confirmed: ConfirmedSums {
                bookings: row.confirmed_bookings,
                seats: row.confirmed_seats,
            },
        })
    }
}

/// An idempotency key beside the booking that it stands for.
#[derive(Queryable)]
pub(crate) struct CheckedKeyRow {
    user_id: i64,
    key: String,
    booking_id: i64,
    has_no_booking: bool,
    has_another_booking: bool,
}

impl CheckedKeyRow {
    /// Its place in the list of keys.
    pub(crate) fn place(&self) -> KeyPlace {
        KeyPlace {
            user_id: self.user_id,
            key: self.key.clone(),
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<Result<KeyFault, StoreError>> {
        let kind = KeyFaultKind::of(self.has_no_booking, self.has_another_booking)?;
        let fault = || {
            Ok(KeyFault {
                user_id: UserId::try_new(self.user_id)?,
                booking_id: BookingId::try_new(self.booking_id)?,
                kind,
            })
        };
        Some(fault().map_err(stored))
    }
}

//! Rows as PostgreSQL returns them, and the domain's values that they stand for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::model::{
    Account, Actor, ApiKey, ApiKeyId, ApiKeyName, AttendedBooking, AuditEntry, AuditId,
    AuditObject, AuditRecord, Booking, BookingId, BookingStatus, Capacity, ConfirmedSums,
    Credentials, Deletion, Email, Event, EventFigures, EventId, EventName, EventSales, EventSeats,
    Invalid, KeyFault, KeyFaultKind, KeyPlace, PasswordHash, PausedEvent, PublishEvent, Scope,
    Scopes, SeatCount, Session, SessionId, User, UserId, UserName, Venue,
};
use domain::ports::StoreError;

use crate::error::{defect, stored};
use crate::schema;

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

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::users, check_for_backend(diesel::pg::Pg))]
pub(crate) struct UserRow {
    id: i64,
    email: String,
    name: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<UserRow> for User {
    type Error = Invalid;

    fn try_from(row: UserRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: UserId::try_new(row.id)?,
            email: Email::parse(&row.email)?,
            name: row.name.as_deref().map(UserName::parse).transpose()?,
            created_at: row.created_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct AccountRow {
    id: i64,
    email: String,
    name: Option<String>,
    created_at: DateTime<Utc>,
    has_password: bool,
    suspended_at: Option<DateTime<Utc>>,
}

impl TryFrom<AccountRow> for Account {
    type Error = Invalid;

    fn try_from(row: AccountRow) -> Result<Self, Invalid> {
        let AccountRow {
            id,
            email,
            name,
            created_at,
            ..
        } = row;
        let user = UserRow {
            id,
            email,
            name,
            created_at,
        };
        Ok(Self {
            user: User::try_from(user)?,
            has_password: row.has_password,
            suspended_at: row.suspended_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct CredentialsRow {
    user_id: i64,
    password_hash: Option<String>,
}

impl TryFrom<CredentialsRow> for Credentials {
    type Error = Invalid;

    fn try_from(row: CredentialsRow) -> Result<Self, Invalid> {
        Ok(Self {
            user_id: UserId::try_new(row.user_id)?,
            password: row.password_hash.map(PasswordHash::from_phc),
        })
    }
}

#[derive(Queryable)]
pub(crate) struct SessionRow {
    id: i64,
    user_id: i64,
    access_until: DateTime<Utc>,
    refresh_until: DateTime<Utc>,
}

impl TryFrom<SessionRow> for Session {
    type Error = Invalid;

    fn try_from(row: SessionRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: SessionId::try_new(row.id)?,
            user_id: UserId::try_new(row.user_id)?,
            access_until: row.access_until,
            refresh_until: row.refresh_until,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct ApiKeyRow {
    id: i64,
    name: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    rotated_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = Invalid;

    fn try_from(row: ApiKeyRow) -> Result<Self, Invalid> {
        let scopes: Result<_, _> = row.scopes.iter().map(|text| Scope::parse(text)).collect();
        Ok(Self {
            id: ApiKeyId::try_new(row.id)?,
            name: ApiKeyName::parse(&row.name)?,
            scopes: Scopes::try_new(scopes?)?,
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct AuditRow {
    id: i64,
    at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<i64>,
    action: String,
    object_kind: Option<String>,
    object_id: Option<i64>,
    refused: Option<String>,
    request_id: String,
}

impl TryFrom<AuditRow> for AuditRecord {
    type Error = Invalid;

    fn try_from(row: AuditRow) -> Result<Self, Invalid> {
        let object = row.object_kind.zip(row.object_id);
        Ok(Self {
            id: AuditId::try_new(row.id)?,
            at: row.at,
            entry: AuditEntry {
                actor: Actor::from_parts(&row.actor_kind, row.actor_id)?,
                action: row.action,
                object: object.map(|(kind, id)| AuditObject { kind, id }),
                refused: row.refused,
                request_id: row.request_id,
            },
        })
    }
}

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = schema::events, check_for_backend(diesel::pg::Pg))]
pub(crate) struct EventRow {
    pub(crate) id: i64,
    name: String,
    venue: Option<String>,
    start_at: DateTime<Utc>,
    capacity: i32,
    seats_available: i32,
}

impl TryFrom<EventRow> for Event {
    type Error = Invalid;

    fn try_from(row: EventRow) -> Result<Self, Invalid> {
        let details = PublishEvent {
            name: EventName::parse(&row.name)?,
            venue: row.venue.as_deref().map(Venue::parse).transpose()?,
            start_at: row.start_at,
            capacity: Capacity::try_new(row.capacity.into())?,
        };
        let seats_available = Capacity::try_new(row.seats_available.into())?;
        Event::try_new(EventId::try_new(row.id)?, details, seats_available)
    }
}

#[derive(Queryable)]
pub(crate) struct EventSeatsRow {
    pub(crate) id: i64,
    seats_available: i32,
    start_at: DateTime<Utc>,
}

impl TryFrom<EventSeatsRow> for EventSeats {
    type Error = Invalid;

    fn try_from(row: EventSeatsRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            seats_available: Capacity::try_new(row.seats_available.into())?,
            start_at: row.start_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct PausedEventRow {
    id: i64,
    name: String,
    paused_at: DateTime<Utc>,
}

impl TryFrom<PausedEventRow> for PausedEvent {
    type Error = Invalid;

    fn try_from(row: PausedEventRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            name: EventName::parse(&row.name)?,
            paused_at: row.paused_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct BookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i32,
    status: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<BookingRow> for Booking {
    type Error = Invalid;

    fn try_from(row: BookingRow) -> Result<Self, Invalid> {
        Ok(Self {
            id: BookingId::try_new(row.id)?,
            user_id: UserId::try_new(row.user_id)?,
            event_id: EventId::try_new(row.event_id)?,
            seats: SeatCount::try_new(row.seats.into())?,
            status: BookingStatus::parse(&row.status)?,
            created_at: row.created_at,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct AttendedBookingRow {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i32,
    status: String,
    created_at: DateTime<Utc>,
    user_email: String,
    user_name: Option<String>,
}

impl TryFrom<AttendedBookingRow> for AttendedBooking {
    type Error = Invalid;

    fn try_from(row: AttendedBookingRow) -> Result<Self, Invalid> {
        let AttendedBookingRow {
            id,
            user_id,
            event_id,
            seats,
            status,
            created_at,
            ..
        } = row;
        let booking = BookingRow {
            id,
            user_id,
            event_id,
            seats,
            status,
            created_at,
        };
        Ok(Self {
            booking: Booking::try_from(booking)?,
            user_email: Email::parse(&row.user_email)?,
            user_name: row.user_name.as_deref().map(UserName::parse).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct EventSalesRow {
    event_id: i64,
    name: String,
    confirmed_bookings: i64,
    capacity: i32,
    seats_available: i32,
}

impl TryFrom<EventSalesRow> for EventSales {
    type Error = Invalid;

    fn try_from(row: EventSalesRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.event_id)?,
            name: EventName::parse(&row.name)?,
            confirmed_bookings: row.confirmed_bookings,
            capacity: Capacity::try_new(row.capacity.into())?,
            seats_available: Capacity::try_new(row.seats_available.into())?,
        })
    }
}

/// What is kept of an event, and what its bookings say.
#[derive(Queryable)]
pub(crate) struct EventFiguresRow {
    id: i64,
    start_at: DateTime<Utc>,
    is_deleted: bool,
    is_being_marked: bool,
    capacity: i32,
    seats_available: i32,
    figure: Option<i64>,
    bookings: i64,
    confirmed_bookings: i64,
    confirmed_seats: i64,
}

impl TryFrom<EventFiguresRow> for EventFigures {
    type Error = Invalid;

    fn try_from(row: EventFiguresRow) -> Result<Self, Invalid> {
        Ok(Self {
            event_id: EventId::try_new(row.id)?,
            start_at: row.start_at,
            deletion: Deletion::of(row.is_deleted, row.is_being_marked),
            capacity: Capacity::try_new(row.capacity.into())?,
            seats_available: Capacity::try_new(row.seats_available.into())?,
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

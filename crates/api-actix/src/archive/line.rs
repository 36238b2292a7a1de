//! Single lines and the values that they stand for.

mod accounts;
mod version_1;
mod version_2;

pub(super) use accounts::{ApiKeyLine, AuditLine, UserLine};
pub(super) use version_1::FirstLine;
pub(super) use version_2::SecondLine;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::model::{
    ArchiveCounts, Booking, BookingId, BookingRecord, BookingStatus, Capacity, Event, EventId,
    EventName, EventRecord, IdempotencyKey, Invalid, KeyRecord, KeyedBooking, PublishEvent, Record,
    SeatCount, UserId, Venue,
};
use serde::{Deserialize, Deserializer, Serialize};

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) utsavam_archive: u64,
    pub(super) created_at: String,
}

/// The part of the first line that every version of the format has.
#[derive(Debug, Deserialize)]
pub(super) struct AnyHeader {
    pub(super) utsavam_archive: u64,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    User(UserLine),
    Event(EventLine),
    Booking(BookingLine),
    Key(KeyLine),
    ApiKey(ApiKeyLine),
    Audit(AuditLine),
    End(EndLine),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventLine {
    id: i64,
    name: String,
    #[serde(deserialize_with = "present")]
    venue: Option<String>,
    start_at: String,
    capacity: i64,
    seats_available: i64,
    version: i64,
    created_at: String,
    updated_at: String,
    #[serde(deserialize_with = "present")]
    deleted_at: Option<String>,
    #[serde(deserialize_with = "present")]
    sales_paused_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookingLine {
    id: i64,
    user_id: i64,
    event_id: i64,
    seats: i64,
    status: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyLine {
    user_id: i64,
    key: String,
    booking_id: i64,
    event_id: i64,
    seats: i64,
    created_at: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndLine {
    users: u64,
    events: u64,
    bookings: u64,
    keys: u64,
    api_keys: u64,
    audit: u64,
}

/// A member that may be null but must not be left out.
fn present<'de, D, T>(value: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(value)
}

impl TryFrom<&Record> for Line {
    type Error = Invalid;

    /// # Errors
    /// Refuses what has no place in the format, such as a time after the year 9999.
    fn try_from(record: &Record) -> Result<Self, Invalid> {
        Ok(match record {
            Record::User(record) => Self::User(UserLine::try_from(record)?),
            Record::Event(record) => Self::Event(EventLine::try_from(record)?),
            Record::Booking(record) => Self::Booking(BookingLine::try_from(record)?),
            Record::Key(record) => Self::Key(KeyLine::try_from(record)?),
            Record::ApiKey(record) => Self::ApiKey(ApiKeyLine::try_from(record)?),
            Record::Audit(record) => Self::Audit(AuditLine::try_from(record)?),
        })
    }
}

impl TryFrom<&EventRecord> for EventLine {
    type Error = Invalid;

    fn try_from(record: &EventRecord) -> Result<Self, Invalid> {
        let event = &record.event;
        Ok(Self {
            id: event.id().get(),
            name: event.name().as_str().to_owned(),
            venue: event.venue().map(|venue| venue.as_str().to_owned()),
            start_at: time_text(event.start_at())?,
            capacity: event.capacity().get().into(),
            seats_available: event.seats_available().get().into(),
            version: record.version,
            created_at: time_text(record.created_at)?,
            updated_at: time_text(record.updated_at)?,
            deleted_at: optional_time_text(record.deleted_at)?,
            sales_paused_at: optional_time_text(record.sales_paused_at)?,
        })
    }
}

impl TryFrom<EventLine> for EventRecord {
    type Error = Invalid;

    fn try_from(line: EventLine) -> Result<Self, Invalid> {
        let venue = line.venue.as_deref().map(|venue| {
            let parsed = member("venue", Venue::parse(venue))?;
            unaltered("venue", venue, parsed.as_str())?;
            Ok(parsed)
        });
        let name = member("name", EventName::parse(&line.name))?;
        unaltered("name", &line.name, name.as_str())?;
        let details = PublishEvent {
            name,
            venue: venue.transpose()?,
            start_at: time("start_at", &line.start_at)?,
            capacity: member("capacity", Capacity::try_new(line.capacity))?,
        };
        let id = member("id", EventId::try_new(line.id))?;
        let left = member("seats_available", Capacity::try_new(line.seats_available))?;
        let event = Event::try_new(id, details, left)
            .map_err(|invalid| Invalid::new(format!("event {id}: {invalid}")))?;
        Ok(Self {
            event,
            version: line.version,
            created_at: time("created_at", &line.created_at)?,
            updated_at: time("updated_at", &line.updated_at)?,
            deleted_at: optional_time("deleted_at", line.deleted_at.as_deref())?,
            sales_paused_at: optional_time("sales_paused_at", line.sales_paused_at.as_deref())?,
        })
    }
}

impl TryFrom<&BookingRecord> for BookingLine {
    type Error = Invalid;

    fn try_from(record: &BookingRecord) -> Result<Self, Invalid> {
        let booking = &record.booking;
        Ok(Self {
            id: booking.id.get(),
            user_id: booking.user_id.get(),
            event_id: booking.event_id.get(),
            seats: booking.seats.get().into(),
            status: booking.status.as_str().to_owned(),
            created_at: time_text(booking.created_at)?,
            updated_at: time_text(record.updated_at)?,
        })
    }
}

impl TryFrom<BookingLine> for BookingRecord {
    type Error = Invalid;

    fn try_from(line: BookingLine) -> Result<Self, Invalid> {
        Ok(Self {
            booking: Booking {
                id: member("id", BookingId::try_new(line.id))?,
                user_id: member("user_id", UserId::try_new(line.user_id))?,
                event_id: member("event_id", EventId::try_new(line.event_id))?,
                seats: member("seats", SeatCount::try_new(line.seats))?,
                status: member("status", BookingStatus::parse(&line.status))?,
                created_at: time("created_at", &line.created_at)?,
            },
            updated_at: time("updated_at", &line.updated_at)?,
        })
    }
}

impl TryFrom<&KeyRecord> for KeyLine {
    type Error = Invalid;

    fn try_from(record: &KeyRecord) -> Result<Self, Invalid> {
        Ok(Self {
            user_id: record.user_id.get(),
            key: record.key.as_str().to_owned(),
            booking_id: record.first.booking_id.get(),
            event_id: record.first.event_id.get(),
            seats: record.first.seats.get().into(),
            created_at: time_text(record.created_at)?,
        })
    }
}

impl TryFrom<KeyLine> for KeyRecord {
    type Error = Invalid;

    fn try_from(line: KeyLine) -> Result<Self, Invalid> {
        Ok(Self {
            user_id: member("user_id", UserId::try_new(line.user_id))?,
            key: member("key", IdempotencyKey::parse(&line.key))?,
            first: KeyedBooking {
                booking_id: member("booking_id", BookingId::try_new(line.booking_id))?,
                event_id: member("event_id", EventId::try_new(line.event_id))?,
                seats: member("seats", SeatCount::try_new(line.seats))?,
            },
            created_at: time("created_at", &line.created_at)?,
        })
    }
}

impl From<ArchiveCounts> for EndLine {
    fn from(counts: ArchiveCounts) -> Self {
        Self {
            users: counts.users,
            events: counts.events,
            bookings: counts.bookings,
            keys: counts.keys,
            api_keys: counts.api_keys,
            audit: counts.audit,
        }
    }
}

impl From<EndLine> for ArchiveCounts {
    fn from(line: EndLine) -> Self {
        Self {
            users: line.users,
            events: line.events,
            bookings: line.bookings,
            keys: line.keys,
            api_keys: line.api_keys,
            audit: line.audit,
        }
    }
}

fn member<T>(name: &str, value: Result<T, Invalid>) -> Result<T, Invalid> {
    value.map_err(|invalid| Invalid::new(format!("{name} {invalid}")))
}

/// The model trims and lower-cases what people type. An archive holds what a
/// store holds, so there is nothing to trim; or two addresses may become one.
fn unaltered(name: &str, text: &str, kept: &str) -> Result<(), Invalid> {
    if text == kept {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "{name} must be as it is stored: {kept:?}"
    )))
}

/// A time as the format has it.
///
/// # Errors
/// RFC 3339 knows no year before 0 or behind 9999.
pub(super) fn time_text(at: DateTime<Utc>) -> Result<String, Invalid> {
    let text = at.to_rfc3339_opts(SecondsFormat::Micros, true);
    match time("the time", &text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Invalid::new(format!(
            "{text} is beyond the years 0 to 9999"
        ))),
    }
}

/// As [`time_text`], where there need not be any.
fn optional_time_text(at: Option<DateTime<Utc>>) -> Result<Option<String>, Invalid> {
    at.map(time_text).transpose()
}

/// As [`time`], where there need not be any.
fn optional_time(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Invalid> {
    text.map(|text| time(name, text)).transpose()
}

/// Reads a time that has exactly this form, so that none is rounded or moved.
pub(super) fn time(name: &str, text: &str) -> Result<DateTime<Utc>, Invalid> {
    let parsed = DateTime::parse_from_rfc3339(text).ok();
    parsed
        .and_then(|at| DateTime::from_timestamp_micros(at.timestamp_micros()))
        .filter(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true) == text)
        .ok_or_else(|| {
            Invalid::new(format!(
                "{name} must be a time such as 2026-11-22T18:00:00.000000Z"
            ))
        })
}

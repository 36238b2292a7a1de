//! The lines that version 2 of the format had otherwise: it knew no pause.

use serde::Deserialize;

use super::{
    ApiKeyLine, AuditLine, BookingLine, EndLine, EventLine, KeyLine, Line, UserLine, present,
};

/// Every line but the first.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in crate::archive) enum SecondLine {
    User(UserLine),
    Event(SecondEventLine),
    Booking(BookingLine),
    Key(KeyLine),
    ApiKey(ApiKeyLine),
    Audit(AuditLine),
    End(EndLine),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct SecondEventLine {
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
}

impl From<SecondEventLine> for EventLine {
    fn from(line: SecondEventLine) -> Self {
        Self {
            id: line.id,
            name: line.name,
            venue: line.venue,
            start_at: line.start_at,
            capacity: line.capacity,
            seats_available: line.seats_available,
            version: line.version,
            created_at: line.created_at,
            updated_at: line.updated_at,
            deleted_at: line.deleted_at,
            sales_paused_at: None,
        }
    }
}

impl From<SecondLine> for Line {
    fn from(line: SecondLine) -> Self {
        match line {
            SecondLine::User(line) => Self::User(line),
            SecondLine::Event(line) => Self::Event(line.into()),
            SecondLine::Booking(line) => Self::Booking(line),
            SecondLine::Key(line) => Self::Key(line),
            SecondLine::ApiKey(line) => Self::ApiKey(line),
            SecondLine::Audit(line) => Self::Audit(line),
            SecondLine::End(line) => Self::End(line),
        }
    }
}

//! The lines that version 1 of the format had otherwise. It knew neither
//! passwords nor how users stood, no keys of services and no audit log.

use serde::Deserialize;

use super::version_2::SecondEventLine;
use super::{BookingLine, EndLine, KeyLine, Line, UserLine, present};

/// Every line but the first.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(in crate::archive) enum FirstLine {
    User(FirstUserLine),
    Event(SecondEventLine),
    Booking(BookingLine),
    Key(KeyLine),
    End(FirstEndLine),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct FirstUserLine {
    id: i64,
    email: String,
    #[serde(deserialize_with = "present")]
    name: Option<String>,
    created_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::archive) struct FirstEndLine {
    users: u64,
    events: u64,
    bookings: u64,
    keys: u64,
}

impl From<FirstLine> for Line {
    fn from(line: FirstLine) -> Self {
        match line {
            FirstLine::User(line) => Self::User(UserLine {
                id: line.id,
                email: Some(line.email),
                name: line.name,
                password_hash: None,
                created_at: line.created_at,
                suspended_at: None,
                erased_at: None,
            }),
            FirstLine::Event(line) => Self::Event(line.into()),
            FirstLine::Booking(line) => Self::Booking(line),
            FirstLine::Key(line) => Self::Key(line),
            FirstLine::End(line) => Self::End(EndLine {
                users: line.users,
                events: line.events,
                bookings: line.bookings,
                keys: line.keys,
                api_keys: 0,
                audit: 0,
            }),
        }
    }
}

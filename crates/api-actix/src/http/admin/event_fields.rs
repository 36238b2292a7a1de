//! The fields of an event as organisers write them.

use chrono::{DateTime, Utc};
use domain::model::Invalid;

/// A point in time by RFC 3339, with its offset.
pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, Invalid> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| Invalid::new("must be a time with an offset such as 2026-12-24T18:00:00Z"))
}

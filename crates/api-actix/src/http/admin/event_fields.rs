//! The fields of an event as organisers write them.

use chrono::{DateTime, Datelike, Utc};
use domain::model::Invalid;

/// A point in time by RFC 3339, with its offset. In UTC it must be within the
/// years that RFC 3339 can write: an offset may shift it out of them.
pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, Invalid> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| Invalid::new("must be a time with an offset such as 2026-12-24T18:00:00Z"))?;
    let time = time.to_utc();
    if !(0..=9999).contains(&time.year()) {
        return Err(Invalid::new(
            "must be between the years 0000 and 9999 in UTC",
        ));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_an_offset_and_a_year_of_four_digits() {
        for good in [
            "2026-12-24T18:00:00Z",
            "2026-12-24T18:00:00.5+05:30",
            "9999-12-31T23:59:59Z",
        ] {
            assert!(parse_time(good).is_ok(), "{good}");
        }
        for bad in [
            "2026-12-24T18:00:00",
            "2026-12-24",
            "",
            "tomorrow",
            "9999-12-31T23:59:59-01:00",
            "0000-01-01T00:00:00+01:00",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}

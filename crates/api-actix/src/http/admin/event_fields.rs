//! The fields of an event as organisers write them.

use chrono::{DateTime, Datelike, Utc};
use domain::model::Invalid;

const YEARS: &str = "must be between the years 0000 and 9999 in UTC";

/// A point in time by RFC 3339, with its offset, to the microsecond as the
/// stores keep it. In UTC it must be within the years that RFC 3339 can write:
/// an offset or a leap second may shift it out of them.
pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, Invalid> {
    let time = DateTime::parse_from_rfc3339(text)
        .map_err(|_| Invalid::new("must be a time with an offset such as 2026-12-24T18:00:00Z"))?;
    // By way of a count, which knows no leap seconds: 23:59:60 is the next day.
    let time = DateTime::from_timestamp_micros(time.timestamp_micros());
    let time: DateTime<Utc> = time.ok_or_else(|| Invalid::new(YEARS))?;
    if !(0..=9999).contains(&time.year()) {
        return Err(Invalid::new(
            "must be between the years 0000 and 9999 in UTC",
        ));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_time_that_can_be_written_again(
            text in prop_oneof![
                ".{0,40}",
                "[0-9]{4}-[0-1][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.][0-9]{1,12})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])",
            ],
        ) {
            if let Ok(time) = parse_time(&text) {
                prop_assert!((0..=9999).contains(&time.year()));
                prop_assert_eq!(parse_time(&time.to_rfc3339()), Ok(time));
            }
        }

        #[test]
        fn every_time_is_read_with_every_offset(
            micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000,
            offset_minutes in -23 * 60..23 * 60,
        ) {
            let time = DateTime::from_timestamp_micros(micros).expect("in the calendar");
            let offset = FixedOffset::east_opt(offset_minutes * 60).expect("less than a day");
            let local = time.with_timezone(&offset);
            // There the year may be one that RFC 3339 cannot write.
            prop_assume!((0..=9999).contains(&local.year()));
            prop_assert_eq!(parse_time(&local.to_rfc3339()), Ok(time));
        }
    }

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
            "9999-12-31T23:59:60Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn finer_than_a_microsecond_is_cut_off() {
        let time = parse_time("2026-12-24T18:00:00.123456789Z").expect("a time");
        assert_eq!(time.timestamp_subsec_nanos(), 123_456_000);
    }
}

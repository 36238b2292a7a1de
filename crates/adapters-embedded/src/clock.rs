//! The store's clock, and times as the tables keep them: whole microseconds
//! since 1970 in UTC, as fine as PostgreSQL's.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::model::{Invalid, Timeline};

/// The time by the store's clock. What is decided in a transaction is decided
/// by a clock that was read after the transaction had begun: a booking that
/// waited in line past the beginning of its event is too late.
#[allow(
    clippy::disallowed_methods,
    reason = "the store runs in this process, so this process has the store's clock"
)]
pub(crate) fn now() -> DateTime<Utc> {
    truncated(Utc::now())
}

/// What is left of a time when it has been stored and read back.
pub(crate) fn truncated(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros(at)).unwrap_or(at)
}

/// The end of what lasts so long from now on. What would last beyond the
/// calendar ends with it.
pub(crate) fn until(now: DateTime<Utc>, lasts: Duration) -> DateTime<Utc> {
    let end = TimeDelta::from_std(lasts)
        .ok()
        .and_then(|lasts| now.checked_add_signed(lasts));
    truncated(end.unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// A time as a column holds it. All times of the model fit.
pub(crate) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// A column's value as a time.
///
/// # Errors
/// Refuses what lies outside the model's calendar.
pub(crate) fn from_micros(micros: i64) -> Result<DateTime<Utc>, Invalid> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| Invalid::new("must be a time in microseconds"))
}

/// A place in a list that is ordered by time and id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: i64,
    pub(crate) id: i64,
}

impl Place {
    /// Before everything in a list of rising times.
    pub(crate) const OLDEST: Self = Self {
        at: i64::MIN,
        id: i64::MIN,
    };
    /// Before everything in a list of falling times.
    pub(crate) const NEWEST: Self = Self {
        at: i64::MAX,
        id: i64::MAX,
    };
}

impl From<Timeline> for Place {
    fn from(place: Timeline) -> Self {
        Self {
            at: micros(place.at),
            id: place.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_the_model_survives_storing() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, now()] {
            let stored = truncated(at);
            assert_eq!(from_micros(micros(at)), Ok(stored));
            assert!((at - stored).num_microseconds() == Some(0), "{at}");
        }
        assert!(from_micros(i64::MIN).is_err());
    }

    #[test]
    fn what_lasts_for_ever_ends_with_the_calendar() {
        let now = now();
        assert_eq!(
            until(now, Duration::from_secs(1)),
            now + TimeDelta::seconds(1)
        );
        for lasts in [Duration::MAX, Duration::from_secs(1 << 53)] {
            let end = micros(until(now, lasts));
            assert!(from_micros(end).expect("in the calendar") > now);
        }
    }
}

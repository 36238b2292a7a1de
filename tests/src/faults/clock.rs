//! The one clock of a run.

use std::time::Duration;

use super::history::Instant;

/// Nanoseconds since it was made. Never stands still between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(std::time::Instant);

impl Default for Clock {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock {
    /// Now.
    pub(crate) fn now(&self) -> Instant {
        nanoseconds(self.0.elapsed())
    }
}

/// A time as the clock counts it.
pub(crate) fn nanoseconds(time: Duration) -> Instant {
    Instant::try_from(time.as_nanos()).unwrap_or(Instant::MAX)
}

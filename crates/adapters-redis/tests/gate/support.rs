//! What the tests share: a bench with a gate and an operator at the same
//! database, and short names for the values they speak of.

mod bench;
pub(crate) mod crowd;
mod logs;
mod proxy;

pub(crate) use bench::{Bench, empty_database};
pub(crate) use logs::Logs;
pub(crate) use proxy::{Mode, Proxy};

use adapters_redis::GateSettings;
use chrono::DateTime;
use domain::model::{Capacity, EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::GateReading;
use std::time::Duration;

/// The event of tests that need only one.
pub(crate) const EVENT: i64 = 1;

/// The keys of [`EVENT`] as operators see them.
pub(crate) const BUCKET: &str = "event:1:tokens";
pub(crate) const LEASES: &str = "{event:1:tokens}:leases";
pub(crate) const LEASED_SEATS: &str = "{event:1:tokens}:leased_seats";
pub(crate) const GENERATION: &str = "{event:1:tokens}:generation";

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a bucket lives that nobody looks after.
pub(crate) const KEEP_MS: i64 = 5 * 60 * 1000;

/// Settings as a server has them.
pub(crate) fn ordinary() -> GateSettings {
    GateSettings {
        lease_ttl: Duration::from_secs(60),
        response_timeout: Duration::from_millis(250),
        connect_timeout: Duration::from_millis(250),
        pool_size: 8,
        cool_down: Duration::from_secs(1),
    }
}

/// Settings that a busy machine does not bring to time out.
pub(crate) fn patient() -> GateSettings {
    GateSettings {
        response_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        ..ordinary()
    }
}

pub(crate) fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

pub(crate) fn reservation(bits: u128) -> ReservationId {
    ReservationId::from_random_bits(bits)
}

pub(crate) fn seats(count: i64) -> SeatCount {
    SeatCount::try_new(count).expect("in range")
}

/// What is known of gates that were all reached.
pub(crate) fn all(readings: Vec<Option<GateReading>>) -> Vec<GateReading> {
    readings
        .into_iter()
        .map(|reading| reading.expect("it was reached"))
        .collect()
}

/// [`EVENT`] with so many seats left.
pub(crate) fn seats_left(count: i64) -> EventSeats {
    EventSeats {
        event_id: event(EVENT),
        seats_available: Capacity::try_new(count).expect("in range"),
        start_at: DateTime::UNIX_EPOCH,
    }
}

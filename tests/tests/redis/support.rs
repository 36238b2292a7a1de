//! What the tests share: a gate, and short names for the values they speak of.

use std::time::Duration;

use adapters_redis::{GateSettings, RedisSeatGate};
use chrono::DateTime;
use domain::model::{Capacity, EventId, EventSeats, ReservationId, SeatCount};
use domain::ports::{GateAnswer, GateReading, SeatGate};

/// Settings that a busy machine does not bring to time out, but for a dead Redis.
pub(crate) fn settings() -> GateSettings {
    GateSettings {
        lease_ttl: Duration::from_secs(60),
        response_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        pool_size: 8,
        cool_down: Duration::from_millis(200),
    }
}

pub(crate) fn gate(url: &str) -> RedisSeatGate {
    RedisSeatGate::try_new(url, settings()).expect("a good URL")
}

pub(crate) fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

pub(crate) fn reservation(bits: u128) -> ReservationId {
    ReservationId::from_random_bits(bits)
}

pub(crate) fn seats_left(event_id: i64, count: i64) -> EventSeats {
    EventSeats {
        event_id: event(event_id),
        seats_available: Capacity::try_new(count).expect("in range"),
        start_at: DateTime::UNIX_EPOCH,
    }
}

pub(crate) async fn take(gate: &RedisSeatGate, event_id: i64, bits: u128) -> GateAnswer {
    let seats = SeatCount::try_new(1).expect("in range");
    gate.take(event(event_id), reservation(bits), seats).await
}

/// What is known of the gate of one event.
pub(crate) async fn look(gate: &RedisSeatGate, event_id: i64) -> Option<GateReading> {
    let readings = gate.read(&[event(event_id)]).await;
    readings.ok().and_then(|readings| readings[0])
}

/// Tokens and seats leased.
pub(crate) async fn standing(gate: &RedisSeatGate, event_id: i64) -> (Option<i64>, i64) {
    let reading = look(gate, event_id).await.expect("it is reached");
    (reading.tokens, reading.seats_leased)
}

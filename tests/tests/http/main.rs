//! The HTTP interface, seen from outside: every call of the contract over a
//! socket, against the program as it is shipped. One module per area.

mod accounts;
mod admin_events;
mod admin_lists;
mod analytics;
mod api_keys;
mod audit;
mod bad_bodies;
mod bad_parameters;
mod bookings;
mod cancel;
mod demo_data;
mod edge;
mod etags;
mod event_lists;
mod history;
mod idempotency;
mod idempotency_races;
mod matrix;
mod metrics;
mod monitoring;
mod open_mode;
mod openapi;
mod pauses;
mod protocol;
mod rate_limits;
mod strictness;
mod traces;
mod users;

use chrono::{DateTime, FixedOffset};
use serde_json::Value;

/// A time in an answer: RFC 3339, and UTC.
fn time(value: &Value) -> DateTime<FixedOffset> {
    let text = value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no time"));
    let time = DateTime::parse_from_rfc3339(text)
        .unwrap_or_else(|error| panic!("{text:?} is not RFC 3339: {error}"));
    assert_eq!(time.offset().local_minus_utc(), 0, "{text:?} is not UTC");
    time
}

/// One member of every entry, as whole numbers.
fn numbers(entries: &[Value], member: &str) -> Vec<i64> {
    entries
        .iter()
        .map(|entry| {
            entry[member]
                .as_i64()
                .unwrap_or_else(|| panic!("`{member}` is no whole number: {entry}"))
        })
        .collect()
}

/// The names of an object's members, sorted.
fn members(object: &Value) -> Vec<&str> {
    let object = object
        .as_object()
        .unwrap_or_else(|| panic!("{object} is no object"));
    let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

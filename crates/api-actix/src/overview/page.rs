//! The document, as the server writes it and `utsavam top` reads it.

use serde::{Deserialize, Serialize};

use crate::http::DependencyState;

/// What one server says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OverviewPage {
    /// The version of the program.
    pub(crate) version: String,
    /// How long it has been up.
    pub(crate) uptime_seconds: f64,
    /// Whether the store answers.
    pub(crate) database: DependencyState,
    /// Whether Redis answers, if there is one.
    pub(crate) redis: DependencyState,
    /// What is paused; absent where the store did not answer.
    pub(crate) paused: Option<Paused>,
    /// How long the seconds are of which `events` tell.
    pub(crate) window_seconds: f64,
    /// The hottest events, most asked for first.
    pub(crate) events: Vec<EventRow>,
}

/// What is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paused {
    /// Whether all sales are.
    pub(crate) all: bool,
    /// Events that are paused by themselves, the latest 100.
    pub(crate) event_ids: Vec<i64>,
    /// Whether there are more of them.
    pub(crate) more: bool,
}

/// An event that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    /// Which one.
    pub(crate) event_id: i64,
    /// What it is called, if that is known.
    pub(crate) name: Option<String>,
    /// How many seats it has in all, if that is known.
    pub(crate) capacity: Option<u32>,
    /// How many of them nobody has booked, as the last batch of this process knew.
    pub(crate) seats_left: Option<u32>,
    /// How long ago that was.
    pub(crate) seats_left_seconds_ago: Option<f64>,
    /// Bookings made in the last seconds.
    pub(crate) booked: u32,
    /// Bookings refused in the last seconds, because it was sold out, paused or had begun.
    pub(crate) refused: u32,
}

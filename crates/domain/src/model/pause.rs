//! Sales that are paused.

use chrono::{DateTime, Utc};

use super::{EventId, EventName, Listing};

/// An event whose sales are paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedEvent {
    /// Which event.
    pub event_id: EventId,
    /// What it is called.
    pub name: EventName,
    /// Since when.
    pub paused_at: DateTime<Utc>,
}

/// One page of the events whose sales are paused, beside the pause of all sales.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedSales {
    /// Since when all sales are paused, if they are.
    pub all_paused_at: Option<DateTime<Utc>>,
    /// Events that are paused by themselves, whether all are or not.
    pub events: Listing<PausedEvent>,
}

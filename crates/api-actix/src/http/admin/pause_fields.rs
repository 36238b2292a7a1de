//! Pauses as the calls that make and end them answer.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether an event sells.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"event_id": 1, "sales_paused_at": "2026-11-27T20:00:00Z"}))]
pub(crate) struct EventPauseResponse {
    /// Which event.
    pub(super) event_id: i64,
    /// Since when its sales are paused; null if they are not.
    pub(super) sales_paused_at: Option<DateTime<Utc>>,
}

/// Whether anything sells.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"sales_paused_at": "2026-11-27T20:00:00Z"}))]
pub(crate) struct AllPauseResponse {
    /// Since when all sales are paused; null if they are not.
    pub(super) sales_paused_at: Option<DateTime<Utc>>,
}

//! Looking on while seats are sold.

use std::collections::BTreeMap;

use crate::model::{Capacity, EventId};

/// Somebody who is told what events have left as bookings and cancellations of
/// them are decided, and decides nothing.
pub trait SeatsWatch: Send + Sync {
    /// What each of these events has left, as the batch that has just ended knew it.
    /// Batches of one event are told of in their order. The next one waits for this, so
    /// it has to be quick.
    fn seats_left(&self, seats_left: &BTreeMap<EventId, Capacity>);
}

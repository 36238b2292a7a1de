//! What was asked and what was answered, with the time of both. Written by the
//! workload, read by the checker; knows neither HTTP nor SQL.

use std::collections::BTreeMap;

/// Nanoseconds on one monotonic clock of the run.
pub type Instant = u64;

/// Later than everything.
pub const NEVER: Instant = Instant::MAX;

/// Everything that happened in one run, as far as the clients saw it.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The events and the capacities with which they were published.
    pub published: BTreeMap<i64, i64>,
    /// Every call.
    pub calls: Vec<Call>,
    /// When the seat gate may have been wrong or away.
    pub gate_troubles: Vec<GateTrouble>,
}

/// One call, from the moment before it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which process was asked.
    pub process: usize,
    /// When it was about to be sent.
    pub start: Instant,
    /// When its answer was read, or it was given up.
    pub end: Instant,
    /// What was asked.
    pub ask: Ask,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a client may ask. A user stands for one wish: nobody books twice unless
/// the first booking was refused, so that each row can be told whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Seats, perhaps under an idempotency key.
    Book {
        /// For whom.
        user: i64,
        /// Of which event.
        event: i64,
        /// How many.
        seats: i64,
        /// Whether under the user's only key.
        keyed: bool,
    },
    /// To take a booking back.
    Cancel {
        /// Its event.
        event: i64,
        /// Which.
        booking: i64,
    },
    /// Another capacity.
    Resize {
        /// Of which event.
        event: i64,
        /// How many seats.
        capacity: i64,
    },
    /// To delete an event.
    Delete {
        /// Which.
        event: i64,
    },
    /// To see an event.
    Read {
        /// Which.
        event: i64,
    },
    /// To see a booking.
    ReadBooking {
        /// Its event.
        event: i64,
        /// Which.
        booking: i64,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 201.
    Booked {
        /// Its id.
        booking: i64,
        /// Whether an earlier answer was repeated.
        replayed: bool,
    },
    /// 200 for a cancellation.
    Cancelled,
    /// 200 for another capacity.
    Resized {
        /// What the answer says of the seats left.
        available: i64,
    },
    /// 204.
    Deleted,
    /// An event as it was shown.
    Seen {
        /// Its seats.
        capacity: i64,
        /// Those that are left.
        available: i64,
    },
    /// A booking as it was shown.
    SeenBooking {
        /// Whether it is confirmed, else cancelled.
        confirmed: bool,
    },
    /// 409 `not_enough_seats`.
    NotEnoughSeats,
    /// 409 `event_started`.
    Started,
    /// 404 for the event or booking that was named.
    NotFound,
    /// 400: more seats are booked than the new capacity has.
    BelowConfirmed,
    /// No answer can have been expected, or one that promises that nothing was
    /// done: 503 `overloaded` and the like, a connection that was refused.
    NothingDone,
    /// The connection broke, the answer was not waited for any longer, or the
    /// answer says that nobody knows.
    Unknown,
    /// Anything else. Never right.
    Unexpected(String),
}

/// A time in which the gate may have refused what the store would have sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateTrouble {
    /// Of which event; of all, if none is named.
    pub event: Option<i64>,
    /// Since when.
    pub from: Instant,
    /// Until when, the reconciliation that mends it included.
    pub to: Instant,
}

impl Ask {
    /// The event that it is about.
    pub fn event(&self) -> i64 {
        match *self {
            Self::Book { event, .. }
            | Self::Cancel { event, .. }
            | Self::Resize { event, .. }
            | Self::Delete { event }
            | Self::Read { event }
            | Self::ReadBooking { event, .. } => event,
        }
    }
}

impl Call {
    /// Whether it may have had an effect that its answer does not tell.
    pub fn is_unknown(&self) -> bool {
        self.outcome == Outcome::Unknown
    }

    /// When its effect was there at the latest: never, if nobody knows.
    pub fn settled(&self) -> Instant {
        if self.is_unknown() { NEVER } else { self.end }
    }
}

impl History {
    /// Calls whose outcome nobody was told.
    pub fn unknown(&self) -> usize {
        self.calls.iter().filter(|call| call.is_unknown()).count()
    }

    /// Bookings that were answered with 201 for the first time.
    pub fn booked(&self) -> usize {
        let made = |call: &&Call| {
            matches!(
                call.outcome,
                Outcome::Booked {
                    replayed: false,
                    ..
                }
            )
        };
        self.calls.iter().filter(made).count()
    }
}

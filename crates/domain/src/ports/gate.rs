//! The seat gate: a bucket of tokens per event in front of the store, which
//! turns away at once what cannot succeed.
//!
//! The gate may refuse, never grant: the store decides every booking that the
//! gate lets through. A gate that is lost, stale or wrong makes answers slower
//! or refuses seats that are free, until it is rebuilt; it cannot oversell.
//!
//! Tokens and leases mirror the store: `tokens = seats left − seats leased to
//! bookings that the store has not decided yet`.

use async_trait::async_trait;

use super::Cause;
use crate::model::{EventId, EventSeats, ReservationId, SeatCount};

/// What the gate says to somebody who wants seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateAnswer {
    /// Go on: the tokens are leased to this reservation.
    Granted,
    /// It makes no sense: fewer tokens are left.
    Refused {
        /// How many tokens are left; negative while a resize catches up.
        tokens_left: i64,
    },
    /// The gate does not know the event, or cannot be reached: ask the store.
    Unknown,
}

/// A count that goes up with everything that changes a gate, to tell whether
/// something happened between looking and rebuilding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateGeneration(pub u64);

/// How an event's gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateReading {
    /// Tokens left; `None` when the bucket is missing or not a number.
    pub tokens: Option<i64>,
    /// Reservations whose tokens are leased and neither settled nor released.
    pub leases: u64,
    /// The gate's count of changes.
    pub generation: GateGeneration,
}

impl GateReading {
    /// Whether the bucket is what it should be when `seats` are left, as far
    /// as one can tell: while tokens are leased the store may be a step ahead
    /// or behind, so only a missing bucket is certainly wrong then.
    pub fn agrees_with(&self, seats: &EventSeats) -> bool {
        match self.tokens {
            None => false,
            Some(tokens) => self.leases > 0 || tokens == i64::from(seats.seats_available.get()),
        }
    }
}

/// The gate did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the seat gate did not answer")]
pub struct GateError(#[source] pub Cause);

/// Keeps the tokens.
///
/// Methods without a result do their best: a failure is the adapter's to log,
/// never the buyer's to see, and the next reconciliation makes it good.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait SeatGate: Send + Sync {
    /// Takes tokens and leases them to the reservation for a bounded time.
    /// Taking again under the same reservation is granted and takes nothing.
    async fn take(
        &self,
        event_id: EventId,
        reservation: ReservationId,
        seats: SeatCount,
    ) -> GateAnswer;

    /// Ends a lease whose seats the store has sold: the tokens are spent.
    /// Without a lease nothing happens.
    async fn settle(&self, event_id: EventId, reservation: ReservationId);

    /// Ends a lease whose seats the store has not sold: the tokens go back.
    /// Without a lease nothing happens.
    async fn release(&self, event_id: EventId, reservation: ReservationId);

    /// Adds tokens for seats that became free, or takes away (negative) those
    /// of seats that are no more. Not repeatable: an adapter MUST NOT retry it.
    async fn adjust(&self, event_id: EventId, seats: i64);

    /// Opens the gate of a new event, unless it stands open already.
    async fn open(&self, event: EventSeats);

    /// Removes the gate of an event that is no longer sold.
    async fn close(&self, event_id: EventId);

    /// How the gates of these events stand, in the same order. Leases that ran
    /// out are dropped first, without giving their tokens back: whether the
    /// seats were sold only the store knows.
    ///
    /// # Errors
    /// The gate did not answer.
    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<GateReading>, GateError>;

    /// Sets the bucket to the seats left if nothing changed since `generation`
    /// was read and no lease is out; says whether it did.
    ///
    /// # Errors
    /// The gate did not answer.
    async fn rebuild(
        &self,
        event: EventSeats,
        generation: GateGeneration,
    ) -> Result<bool, GateError>;
}

/// No gate at all: everybody is sent on to the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGate;

#[async_trait]
impl SeatGate for NoGate {
    async fn take(&self, _: EventId, _: ReservationId, _: SeatCount) -> GateAnswer {
        GateAnswer::Unknown
    }

    async fn settle(&self, _: EventId, _: ReservationId) {}

    async fn release(&self, _: EventId, _: ReservationId) {}

    async fn adjust(&self, _: EventId, _: i64) {}

    async fn open(&self, _: EventSeats) {}

    async fn close(&self, _: EventId) {}

    async fn read(&self, _: &[EventId]) -> Result<Vec<GateReading>, GateError> {
        Ok(Vec::new())
    }

    async fn rebuild(&self, _: EventSeats, _: GateGeneration) -> Result<bool, GateError> {
        Ok(true)
    }
}

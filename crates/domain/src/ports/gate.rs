//! The seat gate: a bucket of tokens per event in front of the store, which
//! turns away at once what cannot succeed.
//!
//! The gate may refuse, never grant: the store decides every booking that the
//! gate lets through. A gate that is lost, stale or wrong makes answers slower
//! or refuses seats that are free, until it is rebuilt; it cannot oversell.
//!
//! Tokens and leases mirror the store: `tokens = seats left − seats leased to
//! bookings that the store has not decided yet`. A booking that the store has
//! sold and whose lease has not ended is counted in both, so a right gate holds
//!
//! > seats left − seats leased ≤ tokens ≤ seats left
//!
//! Fewer tokens refuse seats that are free: [`raise`](SeatGate::raise) adds
//! them. More tokens only cost questions to the store:
//! [`rebuild`](SeatGate::rebuild) removes them. Both work beside any traffic,
//! and neither leaves a right gate with fewer tokens than it should have. Where
//! nothing is leased the two ends meet, and the number is exact.

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

/// A count that goes up with everything that changes a gate but bookings
/// (taking, settling, releasing), to tell whether seats were freed or the event
/// was deleted between looking and rebuilding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateGeneration(pub u64);

/// How an event's gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateReading {
    /// Tokens left; `None` when the bucket is missing or not a number.
    pub tokens: Option<i64>,
    /// Reservations whose tokens are leased and neither settled nor released.
    pub leases: u64,
    /// The tokens of all these leases together.
    pub seats_leased: i64,
    /// The gate's count of changes.
    pub generation: GateGeneration,
}

/// What is wrong with a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFault {
    /// It refuses seats that are free.
    TooLow,
    /// It promises more seats than are left, or it is not there: what cannot
    /// succeed reaches the store.
    TooHigh,
}

impl GateReading {
    /// What is wrong when so many seats are left. To find a gate too low the
    /// seats must have been read after the gate: bookings that the store sold
    /// in between make it look better, never worse.
    pub fn fault(&self, seats: &EventSeats) -> Option<GateFault> {
        let seats_left = i64::from(seats.seats_available.get());
        match self.tokens {
            None => Some(GateFault::TooHigh),
            Some(tokens) if tokens > seats_left => Some(GateFault::TooHigh),
            Some(tokens) if tokens.saturating_add(self.seats_leased) < seats_left => {
                Some(GateFault::TooLow)
            }
            Some(_) => None,
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
/// never the buyer's to see, and the next reconciliation makes it good. Each but
/// [`settle`](Self::settle) returns when it is done, or after a bounded time:
/// seats that became free are at the gate before their owner hears of it.
///
/// What is asked of one gate object for one event takes effect in the order in
/// which it was asked.
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

    /// Ends a lease whose seats the store has sold, or may have sold: the
    /// tokens are spent. If they were not sold the gate is too low now, which
    /// the next reconciliation finds.
    /// Without a lease nothing happens.
    ///
    /// Nobody's answer depends on it, so an adapter MUST NOT wait for anything
    /// here: it may return before the lease has ended. What is asked of the same
    /// gate object afterwards MUST see it ended. If the gate cannot be reached,
    /// the lease runs out by itself.
    async fn settle(&self, event_id: EventId, reservation: ReservationId);

    /// Ends a lease whose seats the store has not sold: the tokens go back.
    /// Without a lease nothing happens.
    async fn release(&self, event_id: EventId, reservation: ReservationId);

    /// Adds tokens for seats that became free, or takes away (negative) those
    /// of seats that are no more. Not repeatable: an adapter MUST NOT retry it.
    async fn adjust(&self, event_id: EventId, seats: i64);

    /// Opens the gate of a new event. A gate that was opened, adjusted or
    /// closed before stays as it is: the event may be deleted by the time that
    /// this call arrives. Reconciliation makes what is missing.
    async fn open(&self, event: EventSeats);

    /// Removes the gate of an event that is no longer sold.
    async fn close(&self, event_id: EventId);

    /// How the gates of these events stand, in the same order; `None` for one that
    /// could not be reached while others could. Leases that ran out are dropped first, without giving their tokens back: whether the
    /// seats were sold only the store knows.
    ///
    /// An adapter forgets, within minutes, a bucket that nobody reads: that of
    /// an event which was deleted or has begun.
    ///
    /// # Errors
    /// No gate could be reached.
    async fn read(&self, event_ids: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError>;

    /// Raises the bucket to the seats left less those that are leased at this
    /// instant, if it holds fewer tokens; says whether it did. Takes nothing
    /// away and makes no bucket where there is none, so it is safe at any time.
    ///
    /// # Errors
    /// The gate did not answer.
    async fn raise(&self, event: EventSeats) -> Result<bool, GateError>;

    /// Sets the bucket to the seats left if it is missing or holds more tokens,
    /// whatever is leased. Does nothing and returns `false` if the gate's
    /// generation is not the one that was read any more.
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

    async fn read(&self, _: &[EventId]) -> Result<Vec<Option<GateReading>>, GateError> {
        Ok(Vec::new())
    }

    async fn raise(&self, _: EventSeats) -> Result<bool, GateError> {
        Ok(false)
    }

    async fn rebuild(&self, _: EventSeats, _: GateGeneration) -> Result<bool, GateError> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use futures::executor::block_on;

    use super::*;
    use crate::model::Capacity;

    /// Of an event with five seats left.
    fn seats() -> EventSeats {
        EventSeats {
            event_id: EventId::try_new(7).expect("positive"),
            seats_available: Capacity::try_new(5).expect("in range"),
            start_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_gate_holds_the_seats_left_and_may_lack_those_that_are_leased() {
        use GateFault::{TooHigh, TooLow};
        for (tokens, fault) in [
            (None, Some(TooHigh)),
            (Some(6), Some(TooHigh)),
            (Some(5), None),
            (Some(3), None),
            (Some(2), Some(TooLow)),
        ] {
            let reading = GateReading {
                tokens,
                leases: 1,
                seats_leased: 2,
                generation: GateGeneration(0),
            };
            assert_eq!(reading.fault(&seats()), fault, "{tokens:?}");
        }
    }

    #[test]
    fn without_a_gate_there_is_nothing_to_read_or_to_raise() {
        let read = block_on(NoGate.read(&[seats().event_id]));
        assert_eq!(read.expect("it answers"), []);
        assert!(!block_on(NoGate.raise(seats())).expect("it answers"));
        let rebuilt = block_on(NoGate.rebuild(seats(), GateGeneration(0)));
        assert!(rebuilt.expect("it answers"), "nobody has to try again");
    }
}

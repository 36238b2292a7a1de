//! Putting the seat gate right from the store.

use crate::model::{EventId, EventSeats, Timeline};
use crate::ports::{EventCatalogue, GateError, SeatGate, StoreError};

/// How many events are compared with one question to the store and one to the
/// gate.
const EVENTS_AT_ONCE: usize = 500;

/// How often a gate that changes while it is rebuilt is tried again in one
/// round. A gate in such traffic is either right, or refuses, and then comes
/// to rest within moments.
const ATTEMPTS_MAX: usize = 5;

/// What a round of reconciliation found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateReport {
    /// Events compared.
    pub events_checked: usize,
    /// Gates that were wrong and are right now.
    pub gates_rebuilt: usize,
    /// Gates that were wrong, but in use; the next round looks again.
    pub gates_busy: usize,
}

/// Why a round of reconciliation ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The gate did not answer.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares the gates of all upcoming events with the seats left in the store
/// and rebuilds those that are missing or wrong.
///
/// The gate is read first and the store second, and a gate is rebuilt only if
/// it did not change in between and no booking is under way: so a rebuilt gate
/// never counts a seat of a booking twice. A cancellation that has not told the
/// gate yet may leave the bucket too high, which costs a few questions to the
/// store until the next round. Safe beside live traffic and beside other
/// processes that do the same.
///
/// # Errors
/// The gate or the store did not answer; what was rebuilt before stays so.
pub async fn reconcile_gate(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
) -> Result<GateReport, ReconcileError> {
    let mut report = GateReport::default();
    let mut after = None;
    loop {
        let events = catalogue.seats_of_upcoming(after, EVENTS_AT_ONCE).await?;
        let Some(last) = events.last() else {
            return Ok(report);
        };
        after = Some(Timeline {
            at: last.start_at,
            id: last.event_id.get(),
        });
        report.events_checked += events.len();
        for suspect in suspects(gate, &events).await? {
            if rebuild(catalogue, gate, suspect).await? {
                report.gates_rebuilt += 1;
            } else {
                report.gates_busy += 1;
            }
        }
        if events.len() < EVENTS_AT_ONCE {
            return Ok(report);
        }
    }
}

/// Events whose gate differs from the seats left, going by a glance that
/// traffic may have blurred.
async fn suspects(
    gate: &(impl SeatGate + ?Sized),
    events: &[EventSeats],
) -> Result<Vec<EventId>, GateError> {
    let event_ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    let readings = gate.read(&event_ids).await?;
    Ok(events
        .iter()
        .zip(readings)
        .filter(|(seats, reading)| !reading.agrees_with(seats))
        .map(|(seats, _)| seats.event_id)
        .collect())
}

/// Looks again, closely, and rebuilds if need be. Returns whether the gate is
/// right now.
async fn rebuild(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event_id: EventId,
) -> Result<bool, ReconcileError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(reading) = gate.read(&[event_id]).await?.pop() else {
            return Ok(true);
        };
        let Some(seats) = catalogue.seats_of(event_id).await? else {
            gate.close(event_id).await;
            return Ok(true);
        };
        if reading.agrees_with(&seats) || gate.rebuild(seats, reading.generation).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use chrono::DateTime;
    use futures::executor::block_on;

    use super::*;
    use crate::model::Capacity;
    use crate::ports::mocks::{MockEventCatalogue, MockSeatGate};
    use crate::ports::{GateGeneration, GateReading};

    fn seats(left: i64) -> EventSeats {
        EventSeats {
            event_id: EventId::try_new(7).expect("positive"),
            seats_available: Capacity::try_new(left).expect("in range"),
            start_at: DateTime::UNIX_EPOCH,
        }
    }

    fn catalogue_with(left: i64) -> MockEventCatalogue {
        let mut catalogue = MockEventCatalogue::new();
        catalogue
            .expect_seats_of_upcoming()
            .returning(move |_, _| Ok(vec![seats(left)]));
        catalogue
            .expect_seats_of()
            .returning(move |_| Ok(Some(seats(left))));
        catalogue
    }

    fn gate_reading(tokens: Option<i64>, leases: u64) -> MockSeatGate {
        let mut gate = MockSeatGate::new();
        let reading = GateReading {
            tokens,
            leases,
            generation: GateGeneration(4),
        };
        gate.expect_read().returning(move |_| Ok(vec![reading]));
        gate
    }

    fn report(rebuilt: usize, busy: usize) -> GateReport {
        GateReport {
            events_checked: 1,
            gates_rebuilt: rebuilt,
            gates_busy: busy,
        }
    }

    #[test]
    fn a_gate_that_is_right_or_in_use_is_left_alone() {
        for (tokens, leases) in [(5, 0), (3, 2), (9, 1)] {
            let gate = gate_reading(Some(tokens), leases);
            let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
            assert_eq!(found, report(0, 0), "{tokens} tokens, {leases} leases");
        }
    }

    #[test]
    fn a_missing_or_wrong_gate_is_rebuilt() {
        for tokens in [None, Some(4), Some(6), Some(-1)] {
            let mut gate = gate_reading(tokens, 0);
            gate.expect_rebuild()
                .withf(|event, generation| *event == seats(5) && *generation == GateGeneration(4))
                .times(1)
                .returning(|_, _| Ok(true));
            let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
            assert_eq!(found, report(1, 0), "{tokens:?}");
        }
    }

    #[test]
    fn a_gate_that_never_rests_is_left_to_the_next_round() {
        let mut gate = gate_reading(None, 1);
        gate.expect_rebuild()
            .times(ATTEMPTS_MAX)
            .returning(|_, _| Ok(false));
        let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
        assert_eq!(found, report(0, 1));
    }
}

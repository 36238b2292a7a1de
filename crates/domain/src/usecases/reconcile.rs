//! Putting the seat gate right from the store.

use std::collections::BTreeSet;

use crate::model::{EventId, EventSeats, Timeline};
use crate::ports::{EventCatalogue, GateError, GateFault, SeatGate, StoreError};

/// How many events are compared with one question to the store and one to the
/// gate.
const EVENTS_AT_ONCE: usize = 500;

/// How often a gate that changes while it is rebuilt is tried again in one
/// round. Only a gate that is missing or too high is ever left to the next one.
const ATTEMPTS_MAX: usize = 5;

/// What a round of reconciliation found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateReport {
    /// Events compared.
    pub events_checked: usize,
    /// Gates that were wrong and are right now.
    pub gates_rebuilt: usize,
    /// Gates that were wrong, but changed all the time; the next round looks
    /// again.
    pub gates_busy: usize,
}

/// What a look at all gates found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateCheck {
    /// Events compared.
    pub events_checked: usize,
    /// Gates that are wrong.
    pub gates_wrong: usize,
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
    /// The gates of so many events could not be reached, those of all others were.
    #[error("{0} seat gates could not be reached")]
    Unreached(usize),
}

/// Puts gates right, round by round. Between rounds it remembers which events
/// had a gate, to close those that were deleted while the gate was away.
#[derive(Debug, Default)]
pub struct GateReconciler {
    /// Upcoming events that were seen and not found gone since.
    events: BTreeSet<EventId>,
}

impl GateReconciler {
    /// Compares the gates of all upcoming events with the seats left in the
    /// store, raises those that are too low, rebuilds those that are missing or
    /// too high, and closes those of events that were deleted since the last
    /// round.
    ///
    /// The gate is read first and the store second. Bookings that come between
    /// cannot make a right gate look too low, nor does a gate that is too low
    /// have to come to rest before it is raised: see the docs of
    /// [`SeatGate`] for what a right gate holds. A cancellation that has not
    /// told the gate yet may leave the bucket too high, a smaller capacity too
    /// low, until the next round. Safe beside live traffic and beside other
    /// processes that do the same.
    ///
    /// # Errors
    /// The gate or the store did not answer; what was mended before stays so. Some
    /// gates could not be reached; all others were put right.
    pub async fn round(
        &mut self,
        catalogue: &(impl EventCatalogue + ?Sized),
        gate: &(impl SeatGate + ?Sized),
    ) -> Result<GateReport, ReconcileError> {
        let mut report = GateReport::default();
        let mut upcoming = BTreeSet::new();
        let mut unreached = 0;
        let mut after = None;
        loop {
            let events = catalogue.seats_of_upcoming(after, EVENTS_AT_ONCE).await?;
            let event_ids = events.iter().map(|event| event.event_id);
            upcoming.extend(event_ids.clone());
            self.events.extend(event_ids);
            report.events_checked += events.len();
            let glance = glance(gate, &events).await?;
            unreached += glance.unreached;
            for suspect in glance.suspects {
                match mend(catalogue, gate, suspect).await? {
                    Mended::WasRight => {}
                    Mended::Now => report.gates_rebuilt += 1,
                    Mended::NotYet => report.gates_busy += 1,
                }
            }
            after = next_page(&events);
            if after.is_none() {
                break;
            }
        }
        let gone: Vec<_> = self.events.difference(&upcoming).copied().collect();
        for event_ids in gone.chunks(EVENTS_AT_ONCE) {
            unreached += self.close_deleted(catalogue, gate, event_ids).await?;
        }
        all_reached(unreached)?;
        Ok(report)
    }

    /// Closes the gates of those events that were deleted. An event is forgotten
    /// when it only began, and else when its gate is seen to be gone: nobody
    /// says whether closing it worked. Gives the number of gates that were not seen.
    async fn close_deleted(
        &mut self,
        catalogue: &(impl EventCatalogue + ?Sized),
        gate: &(impl SeatGate + ?Sized),
        event_ids: &[EventId],
    ) -> Result<usize, ReconcileError> {
        let readings = gate.read(event_ids).await?;
        let mut unreached = 0;
        for (event_id, reading) in event_ids.iter().zip(readings) {
            let Some(reading) = reading else {
                unreached += 1;
                continue;
            };
            if reading.tokens.is_some() && catalogue.seats_of(*event_id).await?.is_none() {
                gate.close(*event_id).await;
            } else {
                self.events.remove(event_id);
            }
        }
        Ok(unreached)
    }
}

/// One round by itself, as [`GateReconciler::round`].
///
/// # Errors
/// The gate or the store did not answer; what was mended before stays so.
pub async fn reconcile_gate(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
) -> Result<GateReport, ReconcileError> {
    GateReconciler::default().round(catalogue, gate).await
}

/// Compares the gates of all upcoming events with the seats left in the store,
/// changes nothing but what looking at a gate does, and hands over the events
/// whose gate is wrong each time of several that it is looked at: traffic may make
/// it look so for a moment.
///
/// # Errors
/// The gate or the store did not answer, or not every gate could be reached.
pub async fn check_gate(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    mut hand_over: impl FnMut(EventId) + Send,
) -> Result<GateCheck, ReconcileError> {
    let mut report = GateCheck::default();
    let mut unreached = 0;
    let mut after = None;
    loop {
        let events = catalogue.seats_of_upcoming(after, EVENTS_AT_ONCE).await?;
        report.events_checked += events.len();
        let glance = glance(gate, &events).await?;
        unreached += glance.unreached;
        for suspect in glance.suspects {
            if is_wrong(catalogue, gate, suspect).await? {
                report.gates_wrong += 1;
                hand_over(suspect);
            }
        }
        after = next_page(&events);
        if after.is_none() {
            all_reached(unreached)?;
            return Ok(report);
        }
    }
}

fn all_reached(unreached: usize) -> Result<(), ReconcileError> {
    match unreached {
        0 => Ok(()),
        gates => Err(ReconcileError::Unreached(gates)),
    }
}

/// Behind which event the next page begins, if there may be another one.
fn next_page(events: &[EventSeats]) -> Option<Timeline> {
    let last = events.last().filter(|_| events.len() == EVENTS_AT_ONCE)?;
    Some(Timeline {
        at: last.start_at,
        id: last.event_id.get(),
    })
}

async fn is_wrong(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event_id: EventId,
) -> Result<bool, ReconcileError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(reading) = gate.read(&[event_id]).await?.pop().flatten() else {
            return Ok(false);
        };
        let Some(seats) = catalogue.seats_of(event_id).await? else {
            return Ok(reading.tokens.is_some());
        };
        if reading.fault(&seats).is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a glance at many gates shows.
#[derive(Default)]
struct Glance {
    /// Events whose gate differs from the seats left; traffic may have blurred it.
    suspects: Vec<EventId>,
    unreached: usize,
}

async fn glance(
    gate: &(impl SeatGate + ?Sized),
    events: &[EventSeats],
) -> Result<Glance, GateError> {
    let mut glance = Glance::default();
    if events.is_empty() {
        return Ok(glance);
    }
    let event_ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
    let readings = gate.read(&event_ids).await?;
    for (seats, reading) in events.iter().zip(readings) {
        match reading {
            None => glance.unreached += 1,
            Some(reading) if reading.fault(seats).is_some() => {
                glance.suspects.push(seats.event_id);
            }
            Some(_) => {}
        }
    }
    Ok(glance)
}

/// What became of a gate that looked wrong.
enum Mended {
    WasRight,
    Now,
    NotYet,
}

/// Looks again, closely, and mends what is wrong.
async fn mend(
    catalogue: &(impl EventCatalogue + ?Sized),
    gate: &(impl SeatGate + ?Sized),
    event_id: EventId,
) -> Result<Mended, ReconcileError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(reading) = gate.read(&[event_id]).await?.pop().flatten() else {
            return Ok(Mended::WasRight);
        };
        let Some(seats) = catalogue.seats_of(event_id).await? else {
            gate.close(event_id).await;
            return Ok(Mended::Now);
        };
        match reading.fault(&seats) {
            None => return Ok(Mended::WasRight),
            Some(GateFault::TooLow) if gate.raise(seats).await? => return Ok(Mended::Now),
            Some(GateFault::TooLow) => return Ok(Mended::WasRight),
            Some(GateFault::TooHigh) if gate.rebuild(seats, reading.generation).await? => {
                return Ok(Mended::Now);
            }
            Some(GateFault::TooHigh) => {}
        }
    }
    Ok(Mended::NotYet)
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

    #[test]
    fn behind_a_full_page_there_may_be_another_one() {
        let mut page = vec![seats(1); EVENTS_AT_ONCE];
        let last = Timeline {
            at: DateTime::UNIX_EPOCH,
            id: 7,
        };
        assert_eq!(next_page(&page), Some(last));
        page.pop();
        assert_eq!(next_page(&page), None);
        assert_eq!(next_page(&[]), None);
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

    fn gate_reading(tokens: Option<i64>, seats_leased: i64) -> MockSeatGate {
        let mut gate = MockSeatGate::new();
        let reading = GateReading {
            tokens,
            leases: u64::from(seats_leased > 0),
            seats_leased,
            generation: GateGeneration(4),
        };
        gate.expect_read()
            .returning(move |_| Ok(vec![Some(reading)]));
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
    fn a_gate_that_is_right_is_left_alone() {
        // With leases out: all sold and not settled, some, none.
        for (tokens, leased) in [(5, 0), (5, 2), (4, 2), (3, 2), (0, 5), (-1, 6)] {
            let gate = gate_reading(Some(tokens), leased);
            let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
            assert_eq!(found, report(0, 0), "{tokens} tokens, {leased} leased");
        }
    }

    #[test]
    fn a_gate_that_is_too_low_is_raised_whatever_is_leased() {
        for (tokens, leased) in [(4, 0), (-1, 0), (0, 4), (2, 2)] {
            let mut gate = gate_reading(Some(tokens), leased);
            gate.expect_raise()
                .withf(|event| *event == seats(5))
                .times(1)
                .returning(|_| Ok(true));
            let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
            assert_eq!(found, report(1, 0), "{tokens} tokens, {leased} leased");
        }
    }

    #[test]
    fn a_gate_that_is_missing_or_too_high_is_rebuilt_whatever_is_leased() {
        for (tokens, leased) in [(None, 0), (None, 2), (Some(6), 0), (Some(6), 3)] {
            let mut gate = gate_reading(tokens, leased);
            gate.expect_rebuild()
                .withf(|event, generation| *event == seats(5) && *generation == GateGeneration(4))
                .times(1)
                .returning(|_, _| Ok(true));
            let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
            assert_eq!(found, report(1, 0), "{tokens:?} tokens, {leased} leased");
        }
    }

    fn told(tokens: Option<i64>) -> (GateCheck, Vec<EventId>) {
        // Nothing that changes it is expected: the mock panics on that.
        let gate = gate_reading(tokens, 0);
        let mut wrong = Vec::new();
        let hand_over = |event_id| wrong.push(event_id);
        let report = block_on(check_gate(&catalogue_with(5), &gate, hand_over));
        (report.expect("both answer"), wrong)
    }

    #[test]
    fn a_gate_that_is_only_checked_is_told_and_left_as_it_is() {
        for (tokens, wrong) in [(None, 1), (Some(4), 1), (Some(6), 1), (Some(5), 0)] {
            let (report, events) = told(tokens);
            let expected = GateCheck {
                events_checked: 1,
                gates_wrong: wrong,
            };
            assert_eq!(report, expected, "{tokens:?}");
            assert_eq!(events, vec![seats(5).event_id; wrong], "{tokens:?}");
        }
    }

    #[test]
    fn a_gate_that_is_right_at_a_second_look_was_not_wrong() {
        let mut gate = MockSeatGate::new();
        for tokens in [6, 6, 5] {
            let reading = GateReading {
                tokens: Some(tokens),
                leases: 0,
                seats_leased: 0,
                generation: GateGeneration(4),
            };
            gate.expect_read()
                .times(1)
                .returning(move |_| Ok(vec![Some(reading)]));
        }
        let report = block_on(check_gate(&catalogue_with(5), &gate, |_| {}));
        assert_eq!(report.expect("both answer").gates_wrong, 0);
    }

    #[test]
    fn a_gate_that_changes_all_the_time_is_left_to_the_next_round() {
        let mut gate = gate_reading(None, 1);
        gate.expect_rebuild()
            .times(ATTEMPTS_MAX)
            .returning(|_, _| Ok(false));
        let found = block_on(reconcile_gate(&catalogue_with(5), &gate)).expect("both answer");
        assert_eq!(found, report(0, 1));
    }

    /// A catalogue from which the event is gone after the first round.
    fn catalogue_that_loses(event: Option<EventSeats>) -> MockEventCatalogue {
        let mut catalogue = MockEventCatalogue::new();
        catalogue
            .expect_seats_of_upcoming()
            .times(1)
            .returning(|_, _| Ok(vec![seats(5)]));
        catalogue
            .expect_seats_of_upcoming()
            .returning(|_, _| Ok(Vec::new()));
        catalogue.expect_seats_of().returning(move |_| Ok(event));
        catalogue
    }

    #[test]
    fn the_gate_of_a_deleted_event_is_closed_until_it_is_gone() {
        let catalogue = catalogue_that_loses(None);
        let mut gate = MockSeatGate::new();
        let standing = |tokens| GateReading {
            tokens,
            leases: 0,
            seats_leased: 0,
            generation: GateGeneration(4),
        };
        // The first closing gets lost, and in one round the gate is away.
        for tokens in [Some(5), Some(5), Some(5)] {
            gate.expect_read()
                .times(1)
                .returning(move |_| Ok(vec![Some(standing(tokens))]));
        }
        gate.expect_read()
            .times(1)
            .returning(|_| Err(GateError("away".into())));
        gate.expect_read()
            .times(1)
            .returning(move |_| Ok(vec![Some(standing(None))]));
        gate.expect_close().times(2).return_const(());
        let mut reconciler = GateReconciler::default();
        let mut round = || block_on(reconciler.round(&catalogue, &gate));
        for _ in 0..3 {
            round().expect("both answer");
        }
        round().expect_err("the gate is away");
        round().expect("both answer");
        round().expect("nothing is left to ask the gate");
    }

    #[test]
    fn the_gate_of_a_deleted_event_is_closed_when_it_is_in_reach_again() {
        let catalogue = catalogue_that_loses(None);
        let mut gate = MockSeatGate::new();
        let standing = GateReading {
            tokens: Some(5),
            leases: 0,
            seats_leased: 0,
            generation: GateGeneration(4),
        };
        for reading in [Some(standing), None, Some(standing)] {
            gate.expect_read()
                .times(1)
                .returning(move |_| Ok(vec![reading]));
        }
        gate.expect_close().times(1).return_const(());
        let mut reconciler = GateReconciler::default();
        let mut round = || block_on(reconciler.round(&catalogue, &gate));
        round().expect("both answer");
        let error = round().expect_err("it is out of reach");
        assert!(matches!(error, ReconcileError::Unreached(1)), "{error}");
        round().expect("both answer");
    }

    #[test]
    fn a_gate_that_is_out_of_reach_keeps_no_other_from_being_put_right() {
        let id = |id| EventId::try_new(id).expect("positive");
        let mut catalogue = MockEventCatalogue::new();
        let both = [8, 7].map(|event| EventSeats {
            event_id: id(event),
            ..seats(5)
        });
        catalogue
            .expect_seats_of_upcoming()
            .returning(move |_, _| Ok(both.to_vec()));
        catalogue
            .expect_seats_of()
            .returning(|_| Ok(Some(seats(5))));
        let low = GateReading {
            tokens: Some(1),
            leases: 0,
            seats_leased: 0,
            generation: GateGeneration(4),
        };
        let mut gate = MockSeatGate::new();
        gate.expect_read().returning(move |events| {
            let reading = |event: &EventId| (*event == id(7)).then_some(low);
            Ok(events.iter().map(reading).collect())
        });
        gate.expect_raise()
            .withf(|event| *event == seats(5))
            .times(1)
            .returning(|_| Ok(true));
        let error = block_on(reconcile_gate(&catalogue, &gate)).expect_err("one is out of reach");
        assert!(matches!(error, ReconcileError::Unreached(1)), "{error}");
        let checked = block_on(check_gate(&catalogue, &gate, |_| {}));
        assert!(matches!(checked, Err(ReconcileError::Unreached(1))));
    }

    #[test]
    fn the_gate_of_an_event_that_began_is_left_to_itself() {
        let catalogue = catalogue_that_loses(Some(seats(5)));
        // Closing is not expected: the mock panics on it.
        let gate = gate_reading(Some(5), 0);
        let mut reconciler = GateReconciler::default();
        for _ in 0..3 {
            block_on(reconciler.round(&catalogue, &gate)).expect("both answer");
        }
    }
}

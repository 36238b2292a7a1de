//! Putting the seat gate right from the store.

#[cfg(all(test, feature = "mocks"))]
mod tests;

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

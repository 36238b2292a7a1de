//! Comparing what is kept with the bookings a little at a time, for as long as a
//! process serves.

use std::collections::{BTreeSet, VecDeque};

use super::reconcile_figures::{BOUNDS, Found, KEYS_MAX, of_event};
use crate::model::{Difference, EventDifference, EventFigures, EventId, KeyPlace, Timeline};
use crate::ports::{Reconciliation, StoreError};
use crate::rules;

/// So many bookings are counted in a turn on average; who counted more leaves
/// out turns.
const BOOKINGS_A_TURN: i64 = 100_000;

/// In one turn out of so many, events that are over or deleted are looked at, and
/// keys; in the others those to come.
const SELDOM: u32 = 6;

/// So many differences that stay are remembered, so that each is told once. Those
/// beyond are told each time they are seen.
const STANDING_MAX: usize = 1_000;

/// What a turn came to.
#[derive(Debug, Default)]
pub struct FigureReport {
    /// Events compared.
    pub events: usize,
    /// Idempotency keys compared.
    pub keys: usize,
    /// Differences that were repaired, and those that stay and were not told
    /// before.
    pub found: Vec<Found>,
    /// Events that could not be compared, because the store was busy for too long.
    pub passed_by: Vec<(EventId, StoreError)>,
    /// Why the turn ended early.
    pub trouble: Option<StoreError>,
}

/// Goes round and round, a bounded turn at a time, and repairs what may be.
///
/// Two walks: the events to come, again and again, and seldom all there ever
/// were, with the idempotency keys. An event with more bookings than are counted
/// in passing is counted by itself. What a turn costs follows neither the number
/// of events nor of bookings.
#[derive(Debug, Default)]
pub struct FigureReconciler {
    turns: u32,
    upcoming: Option<Timeline>,
    all: Option<EventId>,
    keys: Option<KeyPlace>,
    /// Events to be counted by themselves, at most those of one glance.
    uncounted: VecDeque<EventId>,
    /// Bookings counted beyond what the turns so far allow.
    ahead: i64,
    /// Whether the sum over all events is to be compared.
    total_is_due: bool,
    standing: BTreeSet<Difference>,
    /// Faults of keys in the present walk through them.
    key_faults: BTreeSet<Difference>,
}

impl FigureReconciler {
    /// The next turn. Trouble is in its report, beside what was done before.
    pub async fn turn(&mut self, store: &(impl Reconciliation + ?Sized)) -> FigureReport {
        let mut report = FigureReport::default();
        self.ahead = (self.ahead - BOOKINGS_A_TURN).max(0);
        if self.ahead == 0 {
            report.trouble = self.work(store, &mut report).await.err();
        }
        report
    }

    /// Differences that are there and cannot be repaired, as far as is known.
    pub fn standing(&self) -> usize {
        self.standing.len()
    }

    async fn work(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        while self.ahead < BOOKINGS_A_TURN
            && let Some(event_id) = self.uncounted.pop_front()
        {
            self.count_alone(store, event_id, report).await?;
        }
        if self.uncounted.is_empty() && self.ahead < BOOKINGS_A_TURN {
            self.turns = self.turns.wrapping_add(1);
            if self.turns.is_multiple_of(SELDOM) {
                self.look_at_all(store, report).await?;
                self.look_at_keys(store, report).await?;
            } else {
                self.look_at_upcoming(store, report).await?;
            }
        }
        if self.total_is_due {
            if let Some(difference) = store.repair_total().await? {
                report.found.push(Found {
                    difference: Difference::Total(difference),
                    repaired: true,
                });
            }
            self.total_is_due = false;
        }
        Ok(())
    }

    async fn look_at_upcoming(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        let glance = store.glance_at_upcoming(self.upcoming, BOUNDS).await?;
        // Before the events are looked at closely: one that fails must not keep
        // the walk from those behind it for good.
        self.upcoming = glance.next;
        self.uncounted.extend(glance.uncounted);
        self.settle_all(store, &glance.counted, report).await
    }

    async fn look_at_all(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        let glance = store.glance_at_all(self.all, BOUNDS).await?;
        self.all = glance.next;
        self.total_is_due |= glance.next.is_none();
        self.uncounted.extend(glance.uncounted);
        self.settle_all(store, &glance.counted, report).await
    }

    async fn look_at_keys(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        let glance = store.check_keys(self.keys.clone(), KEYS_MAX).await?;
        self.keys = glance.next;
        report.keys += glance.keys;
        for fault in glance.faults {
            let difference = Difference::Key(fault);
            if self.key_faults.len() < STANDING_MAX {
                self.key_faults.insert(difference);
            }
            self.tell_standing(difference, report);
        }
        if self.keys.is_none() {
            let seen = std::mem::take(&mut self.key_faults);
            self.standing.retain(|difference| match difference {
                Difference::Key(_) => seen.contains(difference),
                Difference::Event { .. } | Difference::Total(_) => true,
            });
        }
        Ok(())
    }

    async fn count_alone(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        event_id: EventId,
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        let figures = match store.figures(event_id).await {
            Err(error @ StoreError::Busy(_)) => {
                report.passed_by.push((event_id, error));
                return Ok(());
            }
            figures => figures?,
        };
        self.settle_all(store, figures.as_slice(), report).await
    }

    async fn settle_all(
        &mut self,
        store: &(impl Reconciliation + ?Sized),
        events: &[EventFigures],
        report: &mut FigureReport,
    ) -> Result<(), StoreError> {
        report.events += events.len();
        self.ahead += events.iter().map(|event| event.bookings).sum::<i64>();
        for figures in events {
            let event_id = figures.event_id;
            let differences = rules::compare(figures);
            if differences.is_empty() {
                self.note(event_id, &differences, report);
                continue;
            }
            if self.are_known(event_id, &differences) {
                continue;
            }
            // Before: a repair may be made and its answer lost.
            self.total_is_due = true;
            // A look that is closer says what it is.
            match store.repair_event(event_id).await {
                Ok(differences) => self.note(event_id, &differences, report),
                Err(error @ StoreError::Busy(_)) => {
                    report.passed_by.push((event_id, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether all that is different of the event was told before.
    fn are_known(&self, event_id: EventId, differences: &[EventDifference]) -> bool {
        let told = |difference: &EventDifference| {
            let difference = of_event(event_id, *difference);
            self.standing.contains(&difference)
        };
        differences.iter().all(told)
    }

    fn note(
        &mut self,
        event_id: EventId,
        differences: &[EventDifference],
        report: &mut FigureReport,
    ) {
        self.standing.retain(|known| match known {
            Difference::Event {
                event_id: of,
                difference,
            } => *of != event_id || differences.contains(difference),
            Difference::Total(_) | Difference::Key(_) => true,
        });
        for difference in differences {
            let difference = of_event(event_id, *difference);
            if difference.is_repairable() {
                report.found.push(Found {
                    difference,
                    repaired: true,
                });
            } else {
                self.tell_standing(difference, report);
            }
        }
    }

    fn tell_standing(&mut self, difference: Difference, report: &mut FigureReport) {
        let is_new = if self.standing.len() < STANDING_MAX {
            self.standing.insert(difference)
        } else {
            !self.standing.contains(&difference)
        };
        if is_new {
            report.found.push(Found {
                difference,
                repaired: false,
            });
        }
    }
}

#[cfg(test)]
mod tests;

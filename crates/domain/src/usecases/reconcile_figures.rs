//! Comparing everything that is kept with the bookings, once and from end to end.
//! What goes on beside the requests is in `figure_reconciler`.

use crate::model::{
    Difference, EventDifference, EventFigures, EventId, GlanceBounds, TotalDifference,
};
use crate::ports::{Reconciliation, StoreError};
use crate::rules;

/// What one look at the store may read: 200,000 bookings and 2,000 keys.
pub(super) const BOUNDS: GlanceBounds = GlanceBounds {
    events_max: 200,
    bookings_max: 1_000,
};
pub(super) const KEYS_MAX: usize = 2_000;

/// What is to be done about differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing: they are told.
    Tell,
    /// What the bookings say how to repair is repaired.
    Repair,
}

/// A difference, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What was different.
    pub difference: Difference,
    /// Whether it is no more.
    pub repaired: bool,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FigureCounts {
    /// Events compared.
    pub events: usize,
    /// Idempotency keys compared.
    pub keys: usize,
    /// Differences found.
    pub found: usize,
    /// Those of them that were repaired.
    pub repaired: usize,
}

impl FigureCounts {
    /// Differences that were found and are still there.
    pub fn standing(&self) -> usize {
        self.found - self.repaired
    }
}

/// Compares every event, those that are over and those that were deleted too, the
/// sum over all of them, and every idempotency key, and hands over what differs
/// as soon as it is known. Safe beside live traffic and beside other processes.
///
/// # Errors
/// The store did not answer; what was repaired before stays so.
pub async fn reconcile_figures(
    store: &(impl Reconciliation + ?Sized),
    remedy: Remedy,
    mut hand_over: impl FnMut(Found) + Send,
) -> Result<FigureCounts, StoreError> {
    let mut counts = FigureCounts::default();
    let mut note = |counts: &mut FigureCounts, difference: Difference| {
        let repaired = remedy == Remedy::Repair && difference.is_repairable();
        counts.found += 1;
        counts.repaired += usize::from(repaired);
        hand_over(Found {
            difference,
            repaired,
        });
    };
    let mut after = None;
    loop {
        let glance = store.glance_at_all(after, BOUNDS).await?;
        counts.events += glance.counted.len() + glance.uncounted.len();
        let mut figures = glance.counted;
        for event_id in glance.uncounted {
            figures.extend(store.figures(event_id).await?);
        }
        for figures in &figures {
            for difference in settle(store, remedy, figures).await? {
                note(&mut counts, of_event(figures.event_id, difference));
            }
        }
        after = glance.next;
        if after.is_none() {
            break;
        }
    }
    // The sum is of figures, which are right by now.
    if let Some(difference) = settle_total(store, remedy).await? {
        note(&mut counts, Difference::Total(difference));
    }
    let mut after = None;
    loop {
        let glance = store.check_keys(after, KEYS_MAX).await?;
        counts.keys += glance.keys;
        for fault in glance.faults {
            note(&mut counts, Difference::Key(fault));
        }
        after = glance.next;
        if after.is_none() {
            return Ok(counts);
        }
    }
}

/// What is different of an event, going by a look at it. A second one, closer,
/// says what it is.
pub(super) async fn settle(
    store: &(impl Reconciliation + ?Sized),
    remedy: Remedy,
    figures: &EventFigures,
) -> Result<Vec<EventDifference>, StoreError> {
    if rules::compare(figures).is_empty() {
        return Ok(Vec::new());
    }
    match remedy {
        Remedy::Tell => store.check_event(figures.event_id).await,
        Remedy::Repair => store.repair_event(figures.event_id).await,
    }
}

async fn settle_total(
    store: &(impl Reconciliation + ?Sized),
    remedy: Remedy,
) -> Result<Option<TotalDifference>, StoreError> {
    match remedy {
        Remedy::Tell => store.check_total().await,
        Remedy::Repair => store.repair_total().await,
    }
}

pub(super) fn of_event(event_id: EventId, difference: EventDifference) -> Difference {
    Difference::Event {
        event_id,
        difference,
    }
}

//! Comparing everything that is kept with the bookings, once and from end to end.
//! What goes on beside the requests is in `figure_reconciler`.

use crate::model::{Difference, EventDifference, EventId, GlanceBounds, TotalDifference};
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
        for figures in figures {
            if rules::compare(&figures).is_empty() {
                continue;
            }
            for difference in settle(store, remedy, figures.event_id).await? {
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

/// What is different of an event of which a glance says that something is: a look that
/// is closer says what.
async fn settle(
    store: &(impl Reconciliation + ?Sized),
    remedy: Remedy,
    event_id: EventId,
) -> Result<Vec<EventDifference>, StoreError> {
    match remedy {
        Remedy::Tell => store.check_event(event_id).await,
        Remedy::Repair => store.repair_event(event_id).await,
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

#[cfg(all(test, feature = "mocks"))]
mod tests {
    use chrono::DateTime;
    use futures::executor::block_on;

    use super::*;
    use crate::model::{
        BookingId, Capacity, ConfirmedSums, Deletion, EventFigures, Glance, KeyFault, KeyFaultKind,
        KeyGlance, KeyPlace, UserId,
    };
    use crate::ports::mocks::MockReconciliation;

    fn seats(count: i64) -> Capacity {
        Capacity::try_new(count).expect("in range")
    }

    /// An event of 10 seats, none of them booked, of which some are said to be gone.
    fn glanced() -> EventFigures {
        EventFigures {
            event_id: EventId::try_new(7).expect("positive"),
            start_at: DateTime::UNIX_EPOCH,
            deletion: Deletion::None,
            capacity: seats(10),
            seats_available: seats(6),
            confirmed_bookings: Some(0),
            bookings: 0,
            confirmed: ConfirmedSums::default(),
        }
    }

    /// A store in which the event is not as it was when it was glanced at.
    fn store_that_finds(remedy: Remedy, differences: Vec<EventDifference>) -> MockReconciliation {
        let mut store = MockReconciliation::new();
        store.expect_glance_at_all().times(1).returning(|_, _| {
            Ok(Glance {
                counted: vec![glanced()],
                uncounted: Vec::new(),
                next: None,
            })
        });
        // What the other remedy asks for is not expected: the mock panics on it.
        match remedy {
            Remedy::Tell => {
                let check = store.expect_check_event().times(1);
                check.returning(move |_| Ok(differences.clone()));
                store.expect_check_total().times(1).returning(|| Ok(None));
            }
            Remedy::Repair => {
                let repair = store.expect_repair_event().times(1);
                repair.returning(move |_| Ok(differences.clone()));
                store.expect_repair_total().times(1).returning(|| Ok(None));
            }
        }
        store.expect_check_keys().times(1).returning(|_, _| {
            Ok(KeyGlance {
                keys: 0,
                faults: Vec::new(),
                next: None,
            })
        });
        store
    }

    #[test]
    fn what_is_told_is_what_the_closer_look_found() {
        let other = EventDifference::ConfirmedBookings {
            kept: None,
            due: Some(1),
        };
        for remedy in [Remedy::Tell, Remedy::Repair] {
            for differences in [vec![], vec![other]] {
                let store = store_that_finds(remedy, differences.clone());
                let mut told = Vec::new();
                let counts = block_on(reconcile_figures(&store, remedy, |found| {
                    told.push(found);
                }));
                assert_eq!(counts.expect("it answers").found, differences.len());
                let expected = differences.iter().map(|difference| Found {
                    difference: of_event(glanced().event_id, *difference),
                    repaired: remedy == Remedy::Repair,
                });
                assert_eq!(told, expected.collect::<Vec<_>>(), "{remedy:?}");
            }
        }
    }

    /// Two pages of events, one of which only a look of its own finds to be wrong, and two of
    /// keys.
    fn store_with_pages() -> MockReconciliation {
        let mut store = MockReconciliation::new();
        let id = |id| EventId::try_new(id).expect("positive");
        let place = id(9);
        let right = EventFigures {
            seats_available: seats(10),
            ..glanced()
        };
        store
            .expect_glance_at_all()
            .times(2)
            .returning(move |after, _| {
                let is_last = after == Some(place);
                Ok(Glance {
                    counted: vec![right.clone()],
                    uncounted: if is_last { vec![] } else { vec![id(8), id(9)] },
                    next: (!is_last).then_some(place),
                })
            });
        store.expect_figures().times(2).returning(move |event_id| {
            let wrong = EventFigures {
                event_id,
                ..glanced()
            };
            Ok((event_id == id(9)).then_some(wrong))
        });
        store.expect_check_keys().times(2).returning(|after, _| {
            let fault = KeyFault {
                user_id: UserId::try_new(1).expect("positive"),
                booking_id: BookingId::try_new(3).expect("positive"),
                kind: KeyFaultKind::NoBooking,
            };
            let place = KeyPlace {
                user_id: 1,
                key: "k".to_owned(),
            };
            Ok(match after {
                None => KeyGlance {
                    keys: 3,
                    faults: vec![],
                    next: Some(place),
                },
                Some(_) => KeyGlance {
                    keys: 2,
                    faults: vec![fault],
                    next: None,
                },
            })
        });
        store
    }

    #[test]
    fn events_keys_and_differences_of_all_pages_are_counted() {
        let unmarked = EventDifference::Unmarked { bookings: 1 };
        let total = TotalDifference { kept: 1, due: 2 };
        for (remedy, repaired) in [(Remedy::Tell, 0), (Remedy::Repair, 2)] {
            let mut store = store_with_pages();
            match remedy {
                Remedy::Tell => {
                    let check = store.expect_check_event().once();
                    check
                        .withf(|event_id| event_id.get() == 9)
                        .return_once(move |_| Ok(vec![unmarked]));
                    store
                        .expect_check_total()
                        .return_once(move || Ok(Some(total)));
                }
                Remedy::Repair => {
                    let repair = store.expect_repair_event().once();
                    repair
                        .withf(|event_id| event_id.get() == 9)
                        .return_once(move |_| Ok(vec![unmarked]));
                    store
                        .expect_repair_total()
                        .return_once(move || Ok(Some(total)));
                }
            }
            let counts = block_on(reconcile_figures(&store, remedy, |_| {}));
            let counts = counts.expect("it answers");
            let expected = FigureCounts {
                events: 4,
                keys: 5,
                found: 3,
                repaired,
            };
            assert_eq!((counts, counts.standing()), (expected, 3 - repaired));
        }
    }
}

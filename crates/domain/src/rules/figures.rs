//! What is to be kept of an event, going by its bookings.

use crate::model::{Capacity, Deletion, EventDifference, EventFigures};

/// All that is kept otherwise than it should be.
///
/// Seats left are those that no confirmed booking holds. An oversold event has
/// none left, so that it sells nothing but what is cancelled meanwhile, and is
/// different until somebody has seen to it. A deleted event has all its seats and no figure, and its bookings
/// are marked as cancelled sooner or later.
pub fn compare(figures: &EventFigures) -> Vec<EventDifference> {
    let mut differences = Vec::new();
    let (seats_due, figure_due) = match figures.deletion {
        Deletion::None => (seats_left(figures), Some(figures.confirmed.bookings)),
        Deletion::Marking | Deletion::Finished => (figures.capacity, None),
    };
    if figures.seats_available != seats_due {
        differences.push(EventDifference::SeatsAvailable {
            kept: figures.seats_available,
            due: seats_due,
        });
    }
    if figures.confirmed_bookings != figure_due {
        differences.push(EventDifference::ConfirmedBookings {
            kept: figures.confirmed_bookings,
            due: figure_due,
        });
    }
    let confirmed = figures.confirmed;
    if figures.deletion == Deletion::Finished && confirmed.bookings > 0 {
        differences.push(EventDifference::Unmarked {
            bookings: confirmed.bookings,
        });
    }
    if figures.deletion == Deletion::None && confirmed.seats > i64::from(figures.capacity.get()) {
        differences.push(EventDifference::Oversold {
            capacity: figures.capacity,
            confirmed_seats: confirmed.seats,
        });
    }
    differences
}

fn seats_left(figures: &EventFigures) -> Capacity {
    let left = i64::from(figures.capacity.get()).saturating_sub(figures.confirmed.seats);
    // More than the capacity is confirmed.
    Capacity::try_new(left).unwrap_or(Capacity::NONE)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{ConfirmedSums, EventId};

    fn seats(count: i64) -> Capacity {
        Capacity::try_new(count).expect("in range")
    }

    /// An event of 10 seats with 2 bookings of 3 seats each, all of it as it should be.
    fn right() -> EventFigures {
        EventFigures {
            event_id: EventId::try_new(7).expect("positive"),
            start_at: DateTime::UNIX_EPOCH,
            deletion: Deletion::None,
            capacity: seats(10),
            seats_available: seats(4),
            confirmed_bookings: Some(2),
            bookings: 3,
            confirmed: ConfirmedSums {
                bookings: 2,
                seats: 6,
            },
        }
    }

    fn deleted(deletion: Deletion) -> EventFigures {
        EventFigures {
            deletion,
            seats_available: seats(10),
            confirmed_bookings: None,
            ..right()
        }
    }

    fn assert_found(figures: &EventFigures, expected: &[EventDifference]) {
        assert_eq!(compare(figures), expected, "{figures:?}");
    }

    #[test]
    fn what_follows_from_the_bookings_is_no_difference() {
        assert_found(&right(), &[]);
        assert_found(&deleted(Deletion::Marking), &[]);
        let marked = EventFigures {
            confirmed: ConfirmedSums::default(),
            ..deleted(Deletion::Finished)
        };
        assert_found(&marked, &[]);
    }

    #[test]
    fn each_difference_is_told_with_what_is_due() {
        let wrong = |kept| EventDifference::SeatsAvailable {
            kept: seats(kept),
            due: seats(4),
        };
        for kept in [0, 3, 5, 10] {
            let figures = EventFigures {
                seats_available: seats(kept),
                ..right()
            };
            assert_found(&figures, &[wrong(kept)]);
        }
        for kept in [None, Some(0), Some(1), Some(3)] {
            let figures = EventFigures {
                confirmed_bookings: kept,
                ..right()
            };
            let due = Some(2);
            assert_found(
                &figures,
                &[EventDifference::ConfirmedBookings { kept, due }],
            );
        }
    }

    #[test]
    fn a_deleted_event_keeps_nothing_and_has_its_bookings_marked() {
        assert_found(
            &deleted(Deletion::Finished),
            &[EventDifference::Unmarked { bookings: 2 }],
        );
        let figures = EventFigures {
            deletion: Deletion::Marking,
            ..right()
        };
        let (kept, due) = (seats(4), seats(10));
        assert_found(
            &figures,
            &[
                EventDifference::SeatsAvailable { kept, due },
                EventDifference::ConfirmedBookings {
                    kept: Some(2),
                    due: None,
                },
            ],
        );
    }

    #[test]
    fn an_oversold_event_has_no_seats_left_and_stays_different() {
        let oversold = EventDifference::Oversold {
            capacity: seats(5),
            confirmed_seats: 6,
        };
        let figures = EventFigures {
            capacity: seats(5),
            ..right()
        };
        let (kept, due) = (seats(4), Capacity::NONE);
        assert_found(
            &figures,
            &[EventDifference::SeatsAvailable { kept, due }, oversold],
        );
        let closed = EventFigures {
            seats_available: Capacity::NONE,
            ..figures
        };
        assert_found(&closed, &[oversold]);
        assert!(!oversold.is_repairable());
    }

    fn any_figures() -> impl Strategy<Value = EventFigures> {
        let deletion = prop_oneof![
            Just(Deletion::None),
            Just(Deletion::Marking),
            Just(Deletion::Finished)
        ];
        let kept = proptest::option::of(0..6i64);
        (deletion, 0..6i64, 0..6i64, kept, 0..6i64, 0..6i64).prop_map(
            |(deletion, capacity, left, confirmed_bookings, bookings, more)| EventFigures {
                deletion,
                capacity: seats(capacity),
                seats_available: seats(left.min(capacity)),
                confirmed_bookings,
                confirmed: ConfirmedSums {
                    bookings,
                    seats: if bookings == 0 { 0 } else { bookings + more },
                },
                ..right()
            },
        )
    }

    proptest! {
        /// Putting in what is due leaves nothing but what cannot be repaired.
        #[test]
        fn what_is_repaired_is_no_difference_any_more(figures in any_figures()) {
            let found = compare(&figures);
            let mut repaired = figures.clone();
            for difference in &found {
                match *difference {
                    EventDifference::SeatsAvailable { due, .. } => repaired.seats_available = due,
                    EventDifference::ConfirmedBookings { due, .. } => {
                        repaired.confirmed_bookings = due;
                    }
                    EventDifference::Unmarked { .. } => repaired.deletion = Deletion::Marking,
                    EventDifference::Oversold { .. } => {}
                }
            }
            let standing: Vec<_> =
                found.into_iter().filter(|difference| !difference.is_repairable()).collect();
            prop_assert_eq!(compare(&repaired), standing);
        }
    }
}

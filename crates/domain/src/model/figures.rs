//! What is kept beside the bookings because counting them at each look would
//! take too long, and how it may differ from them.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{BookingId, Capacity, EventId, UserId};

/// The sums over an event's confirmed bookings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfirmedSums {
    /// How many there are.
    pub bookings: i64,
    /// How many seats they hold.
    pub seats: i64,
}

/// What became of an event's bookings when it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// It was not deleted.
    None,
    /// They are still to be marked as cancelled, and will be.
    Marking,
    /// All of them are marked.
    Finished,
}

impl Deletion {
    /// Of an event that is deleted or not, and whose bookings wait to be marked or
    /// do not.
    pub fn of(is_deleted: bool, is_being_marked: bool) -> Self {
        match (is_deleted, is_being_marked) {
            (false, _) => Self::None,
            (true, true) => Self::Marking,
            (true, false) => Self::Finished,
        }
    }
}

/// What is kept of an event and what its bookings say, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFigures {
    /// Which event.
    pub event_id: EventId,
    /// When it begins.
    pub start_at: DateTime<Utc>,
    /// Whether it was deleted.
    pub deletion: Deletion,
    /// How many seats it has in all.
    pub capacity: Capacity,
    /// How many seats it has left, as kept.
    pub seats_available: Capacity,
    /// How many confirmed bookings it has, as kept; `None` where nothing is kept.
    pub confirmed_bookings: Option<i64>,
    /// How many bookings it has, those that were cancelled too.
    pub bookings: i64,
    /// What its bookings say.
    pub confirmed: ConfirmedSums,
}

/// How something kept of an event differs from its bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventDifference {
    /// The seats left are others than no confirmed booking holds.
    SeatsAvailable {
        /// What is kept.
        kept: Capacity,
        /// What it should be.
        due: Capacity,
    },
    /// The number of confirmed bookings is another.
    ConfirmedBookings {
        /// What is kept, if anything is.
        kept: Option<i64>,
        /// What should be, if anything should.
        due: Option<i64>,
    },
    /// The event was deleted, and nobody is going to mark these bookings as
    /// cancelled.
    Unmarked {
        /// How many are confirmed.
        bookings: i64,
    },
    /// More seats are confirmed than the event has. Who is to go without is for
    /// people to say.
    Oversold {
        /// How many seats it has in all.
        capacity: Capacity,
        /// How many are confirmed.
        confirmed_seats: i64,
    },
}

impl EventDifference {
    /// Whether the bookings say what is right.
    pub fn is_repairable(self) -> bool {
        !matches!(self, Self::Oversold { .. })
    }
}

/// The number of confirmed bookings over all events is not the sum of those of
/// each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotalDifference {
    /// What is kept.
    pub kept: i64,
    /// What it should be.
    pub due: i64,
}

/// An idempotency key that stands for what was never booked under it. The key
/// itself is a text of the user's own, which nobody else has to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFault {
    /// Whose key it is.
    pub user_id: UserId,
    /// The booking that it stands for.
    pub booking_id: BookingId,
    /// What is wrong with that.
    pub kind: KeyFaultKind,
}

/// What is wrong with the booking that a key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFaultKind {
    /// There is no such booking.
    NoBooking,
    /// It is of another user, for another event, or of other seats than were
    /// asked for under the key.
    AnotherBooking,
}

impl KeyFaultKind {
    /// Of a key whose booking is missing, or is another one; `None` if nothing is
    /// wrong with it.
    pub fn of(has_no_booking: bool, has_another_booking: bool) -> Option<Self> {
        match (has_no_booking, has_another_booking) {
            (true, _) => Some(Self::NoBooking),
            (false, true) => Some(Self::AnotherBooking),
            (false, false) => None,
        }
    }
}

/// Something that does not follow from the bookings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// In what is kept of an event.
    Event {
        /// Which event.
        event_id: EventId,
        /// What is different.
        difference: EventDifference,
    },
    /// In the sum over all events.
    Total(TotalDifference),
    /// In an idempotency key.
    Key(KeyFault),
}

impl Difference {
    /// Whether the bookings say what is right.
    pub fn is_repairable(self) -> bool {
        match self {
            Self::Event { difference, .. } => difference.is_repairable(),
            Self::Total(_) => true,
            Self::Key(_) => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event {
                event_id,
                difference,
            } => write!(f, "event {event_id} {difference}"),
            Self::Total(TotalDifference { kept, due }) => write!(
                f,
                "{kept} confirmed bookings are counted over all events, {due} event by event"
            ),
            Self::Key(fault) => write!(f, "{fault}"),
        }
    }
}

/// A clause that fits behind the name of the event.
impl fmt::Display for EventDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeatsAvailable { kept, due } => {
                write!(
                    f,
                    "is said to have {kept} seats left, by its bookings {due}"
                )
            }
            Self::ConfirmedBookings { kept, due } => {
                let figure = |figure: &Option<i64>| figure.map_or("none".into(), number);
                let (kept, due) = (figure(kept), figure(due));
                write!(
                    f,
                    "has {kept} as its figure of confirmed bookings, due is {due}"
                )
            }
            Self::Unmarked { bookings } => write!(
                f,
                "was deleted, and nobody is marking its {bookings} confirmed bookings"
            ),
            Self::Oversold {
                capacity,
                confirmed_seats,
            } => write!(f, "is oversold: {confirmed_seats} seats of {capacity}"),
        }
    }
}

fn number(figure: i64) -> String {
    figure.to_string()
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_id,
            booking_id,
            kind,
        } = self;
        let fault = match kind {
            KeyFaultKind::NoBooking => "which does not exist",
            KeyFaultKind::AnotherBooking => "which is not what was asked for under it",
        };
        write!(
            f,
            "an idempotency key of user {user_id} stands for booking {booking_id}, {fault}"
        )
    }
}

/// How much one look at a piece of a long list may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlanceBounds {
    /// The most events of one look.
    pub events_max: usize,
    /// The most bookings of one event that are counted in passing.
    pub bookings_max: usize,
}

/// A piece of the list of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance<Place> {
    /// The events whose bookings were counted, in the order of the list, all at
    /// one instant.
    pub counted: Vec<EventFigures>,
    /// Those that have more bookings than may be counted in passing.
    pub uncounted: Vec<EventId>,
    /// Behind which event the next piece begins; `None` behind the last one.
    pub next: Option<Place>,
}

impl<Place> Glance<Place> {
    /// A look within these bounds that found these events, of each of which one
    /// booking more than the bound may have been counted.
    pub fn of(
        events: Vec<EventFigures>,
        bounds: GlanceBounds,
        place: impl FnOnce(&EventFigures) -> Place,
    ) -> Self {
        let last = events.last().filter(|_| events.len() == bounds.events_max);
        let next = last.map(place);
        let in_passing = i64::try_from(bounds.bookings_max).unwrap_or(i64::MAX);
        let (counted, uncounted): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.bookings <= in_passing);
        Self {
            counted,
            uncounted: uncounted.iter().map(|event| event.event_id).collect(),
            next,
        }
    }
}

/// A place in the list of idempotency keys, ordered by user and then by key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPlace {
    /// Whose key.
    pub user_id: i64,
    /// The key as it is stored.
    pub key: String,
}

/// A piece of the list of idempotency keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGlance {
    /// How many keys were looked at.
    pub keys: usize,
    /// Those that stand for what they should not.
    pub faults: Vec<KeyFault>,
    /// Behind which key the next piece begins; `None` behind the last one.
    pub next: Option<KeyPlace>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(count: i64) -> Capacity {
        Capacity::try_new(count).expect("in range")
    }

    fn figures(id: i64, bookings: i64) -> EventFigures {
        EventFigures {
            event_id: EventId::try_new(id).expect("positive"),
            start_at: DateTime::UNIX_EPOCH,
            deletion: Deletion::None,
            capacity: seats(5),
            seats_available: seats(5),
            confirmed_bookings: None,
            bookings,
            confirmed: ConfirmedSums::default(),
        }
    }

    #[test]
    fn a_difference_is_told_in_a_sentence_and_repaired_where_the_bookings_say_how() {
        let of_event = |difference| Difference::Event {
            event_id: EventId::try_new(7).expect("positive"),
            difference,
        };
        let of_key = |kind| {
            Difference::Key(KeyFault {
                user_id: UserId::try_new(1).expect("positive"),
                booking_id: BookingId::try_new(3).expect("positive"),
                kind,
            })
        };
        for (difference, is_repairable, sentence) in [
            (
                of_event(EventDifference::SeatsAvailable {
                    kept: seats(4),
                    due: seats(5),
                }),
                true,
                "event 7 is said to have 4 seats left, by its bookings 5",
            ),
            (
                of_event(EventDifference::ConfirmedBookings {
                    kept: None,
                    due: Some(2),
                }),
                true,
                "event 7 has none as its figure of confirmed bookings, due is 2",
            ),
            (
                of_event(EventDifference::Unmarked { bookings: 2 }),
                true,
                "event 7 was deleted, and nobody is marking its 2 confirmed bookings",
            ),
            (
                of_event(EventDifference::Oversold {
                    capacity: seats(5),
                    confirmed_seats: 6,
                }),
                false,
                "event 7 is oversold: 6 seats of 5",
            ),
            (
                Difference::Total(TotalDifference { kept: 1, due: 2 }),
                true,
                "1 confirmed bookings are counted over all events, 2 event by event",
            ),
            (
                of_key(KeyFaultKind::NoBooking),
                false,
                "an idempotency key of user 1 stands for booking 3, which does not exist",
            ),
            (
                of_key(KeyFaultKind::AnotherBooking),
                false,
                "an idempotency key of user 1 stands for booking 3, which is not what was asked \
                 for under it",
            ),
        ] {
            assert_eq!(difference.to_string(), sentence);
            assert_eq!(difference.is_repairable(), is_repairable, "{sentence}");
        }
    }

    #[test]
    fn a_missing_booking_is_not_another_one() {
        use KeyFaultKind::{AnotherBooking, NoBooking};
        assert_eq!(KeyFaultKind::of(false, false), None);
        assert_eq!(KeyFaultKind::of(false, true), Some(AnotherBooking));
        assert_eq!(KeyFaultKind::of(true, false), Some(NoBooking));
        assert_eq!(KeyFaultKind::of(true, true), Some(NoBooking));
    }

    #[test]
    fn a_look_that_finds_as_many_events_as_it_may_is_not_the_last_one() {
        let bounds = GlanceBounds {
            events_max: 2,
            bookings_max: 10,
        };
        let look = |events: &[EventFigures]| {
            Glance::of(events.to_vec(), bounds, |event| event.event_id.get())
        };
        let [few, many] = [figures(1, 10), figures(2, 11)];
        let last = look(std::slice::from_ref(&few));
        assert_eq!((last.counted, last.next), (vec![few.clone()], None));
        let piece = look(&[few.clone(), many.clone()]);
        assert_eq!(piece.counted, [few], "not those with more than 10 bookings");
        assert_eq!(
            (piece.uncounted, piece.next),
            (vec![many.event_id], Some(2))
        );
    }
}

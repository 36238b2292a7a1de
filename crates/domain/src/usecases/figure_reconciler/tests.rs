//! The reconciler on a store that is a list.

use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use futures::executor::block_on;

use super::*;
use crate::model::{
    Capacity, ConfirmedSums, Deletion, Glance, GlanceBounds, KeyFault, KeyFaultKind, KeyGlance,
    TotalDifference, UserId,
};

/// The first `upcoming` events are to come. An event of more bookings than
/// `patience` keeps the store busy for too long.
struct Shelf {
    events: Mutex<Vec<EventFigures>>,
    upcoming: usize,
    patience: i64,
    keys: Mutex<Vec<KeyFault>>,
    total: Mutex<Option<TotalDifference>>,
    asked: Mutex<Vec<&'static str>>,
}

fn seats(count: i64) -> Capacity {
    Capacity::try_new(count).expect("in range")
}

fn id(number: i64) -> EventId {
    EventId::try_new(number).expect("positive")
}

/// An event of 10 seats with one booking of one of them.
fn event(number: i64) -> EventFigures {
    EventFigures {
        event_id: id(number),
        start_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(number),
        deletion: Deletion::None,
        capacity: seats(10),
        seats_available: seats(9),
        confirmed_bookings: Some(1),
        bookings: 1,
        confirmed: ConfirmedSums {
            bookings: 1,
            seats: 1,
        },
    }
}

impl Shelf {
    fn of(events: impl IntoIterator<Item = EventFigures>) -> Self {
        let events: Vec<_> = events.into_iter().collect();
        Self {
            upcoming: events.len(),
            events: Mutex::new(events),
            patience: i64::MAX,
            keys: Mutex::default(),
            total: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    fn change(&self, number: i64, change: impl FnOnce(&mut EventFigures)) {
        let mut events = self.events.lock().expect("no holder panics");
        let event = events.iter_mut().find(|event| event.event_id == id(number));
        change(event.expect("an event"));
    }

    fn ask(&self, what: &'static str) {
        self.asked.lock().expect("no holder panics").push(what);
    }

    fn times_asked(&self, what: &str) -> usize {
        let asked = self.asked.lock().expect("no holder panics");
        asked.iter().filter(|call| **call == what).count()
    }

    fn glance(&self, behind: usize, all: usize, bounds: GlanceBounds) -> (Glance<usize>, usize) {
        let events = self.events.lock().expect("no holder panics");
        let end = (behind + bounds.events_max).min(all);
        let in_passing = i64::try_from(bounds.bookings_max).expect("small");
        let (counted, uncounted): (Vec<_>, Vec<_>) = events[behind..end]
            .iter()
            .cloned()
            .partition(|event| event.bookings <= in_passing);
        let glance = Glance {
            counted,
            uncounted: uncounted.iter().map(|event| event.event_id).collect(),
            next: (end < all).then_some(end),
        };
        (glance, end)
    }
}

fn moved<P>(glance: Glance<usize>, place: P) -> Glance<P> {
    Glance {
        counted: glance.counted,
        uncounted: glance.uncounted,
        next: glance.next.map(|_| place),
    }
}

#[async_trait]
impl Reconciliation for Shelf {
    async fn glance_at_upcoming(
        &self,
        after: Option<Timeline>,
        bounds: GlanceBounds,
    ) -> Result<Glance<Timeline>, StoreError> {
        self.ask("upcoming");
        let behind = after.map_or(0, |after| usize::try_from(after.id).expect("small"));
        let (glance, end) = self.glance(behind, self.upcoming, bounds);
        let place = Timeline {
            at: DateTime::UNIX_EPOCH,
            id: i64::try_from(end).expect("small"),
        };
        Ok(moved(glance, place))
    }

    async fn glance_at_all(
        &self,
        after: Option<EventId>,
        bounds: GlanceBounds,
    ) -> Result<Glance<EventId>, StoreError> {
        self.ask("all");
        let behind = after.map_or(0, |after| usize::try_from(after.get()).expect("small"));
        let all = self.events.lock().expect("no holder panics").len();
        let (glance, end) = self.glance(behind, all, bounds);
        let end = i64::try_from(end).expect("small");
        Ok(moved(glance, id(end.max(1))))
    }

    async fn figures(&self, event_id: EventId) -> Result<Option<EventFigures>, StoreError> {
        self.ask("figures");
        let events = self.events.lock().expect("no holder panics");
        let event = events.iter().find(|event| event.event_id == event_id);
        match event {
            Some(event) if event.bookings > self.patience => {
                Err(StoreError::Busy("too many bookings".into()))
            }
            event => Ok(event.cloned()),
        }
    }

    async fn check_event(&self, _: EventId) -> Result<Vec<EventDifference>, StoreError> {
        Err(StoreError::Failed("it repairs".into()))
    }

    async fn repair_event(&self, event_id: EventId) -> Result<Vec<EventDifference>, StoreError> {
        self.ask("repair");
        let mut events = self.events.lock().expect("no holder panics");
        let event = events.iter_mut().find(|event| event.event_id == event_id);
        let Some(event) = event else {
            return Ok(Vec::new());
        };
        let differences = rules::compare(event);
        for difference in &differences {
            match *difference {
                EventDifference::SeatsAvailable { due, .. } => event.seats_available = due,
                EventDifference::ConfirmedBookings { due, .. } => event.confirmed_bookings = due,
                EventDifference::Unmarked { .. } => event.deletion = Deletion::Marking,
                EventDifference::Oversold { .. } => {}
            }
        }
        Ok(differences)
    }

    async fn check_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        Err(StoreError::Failed("it repairs".into()))
    }

    async fn repair_total(&self) -> Result<Option<TotalDifference>, StoreError> {
        self.ask("total");
        Ok(self.total.lock().expect("no holder panics").take())
    }

    async fn check_keys(&self, _: Option<KeyPlace>, _: usize) -> Result<KeyGlance, StoreError> {
        self.ask("keys");
        let faults = self.keys.lock().expect("no holder panics").clone();
        Ok(KeyGlance {
            keys: faults.len(),
            faults,
            next: None,
        })
    }
}

/// What so many turns told.
fn turns(reconciler: &mut FigureReconciler, store: &Shelf, count: u32) -> Vec<Found> {
    let mut found = Vec::new();
    for _ in 0..count {
        let report = block_on(reconciler.turn(store));
        assert!(report.trouble.is_none(), "{report:?}");
        found.extend(report.found);
    }
    found
}

#[test]
fn events_to_come_are_looked_at_often_and_all_others_too() {
    let mut store = Shelf::of((1..=450).map(event));
    store.upcoming = 100;
    let mut reconciler = FigureReconciler::default();
    assert_eq!(turns(&mut reconciler, &store, 3 * SELDOM), []);
    assert_eq!(store.times_asked("upcoming"), 3 * 5);
    assert_eq!(store.times_asked("all"), 3);
    assert_eq!(store.times_asked("keys"), 3);
    // 200 events at a time: the third piece is the last one.
    assert_eq!(store.times_asked("total"), 1);
    assert_eq!(store.times_asked("repair"), 0);
}

#[test]
fn a_turn_tells_how_many_events_it_compared() {
    let store = Shelf::of((1..=3).map(event));
    let report = block_on(FigureReconciler::default().turn(&store));
    assert_eq!((report.events, report.keys), (3, 0));
}

#[test]
fn a_turn_that_looks_at_keys_tells_how_many() {
    let store = Shelf::of([]);
    let fault = |number| KeyFault {
        user_id: UserId::try_new(number).expect("positive"),
        booking_id: crate::model::BookingId::try_new(9).expect("positive"),
        kind: KeyFaultKind::NoBooking,
    };
    *store.keys.lock().expect("no holder panics") = vec![fault(1), fault(2)];
    let mut reconciler = FigureReconciler::default();
    let keys: Vec<_> = (0..SELDOM)
        .map(|_| block_on(reconciler.turn(&store)).keys)
        .collect();
    assert_eq!(keys, [0, 0, 0, 0, 0, 2]);
}

#[test]
fn what_is_different_is_repaired_and_told_once() {
    let mut store = Shelf::of((1..=450).map(event));
    store.upcoming = 100;
    let total = TotalDifference { kept: 1, due: 2 };
    for wrong in [7, 430] {
        store.change(wrong, |event| event.seats_available = seats(3));
        *store.total.lock().expect("no holder panics") = Some(total);
        let mut reconciler = FigureReconciler::default();
        let found = turns(&mut reconciler, &store, 3 * SELDOM);
        let difference = EventDifference::SeatsAvailable {
            kept: seats(3),
            due: seats(9),
        };
        let expected = [of_event(id(wrong), difference), Difference::Total(total)];
        let expected = expected.map(|difference| Found {
            difference,
            repaired: true,
        });
        assert_eq!(found, expected);
        assert_eq!(reconciler.standing(), 0);
    }
}

fn oversold(confirmed_seats: i64) -> Found {
    let difference = EventDifference::Oversold {
        capacity: seats(10),
        confirmed_seats,
    };
    Found {
        difference: of_event(id(2), difference),
        repaired: false,
    }
}

#[test]
fn what_cannot_be_repaired_is_told_once_and_again_when_it_changed() {
    let store = Shelf::of((1..=3).map(event));
    let mut reconciler = FigureReconciler::default();
    let mut told_of = |confirmed_seats| {
        store.change(2, |event| {
            event.confirmed.seats = confirmed_seats;
            event.seats_available = seats((10 - confirmed_seats).max(0));
        });
        let found = turns(&mut reconciler, &store, 2 * SELDOM);
        (found, reconciler.standing())
    };
    assert_eq!(told_of(12), (vec![oversold(12)], 1));
    assert_eq!(told_of(12), (vec![], 1));
    assert_eq!(told_of(11), (vec![oversold(11)], 1));
    assert_eq!(told_of(10), (vec![], 0));
    assert_eq!(told_of(12), (vec![oversold(12)], 1));
    // Known ones are not looked at under the lock again: once for each change.
    assert_eq!(store.times_asked("repair"), 3);
}

#[test]
fn faults_of_keys_are_told_once_and_forgotten_when_they_are_gone() {
    let store = Shelf::of([]);
    let fault = |number| KeyFault {
        user_id: UserId::try_new(number).expect("positive"),
        booking_id: crate::model::BookingId::try_new(9).expect("positive"),
        kind: KeyFaultKind::NoBooking,
    };
    let told = |number| Found {
        difference: Difference::Key(fault(number)),
        repaired: false,
    };
    let mut reconciler = FigureReconciler::default();
    for (faults, found) in [
        (vec![fault(1), fault(2)], vec![told(1), told(2)]),
        (vec![fault(1), fault(2)], vec![]),
        (vec![fault(2), fault(3)], vec![told(3)]),
        (vec![], vec![]),
    ] {
        let standing = faults.len();
        *store.keys.lock().expect("no holder panics") = faults;
        assert_eq!(turns(&mut reconciler, &store, SELDOM), found);
        assert_eq!(reconciler.standing(), standing);
    }
}

#[test]
fn differences_beyond_those_remembered_are_told_each_time() {
    let store = Shelf::of([]);
    let faults: Vec<_> = (1..=i64::try_from(STANDING_MAX).expect("small") + 5)
        .map(|number| KeyFault {
            user_id: UserId::try_new(number).expect("positive"),
            booking_id: crate::model::BookingId::try_new(9).expect("positive"),
            kind: KeyFaultKind::AnotherBooking,
        })
        .collect();
    *store.keys.lock().expect("no holder panics") = faults;
    let mut reconciler = FigureReconciler::default();
    for told in [STANDING_MAX + 5, 5, 5] {
        let found = turns(&mut reconciler, &store, SELDOM);
        assert_eq!(found.len(), told);
        assert_eq!(reconciler.standing(), STANDING_MAX);
    }
}

#[test]
fn an_event_with_many_bookings_is_counted_by_itself_and_turns_are_left_out_for_it() {
    let store = Shelf::of((1..=3).map(event));
    store.change(2, |event| {
        event.bookings = 3 * BOOKINGS_A_TURN + 1;
        event.confirmed_bookings = None;
    });
    let mut reconciler = FigureReconciler::default();
    assert_eq!(turns(&mut reconciler, &store, 1), []);
    let found = turns(&mut reconciler, &store, 1);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(store.times_asked("figures"), 1);
    turns(&mut reconciler, &store, 3);
    assert_eq!(store.times_asked("upcoming"), 1);
    turns(&mut reconciler, &store, 1);
    assert_eq!(store.times_asked("upcoming"), 2);
}

#[test]
fn an_event_that_takes_too_long_is_passed_by() {
    let mut store = Shelf::of((1..=3).map(event));
    store.patience = 5_000;
    store.change(1, |event| event.bookings = 6_000);
    store.change(2, |event| event.bookings = 4_000);
    store.change(2, |event| event.confirmed_bookings = Some(2));
    let mut reconciler = FigureReconciler::default();
    turns(&mut reconciler, &store, 1);
    let report = block_on(reconciler.turn(&store));
    let passed_by: Vec<_> = report.passed_by.iter().map(|(id, _)| *id).collect();
    assert_eq!(passed_by, [id(1)]);
    assert_eq!(report.found.len(), 1, "{report:?}");
    assert!(report.trouble.is_none());
}

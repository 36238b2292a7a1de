//! Comparing what is kept with the bookings, and putting it right.

use domain::model::{
    Difference, EventDifference, EventId, GlanceBounds, KeyFault, KeyFaultKind, Timeline,
    TotalDifference, UserId,
};
use domain::usecases::{Found, Remedy, reconcile_figures};

use crate::parallel::patiently;
use crate::values::{capacity, later, no_booking, no_event, past};
use crate::{Damage, ReconciliationBench};

/// More than any of these tests has.
const BOUNDS: GlanceBounds = GlanceBounds {
    events_max: 100,
    bookings_max: 100,
};

/// Far more pieces than any of these tests has events or keys.
const PIECES_MAX: usize = 100;

impl ReconciliationBench {
    pub(crate) async fn damage(&self, damage: Damage) {
        self.backend().damage(damage).await;
    }

    pub(crate) async fn check(&self, event_id: EventId) -> Vec<EventDifference> {
        let store = self.backend().reconciliation();
        patiently(|| store.check_event(event_id))
            .await
            .expect("compared")
    }

    pub(crate) async fn repair(&self, event_id: EventId) -> Vec<EventDifference> {
        let store = self.backend().reconciliation();
        patiently(|| store.repair_event(event_id))
            .await
            .expect("compared")
    }

    pub(crate) async fn check_total(&self) -> Option<TotalDifference> {
        let store = self.backend().reconciliation();
        patiently(|| store.check_total()).await.expect("compared")
    }

    pub(crate) async fn repair_total(&self) -> Option<TotalDifference> {
        let store = self.backend().reconciliation();
        patiently(|| store.repair_total()).await.expect("compared")
    }

    /// Everything that differs, as one who looks from end to end is told.
    pub(crate) async fn reconcile(&self, remedy: Remedy) -> Vec<Found> {
        let mut found = Vec::new();
        let store = self.backend().reconciliation();
        let counts = reconcile_figures(store, remedy, |one| found.push(one)).await;
        let counts = counts.expect("compared");
        assert_eq!(counts.found, found.len());
        let repaired = found.iter().filter(|found| found.repaired);
        assert_eq!(counts.repaired, repaired.count());
        found
    }

    /// Checks that the difference is found wherever one may look and that looking
    /// changes nothing; then repairs it and checks that it is gone.
    async fn assert_repaired(&self, event_id: EventId, expected: &[EventDifference]) {
        for _ in 0..2 {
            assert_eq!(self.check(event_id).await, expected);
        }
        let figures = self.backend().reconciliation().figures(event_id).await;
        let figures = figures.expect("looked").expect("an event");
        assert_eq!(domain::rules::compare(&figures), expected);
        let glance = self.backend().reconciliation();
        let glance = glance.glance_at_all(None, BOUNDS).await.expect("looked");
        let seen = glance.counted.iter().find(|seen| seen.event_id == event_id);
        assert_eq!(seen, Some(&figures));
        assert_eq!(self.repair(event_id).await, expected);
        assert_eq!(self.repair(event_id).await, []);
        assert_eq!(self.check(event_id).await, []);
    }
}

fn wrong_seats(kept: i64, due: i64) -> EventDifference {
    EventDifference::SeatsAvailable {
        kept: capacity(kept),
        due: capacity(due),
    }
}

fn wrong_figure(kept: Option<i64>, due: Option<i64>) -> EventDifference {
    EventDifference::ConfirmedBookings { kept, due }
}

/// An event of 10 seats, of which 3 are booked in 2 bookings; a third one was
/// cancelled.
async fn booked_event(bench: &ReconciliationBench) -> (UserId, EventId) {
    let (user, event) = (bench.user().await, bench.event(10).await);
    bench.book(user, event, 1).await;
    let cancelled = bench.book(user, event, 4).await;
    bench.book(user, event, 2).await;
    bench.cancel(cancelled).await;
    (user, event)
}

pub async fn where_everything_adds_up_nothing_is_different(bench: ReconciliationBench) {
    assert_eq!(bench.reconcile(Remedy::Tell).await, []);
    let (user, event) = booked_event(&bench).await;
    let (over, empty) = (bench.event(5).await, bench.event(0).await);
    bench.book(user, over, 5).await;
    bench.start_at(over, past()).await;
    for marked in [false, true] {
        let (_, deleted) = booked_event(&bench).await;
        bench.delete(deleted).await;
        while marked
            && bench
                .maintenance()
                .finish_deletions(10)
                .await
                .expect("marked")
                > 0
        {}
    }
    bench
        .try_book_once(user, event, 2, "key")
        .await
        .expect("booked");
    bench.resize(event, 5).await.expect("resized");
    for remedy in [Remedy::Tell, Remedy::Repair, Remedy::Tell] {
        assert_eq!(bench.reconcile(remedy).await, []);
    }
    for event in [event, over, empty] {
        assert_eq!(bench.check(event).await, []);
        assert_eq!(bench.repair(event).await, []);
        bench.assert_adds_up(event).await;
    }
    assert_eq!(bench.repair_total().await, None);
}

async fn all_in_pieces(bench: &ReconciliationBench, events_max: usize) -> Vec<EventId> {
    let bounds = GlanceBounds {
        events_max,
        ..BOUNDS
    };
    let (mut after, mut seen) = (None, Vec::new());
    for _ in 0..PIECES_MAX {
        let store = bench.backend().reconciliation();
        let glance = store.glance_at_all(after, bounds).await.expect("looked");
        assert!(glance.counted.len() <= events_max);
        assert_eq!(glance.uncounted, []);
        seen.extend(glance.counted.iter().map(|event| event.event_id));
        after = glance.next;
        if after.is_none() {
            return seen;
        }
    }
    panic!("pieces of {events_max} never end");
}

async fn upcoming_in_pieces(bench: &ReconciliationBench, events_max: usize) -> Vec<EventId> {
    let bounds = GlanceBounds {
        events_max,
        ..BOUNDS
    };
    let (mut after, mut seen): (Option<Timeline>, _) = (None, Vec::new());
    for _ in 0..PIECES_MAX {
        let store = bench.backend().reconciliation();
        let glance = store.glance_at_upcoming(after, bounds).await;
        let glance = glance.expect("looked");
        assert!(glance.counted.len() <= events_max);
        seen.extend(glance.counted.iter().map(|event| event.event_id));
        after = glance.next;
        if after.is_none() {
            return seen;
        }
    }
    panic!("pieces of {events_max} never end");
}

pub async fn every_event_is_walked_past_once_in_pieces_of_any_size(bench: ReconciliationBench) {
    assert_eq!(all_in_pieces(&bench, 3).await, []);
    assert_eq!(upcoming_in_pieces(&bench, 3).await, []);
    let (mut all, mut upcoming) = (Vec::new(), Vec::new());
    // The later it begins the earlier it was published; some begin at one time.
    for number in 0..9 {
        let event = bench.event_at(later(100 - number / 2), 5).await;
        all.push(event);
        match number % 4 {
            1 => bench.start_at(event, past()).await,
            2 => bench.delete(event).await,
            _ => upcoming.push((100 - number / 2, event)),
        }
    }
    upcoming.sort_unstable();
    let upcoming: Vec<_> = upcoming.into_iter().map(|(_, event)| event).collect();
    for events_max in [1, 2, 3, 9, 10, 100] {
        assert_eq!(all_in_pieces(&bench, events_max).await, all);
        assert_eq!(upcoming_in_pieces(&bench, events_max).await, upcoming);
    }
}

pub async fn an_event_with_too_many_bookings_to_count_in_passing_is_named(
    bench: ReconciliationBench,
) {
    let (_, event) = booked_event(&bench).await;
    let (_, other) = booked_event(&bench).await;
    let user = bench.user().await;
    bench.book(user, other, 1).await;
    let store = bench.backend().reconciliation();
    for (bookings_max, counted, uncounted) in [
        (2, vec![], vec![event, other]),
        (3, vec![event], vec![other]),
        (4, vec![event, other], vec![]),
    ] {
        let bounds = GlanceBounds {
            bookings_max,
            ..BOUNDS
        };
        let all = store.glance_at_all(None, bounds).await.expect("looked");
        let upcoming = store.glance_at_upcoming(None, bounds).await;
        let upcoming = upcoming.expect("looked");
        for (found, named) in [
            (all.counted, all.uncounted),
            (upcoming.counted, upcoming.uncounted),
        ] {
            let found: Vec<_> = found.iter().map(|event| event.event_id).collect();
            assert_eq!((found, named), (counted.clone(), uncounted.clone()));
        }
    }
    let alone = store.figures(other).await.expect("looked");
    let alone = alone.expect("an event");
    assert_eq!(
        (
            alone.bookings,
            alone.confirmed.bookings,
            alone.confirmed.seats
        ),
        (4, 3, 4)
    );
}

pub async fn of_an_event_that_never_was_nothing_is_different(bench: ReconciliationBench) {
    let store = bench.backend().reconciliation();
    assert_eq!(store.figures(no_event()).await.expect("looked"), None);
    assert_eq!(bench.check(no_event()).await, []);
    assert_eq!(bench.repair(no_event()).await, []);
    let behind = store.glance_at_all(Some(no_event()), BOUNDS).await;
    assert_eq!(behind.expect("looked").counted, []);
}

pub async fn seats_left_that_are_wrong_are_put_right(bench: ReconciliationBench) {
    for kept in [0, 6, 8, 10] {
        let (user, event) = booked_event(&bench).await;
        let damage = Damage::SeatsAvailable(event, u32::try_from(kept).expect("small"));
        bench.damage(damage).await;
        assert_eq!(i64::from(bench.seats_left(event).await), kept);
        bench.assert_repaired(event, &[wrong_seats(kept, 7)]).await;
        bench.assert_adds_up(event).await;
        bench.book(user, event, 7).await;
        bench.assert_adds_up(event).await;
    }
    assert_eq!(bench.check_total().await, None);
}

pub async fn a_figure_that_is_wrong_or_missing_is_put_right(bench: ReconciliationBench) {
    for kept in [None, Some(0), Some(1), Some(3), Some(1_000)] {
        let (user, event) = booked_event(&bench).await;
        bench.damage(Damage::Figure(event, kept)).await;
        let difference = wrong_figure(kept.map(i64::from), Some(2));
        bench.assert_repaired(event, &[difference]).await;
        bench.assert_adds_up(event).await;
        bench.book(user, event, 1).await;
        bench.assert_adds_up(event).await;
    }
    assert_eq!(bench.check_total().await, None);
}

pub async fn a_total_that_is_wrong_is_put_right(bench: ReconciliationBench) {
    let (_, event) = booked_event(&bench).await;
    bench.damage(Damage::Total(5)).await;
    let difference = Some(TotalDifference { kept: 7, due: 2 });
    for _ in 0..2 {
        assert_eq!(bench.check_total().await, difference);
        assert_eq!(bench.report().await.0, 7);
    }
    assert_eq!(bench.check(event).await, []);
    assert_eq!(bench.repair_total().await, difference);
    assert_eq!(bench.repair_total().await, None);
    assert_eq!(bench.check_total().await, None);
    bench.assert_adds_up(event).await;
}

pub async fn a_booking_that_nobody_counted_is_counted(bench: ReconciliationBench) {
    let (user, event) = booked_event(&bench).await;
    bench.damage(Damage::Booking(user, event, 4)).await;
    let differences = [wrong_seats(7, 3), wrong_figure(Some(2), Some(3))];
    bench.assert_repaired(event, &differences).await;
    // The sum follows the figures of the events.
    let difference = Some(TotalDifference { kept: 2, due: 3 });
    assert_eq!(bench.repair_total().await, difference);
    bench.assert_adds_up(event).await;
    let bookings = bench.attendance(event).await;
    for attended in bookings {
        bench.cancel(attended.booking.id).await;
    }
    assert_eq!(bench.seats_left(event).await, 10);
    bench.assert_adds_up(event).await;
}

pub async fn an_oversold_event_sells_nothing_more_and_stays_different(bench: ReconciliationBench) {
    let (user, event) = booked_event(&bench).await;
    bench.damage(Damage::Booking(user, event, 9)).await;
    let oversold = |confirmed_seats| EventDifference::Oversold {
        capacity: capacity(10),
        confirmed_seats,
    };
    let differences = [
        wrong_seats(7, 0),
        wrong_figure(Some(2), Some(3)),
        oversold(12),
    ];
    assert_eq!(bench.check(event).await, differences);
    assert_eq!(bench.repair(event).await, differences);
    for _ in 0..2 {
        assert_eq!(bench.check(event).await, [oversold(12)]);
        assert_eq!(bench.repair(event).await, [oversold(12)]);
    }
    assert_eq!(bench.seats_left(event).await, 0);
    bench.try_book(user, event, 1).await.expect_err("sold out");
    // Somebody gives back enough for the others to have seats.
    let bookings = bench.attendance(event).await;
    let two = bookings.iter().find(|one| one.booking.seats.get() == 2);
    bench.cancel(two.expect("2 seats").booking.id).await;
    assert_eq!(bench.repair(event).await, [wrong_seats(2, 0)]);
    assert_eq!(bench.check(event).await, []);
    bench.repair_total().await;
    bench.assert_adds_up(event).await;
}

pub async fn a_deleted_event_keeps_no_figure_and_its_bookings_are_marked_after_all(
    bench: ReconciliationBench,
) {
    let (_, kept) = booked_event(&bench).await;
    let (_, event) = booked_event(&bench).await;
    bench.delete(event).await;
    bench.damage(Damage::Marking(event)).await;
    bench.damage(Damage::Figure(event, Some(2))).await;
    bench.damage(Damage::SeatsAvailable(event, 4)).await;
    let differences = [
        wrong_seats(4, 10),
        wrong_figure(Some(2), None),
        EventDifference::Unmarked { bookings: 2 },
    ];
    bench.assert_repaired(event, &differences).await;
    assert_eq!(bench.check_total().await, None);
    let mut marked = 0;
    loop {
        match bench.maintenance().finish_deletions(10).await {
            Ok(0) => break,
            piece => marked += piece.expect("marked"),
        }
    }
    assert_eq!(marked, 2);
    assert_eq!(bench.check(event).await, []);
    bench.assert_adds_up(kept).await;
}

fn key_fault(user_id: UserId, booking_id: domain::model::BookingId, kind: KeyFaultKind) -> Found {
    Found {
        difference: Difference::Key(KeyFault {
            user_id,
            booking_id,
            kind,
        }),
        repaired: false,
    }
}

pub async fn a_key_that_stands_for_what_was_never_booked_is_told(bench: ReconciliationBench) {
    let event = bench.event(10).await;
    let (alice, bob, carol) = (bench.user().await, bench.user().await, bench.user().await);
    let two_seats = bench.book(carol, event, 2).await;
    let other = bench.event(10).await;
    let one_seat = bench.book(bob, other, 1).await;
    for user in [alice, bob, carol] {
        let booked = bench.try_book_once(user, event, 1, "key").await;
        booked.expect("booked");
    }
    // Of nothing; of a booking of another event; of other seats.
    bench.damage(Damage::Key(alice, no_booking(), event)).await;
    bench.damage(Damage::Key(bob, one_seat, event)).await;
    bench.damage(Damage::Key(carol, two_seats, event)).await;
    let expected = [
        key_fault(alice, no_booking(), KeyFaultKind::NoBooking),
        key_fault(bob, one_seat, KeyFaultKind::AnotherBooking),
        key_fault(carol, two_seats, KeyFaultKind::AnotherBooking),
    ];
    for remedy in [Remedy::Tell, Remedy::Repair, Remedy::Tell] {
        assert_eq!(bench.reconcile(remedy).await, expected);
    }
}

pub async fn keys_are_walked_past_once_in_pieces_of_any_size(bench: ReconciliationBench) {
    let event = bench.event(100).await;
    for _ in 0..3 {
        let user = bench.user().await;
        for key in ["a", "B", "ä", "key 10", "key 9"] {
            let booked = bench.try_book_once(user, event, 1, key).await;
            booked.expect("booked");
        }
    }
    for keys_max in [1, 2, 7, 15, 16, 100] {
        let (mut after, mut keys, mut pieces) = (None, 0, 0);
        loop {
            let store = bench.backend().reconciliation();
            let glance = store.check_keys(after, keys_max).await.expect("looked");
            assert_eq!(glance.faults, []);
            assert!(glance.keys <= keys_max);
            keys += glance.keys;
            pieces += 1;
            assert!(pieces < PIECES_MAX, "pieces of {keys_max} never end");
            after = glance.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(keys, 15, "in pieces of {keys_max}");
    }
}

pub async fn everything_is_compared_and_repaired_in_one_go(bench: ReconciliationBench) {
    let (_, seats) = booked_event(&bench).await;
    let (user, uncounted) = booked_event(&bench).await;
    let (_, over) = booked_event(&bench).await;
    bench.start_at(over, past()).await;
    bench.damage(Damage::SeatsAvailable(seats, 0)).await;
    bench.damage(Damage::Booking(user, uncounted, 9)).await;
    bench.damage(Damage::Figure(over, None)).await;
    let of = |event_id, difference| Difference::Event {
        event_id,
        difference,
    };
    let oversold = EventDifference::Oversold {
        capacity: capacity(10),
        confirmed_seats: 12,
    };
    let expected = [
        of(seats, wrong_seats(0, 7)),
        of(uncounted, wrong_seats(7, 0)),
        of(uncounted, wrong_figure(Some(2), Some(3))),
        of(uncounted, oversold),
        of(over, wrong_figure(None, Some(2))),
    ];
    let told: Vec<_> = bench.reconcile(Remedy::Tell).await;
    let told: Vec<_> = told
        .into_iter()
        .map(|found| {
            assert!(!found.repaired, "{found:?}");
            found.difference
        })
        // The sum is of figures that are not repaired, so it may be right or wrong.
        .filter(|difference| !matches!(difference, Difference::Total(_)))
        .collect();
    assert_eq!(told, expected);
    let repaired = bench.reconcile(Remedy::Repair).await;
    let total = TotalDifference { kept: 6, due: 7 };
    let expected = expected.into_iter().chain([Difference::Total(total)]);
    let expected = expected.map(|difference| Found {
        difference,
        repaired: difference.is_repairable(),
    });
    assert_eq!(repaired, expected.collect::<Vec<_>>());
    let left = bench.reconcile(Remedy::Repair).await;
    let difference = of(uncounted, oversold);
    let repaired = false;
    assert_eq!(
        left,
        [Found {
            difference,
            repaired
        }]
    );
}

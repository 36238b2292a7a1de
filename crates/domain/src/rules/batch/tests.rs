//! A batch is its commands, one after the other.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::model::Capacity;

const USERS: i64 = 3;
const EVENTS: i64 = 3;
/// Bookings that exist before the batch, one of each status for each event.
const BOOKINGS: i64 = 2 * EVENTS;

fn event(id: i64) -> EventId {
    EventId::try_new(id).expect("positive")
}

fn user(id: i64) -> UserId {
    UserId::try_new(id).expect("positive")
}

fn booking(id: i64) -> BookingId {
    BookingId::try_new(id).expect("positive")
}

fn seats(n: u32) -> SeatCount {
    SeatCount::try_new(n.into()).expect("in range")
}

/// Event 1 is on sale, event 2 has started, event 3 does not exist any more.
fn facts(seats_left: u32) -> BatchFacts {
    let now = DateTime::UNIX_EPOCH;
    let on_sale = EventFacts {
        start_at: now + TimeDelta::seconds(1),
        seats_available: Capacity::try_new(seats_left.into()).expect("in range"),
        now,
        is_paused: false,
    };
    let started = EventFacts {
        start_at: now,
        ..on_sale
    };
    let bookings = (1..=BOOKINGS).map(|id| {
        let facts = BookingFacts {
            event_id: event((id - 1) / 2 + 1),
            seats: seats(2),
            status: match id % 2 {
                0 => BookingStatus::Cancelled,
                _ => BookingStatus::Confirmed,
            },
        };
        (booking(id), facts)
    });
    let bound = KeyedBooking {
        booking_id: booking(1),
        event_id: event(1),
        seats: seats(2),
    };
    BatchFacts {
        events: HashMap::from([(event(1), on_sale), (event(2), started)]),
        all_paused: false,
        users: (1..=USERS).map(|id| (user(id), Standing::Good)).collect(),
        keys: HashMap::from([((user(1), key(0)), bound)]),
        bookings: bookings.collect(),
    }
}

fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey::parse(&format!("key-{n}")).expect("a key")
}

fn book(user_id: i64, event_id: i64, wanted: u32, key_number: Option<u8>) -> SaleCommand {
    SaleCommand::Book(BookSeats {
        user_id: user(user_id),
        event_id: event(event_id),
        seats: seats(wanted),
        idempotency_key: key_number.map(key),
    })
}

/// Ids as a sequence gives them out, above those that exist.
fn sequence() -> impl FnMut(&BookSeats) -> BookingId {
    let mut last = BOOKINGS;
    move |_| {
        last += 1;
        booking(last)
    }
}

/// What the store knows after it has written a decision.
fn apply(facts: &mut BatchFacts, decisions: &Decisions) {
    for (event_id, change) in &decisions.changes {
        let event = facts.events.get_mut(event_id).expect("was locked");
        let left = i64::from(event.seats_available.get()) + change.seats;
        event.seats_available = Capacity::try_new(left).expect("never negative");
    }
    for booking_id in &decisions.cancelled {
        facts.bookings.get_mut(booking_id).expect("exists").status = BookingStatus::Cancelled;
    }
    for sale in &decisions.sales {
        if let Some(key) = &sale.idempotency_key {
            let first = KeyedBooking {
                booking_id: sale.booking_id,
                event_id: sale.event_id,
                seats: sale.seats,
            };
            facts.keys.insert((sale.user_id, key.clone()), first);
        }
    }
}

#[test]
fn seats_that_came_back_are_sold_in_the_same_batch() {
    let commands = [
        book(1, 1, 2, None),
        SaleCommand::Cancel(booking(1)),
        book(2, 1, 2, None),
    ];
    let decisions = decide(facts(0), &commands, sequence());
    assert!(matches!(
        decisions.answers.as_slice(),
        [
            SaleAnswer::Book(Err(Refusal::NotEnoughSeats { .. })),
            SaleAnswer::Cancel(Some(_)),
            SaleAnswer::Book(Ok(_)),
        ]
    ));
    let change = decisions.changes[&event(1)];
    assert_eq!((change.seats, change.bookings), (0, 0));
}

#[test]
fn duplicates_in_one_batch_make_one_booking() {
    let commands = [
        book(1, 1, 1, Some(7)),
        book(1, 1, 1, Some(7)),
        book(1, 1, 2, Some(7)),
        book(2, 1, 1, Some(7)),
    ];
    let decisions = decide(facts(9), &commands, sequence());
    let [first, replay, reuse, other] = decisions.answers.as_slice() else {
        panic!("one answer for each command: {decisions:?}");
    };
    let (SaleAnswer::Book(Ok(first)), SaleAnswer::Book(Ok(replay))) = (first, replay) else {
        panic!("both are answered alike: {decisions:?}");
    };
    assert_eq!(replay.booking_id, first.booking_id);
    assert_eq!((first.replayed, replay.replayed), (false, true));
    assert!(matches!(
        reuse,
        SaleAnswer::Book(Err(Refusal::KeyReused(_)))
    ));
    assert!(matches!(other, SaleAnswer::Book(Ok(booked)) if !booked.replayed));
    assert_eq!(decisions.sales.len(), 2);
}

#[test]
fn a_refused_command_leaves_its_key_to_the_next_one() {
    let commands = [book(1, 1, 5, Some(7)), book(1, 1, 1, Some(7))];
    let decisions = decide(facts(1), &commands, sequence());
    assert!(matches!(
        decisions.answers.as_slice(),
        [
            SaleAnswer::Book(Err(Refusal::NotEnoughSeats { .. })),
            SaleAnswer::Book(Ok(_))
        ]
    ));
    assert_eq!(decisions.sales[0].seats, seats(1));
}

#[test]
fn a_booking_is_cancelled_once_and_never_after_its_event_was_deleted() {
    let twice = [
        SaleCommand::Cancel(booking(1)),
        SaleCommand::Cancel(booking(1)),
        SaleCommand::Cancel(booking(5)),
        SaleCommand::Cancel(booking(99)),
    ];
    let decisions = decide(facts(0), &twice, sequence());
    let returned: Vec<_> = decisions
        .answers
        .iter()
        .map(|answer| match answer {
            SaleAnswer::Cancel(cancelled) => cancelled.as_ref().map(|c| c.seats_returned),
            SaleAnswer::Book(_) => panic!("nobody booked"),
        })
        .collect();
    assert_eq!(
        returned,
        [Some(Some(seats(2))), Some(None), Some(None), None]
    );
    assert_eq!(decisions.cancelled, [booking(1)]);
    assert_eq!(decisions.changes.len(), 1);
    let change = decisions.changes[&event(1)];
    assert_eq!((change.seats, change.bookings), (2, -1));
}

#[test]
fn a_pause_stops_sales_and_nothing_else() {
    let commands = [
        book(1, 1, 2, Some(0)),
        book(2, 1, 1, Some(7)),
        SaleCommand::Cancel(booking(1)),
        book(2, 1, 1, None),
        book(2, 2, 1, None),
    ];
    let mut alone = facts(9);
    alone.events.get_mut(&event(1)).expect("on sale").is_paused = true;
    let all = BatchFacts {
        all_paused: true,
        ..facts(9)
    };
    for paused in [alone, all] {
        let decisions = decide(paused, &commands, sequence());
        assert!(matches!(
            decisions.answers.as_slice(),
            [
                SaleAnswer::Book(Ok(Booked { replayed: true, .. })),
                SaleAnswer::Book(Err(Refusal::SalesPaused)),
                SaleAnswer::Cancel(Some(Cancelled {
                    seats_returned: Some(_),
                    ..
                })),
                SaleAnswer::Book(Err(Refusal::SalesPaused)),
                SaleAnswer::Book(Err(Refusal::EventStarted)),
            ]
        ));
        assert_eq!(decisions.sales, []);
    }
}

fn any_command() -> impl Strategy<Value = SaleCommand> {
    let booking_of = (1..=USERS + 1, 1..=EVENTS, 1u32..4, prop::option::of(0u8..3))
        .prop_map(|(user_id, event_id, wanted, key)| book(user_id, event_id, wanted, key));
    let cancelling = (1..=BOOKINGS + 1).prop_map(|id| SaleCommand::Cancel(booking(id)));
    prop_oneof![3 => booking_of, 1 => cancelling]
}

proptest! {
    #[test]
    fn a_batch_is_its_commands_one_after_the_other(
        seats_left in 0u32..12,
        all_paused in prop::bool::weighted(0.1),
        commands in prop::collection::vec(any_command(), 0..30),
    ) {
        let facts = BatchFacts { all_paused, ..facts(seats_left) };
        let together = decide(facts.clone(), &commands, sequence());

        let mut known = facts;
        let mut next_id = sequence();
        let mut one_by_one = decide(known.clone(), [], &mut next_id);
        for command in &commands {
            let decided = decide(known.clone(), [command], &mut next_id);
            apply(&mut known, &decided);
            one_by_one.answers.extend(decided.answers);
            one_by_one.sales.extend(decided.sales);
            one_by_one.cancelled.extend(decided.cancelled);
            one_by_one.seats_left.extend(decided.seats_left);
            for (event_id, change) in decided.changes {
                let sum = one_by_one.changes.entry(event_id).or_default();
                sum.seats += change.seats;
                sum.bookings += change.bookings;
            }
        }
        prop_assert_eq!(together, one_by_one);
    }
    /// Of each command: what is paused sells nothing, and whatever sells nothing is
    /// answered as if nothing were paused.
    #[test]
    fn what_is_paused_is_sold_by_no_command_of_a_batch(
        seats_left in 0u32..12,
        (pause_one, pause_all) in (any::<bool>(), any::<bool>()),
        commands in prop::collection::vec(any_command(), 0..30),
    ) {
        let mut paused = BatchFacts { all_paused: pause_all, ..facts(seats_left) };
        paused.events.get_mut(&event(1)).expect("on sale").is_paused = pause_one;
        let is_paused = pause_one || pause_all;
        let decisions = decide(paused, &commands, sequence());
        prop_assert_eq!(is_paused && !decisions.sales.is_empty(), false);

        let cancelling = |command: &&SaleCommand| matches!(command, SaleCommand::Cancel(_));
        let alone: Vec<_> = commands.iter().filter(cancelling).cloned().collect();
        let cancelled = decide(facts(seats_left), &alone, sequence()).cancelled;
        prop_assert_eq!(decisions.cancelled, cancelled);
        for (command, answer) in commands.iter().zip(&decisions.answers) {
            let told = matches!(answer, SaleAnswer::Book(Err(Refusal::SalesPaused)));
            let SaleCommand::Book(command) = command else { continue };
            let could_sell = command.event_id == event(1) && command.user_id != user(USERS + 1);
            prop_assert!(!told || (is_paused && could_sell), "{:?}: {:?}", command, answer);
        }
    }
}

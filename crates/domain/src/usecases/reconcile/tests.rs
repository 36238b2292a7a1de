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

//! Opening and closing gates, taking tokens and adjusting their number.

use domain::ports::GateAnswer;

use crate::GateBench;
use crate::values::{event_id, reservation, seats, seats_of};

pub async fn a_gate_that_was_never_opened_is_unknown(bench: GateBench) {
    assert_eq!(bench.take(1, 1).await, GateAnswer::Unknown);
    assert_eq!(bench.standing().await, (None, 0));
    assert_eq!(
        bench.take(1, 1).await,
        GateAnswer::Unknown,
        "asking opens nothing"
    );
}

pub async fn an_open_gate_has_a_token_for_each_seat_left(bench: GateBench) {
    for (event, left) in [(1, 5), (2, 0), (3, i32::MAX.into())] {
        bench.gate().open(seats_of(event, left)).await;
        let reading = bench.read_event(event).await;
        assert_eq!((reading.tokens, reading.leases), (Some(left), 0));
    }
    let answer = bench
        .gate()
        .take(event_id(2), reservation(1), seats(1))
        .await;
    assert_eq!(answer, GateAnswer::Refused { tokens_left: 0 });
    let answer = bench
        .gate()
        .take(event_id(3), reservation(2), seats(i32::MAX.into()))
        .await;
    assert_eq!(answer, GateAnswer::Granted);
    assert_eq!(bench.read_event(3).await.tokens, Some(0));
}

pub async fn taken_tokens_are_leased(bench: GateBench) {
    bench.open(5).await;
    assert_eq!(bench.take(1, 2).await, GateAnswer::Granted);
    assert_eq!(bench.standing().await, (Some(3), 1));
    assert_eq!(bench.take(2, 3).await, GateAnswer::Granted);
    assert_eq!(bench.standing().await, (Some(0), 2));
}

pub async fn where_fewer_tokens_are_left_nothing_is_taken(bench: GateBench) {
    bench.open(2).await;
    let before = bench.read().await;
    for number in 1..=3 {
        let refused = GateAnswer::Refused { tokens_left: 2 };
        assert_eq!(bench.take(number, 3).await, refused);
    }
    assert_eq!(bench.read().await, before);
    assert_eq!(bench.take(4, 2).await, GateAnswer::Granted);
    let refused = GateAnswer::Refused { tokens_left: 0 };
    assert_eq!(bench.take(5, 1).await, refused);
}

pub async fn taking_again_under_the_same_reservation_takes_nothing(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 3).await;
    let before = bench.read().await;
    assert_eq!(bench.take(1, 3).await, GateAnswer::Granted);
    assert_eq!(bench.read().await, before);
    // Also when there is nothing left to take.
    bench.take(2, 2).await;
    assert_eq!(bench.take(1, 3).await, GateAnswer::Granted);
    assert_eq!(bench.standing().await, (Some(0), 2));
    bench.release(1).await;
    assert_eq!(bench.standing().await, (Some(3), 1));
}

pub async fn settled_tokens_are_spent(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.take(2, 1).await;
    bench.settle(1).await;
    assert_eq!(bench.standing().await, (Some(2), 1));
}

pub async fn released_tokens_go_back(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.take(2, 1).await;
    bench.release(1).await;
    assert_eq!(bench.standing().await, (Some(4), 1));
    assert_eq!(bench.take(3, 4).await, GateAnswer::Granted);
}

pub async fn a_lease_ends_once(bench: GateBench) {
    bench.open(9).await;
    for number in 1..=3 {
        bench.take(number, 3).await;
    }
    bench.release(1).await;
    bench.settle(2).await;
    bench.release(3).await;
    let before = bench.read().await;
    assert_eq!((before.tokens, before.leases), (Some(6), 0));
    for number in 1..=3 {
        bench.release(number).await;
        bench.settle(number).await;
        bench.release(number).await;
    }
    assert_eq!(bench.read().await, before);
}

pub async fn without_a_lease_nothing_is_settled_or_released(bench: GateBench) {
    for open in [false, true] {
        if open {
            bench.open(5).await;
        }
        let before = bench.read().await;
        bench.settle(1).await;
        bench.release(1).await;
        assert_eq!(bench.read().await, before, "open: {open}");
    }
    // A lease belongs to the event whose tokens were taken.
    bench.take(1, 2).await;
    let before = bench.read().await;
    bench.gate().release(event_id(2), reservation(1)).await;
    bench.gate().settle(event_id(2), reservation(1)).await;
    assert_eq!(bench.read().await, before);
}

pub async fn an_adjustment_adds_tokens_or_takes_them_away(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 1).await;
    bench.adjust(3).await;
    assert_eq!(bench.standing().await, (Some(7), 1));
    // A resize may be ahead of bookings: the bucket owes tokens then.
    bench.adjust(-10).await;
    assert_eq!(bench.standing().await, (Some(-3), 1));
    let refused = GateAnswer::Refused { tokens_left: -3 };
    assert_eq!(bench.take(2, 1).await, refused);
    bench.release(1).await;
    assert_eq!(bench.standing().await, (Some(-2), 0));
    bench.adjust(3).await;
    assert_eq!(bench.take(3, 1).await, GateAnswer::Granted);
}

pub async fn every_adjustment_counts(bench: GateBench) {
    bench.open(0).await;
    for _ in 0..2 {
        bench.adjust(2).await;
    }
    assert_eq!(bench.standing().await, (Some(4), 0), "twice is twice");
}

pub async fn an_adjustment_beyond_all_numbers_breaks_nothing(bench: GateBench) {
    for seats in [i64::MAX, i64::MIN] {
        bench.open_again(5).await;
        for _ in 0..2 {
            bench.adjust(seats).await;
        }
        // What is left in the bucket is the adapter's; mending puts it right.
        let generation = bench.read().await.generation;
        assert!(bench.rebuild(5, generation).await);
        bench.raise(5).await;
        assert_eq!(bench.take(1, 5).await, GateAnswer::Granted);
        bench.close().await;
    }
}

pub async fn an_adjustment_makes_no_gate_where_there_is_none(bench: GateBench) {
    bench.adjust(3).await;
    assert_eq!(bench.standing().await, (None, 0));
    assert_eq!(bench.take(1, 1).await, GateAnswer::Unknown);
}

pub async fn a_gate_that_stands_open_is_not_opened_again(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    let before = bench.read().await;
    for left in [5, 9] {
        bench.open(left).await;
        assert_eq!(bench.read().await, before);
    }
    // An empty bucket stands open too, and one that owes tokens.
    bench.take(2, 3).await;
    bench.open(9).await;
    assert_eq!(bench.standing().await, (Some(0), 2));
    bench.adjust(-1).await;
    bench.open(9).await;
    assert_eq!(bench.standing().await, (Some(-1), 2));
}

pub async fn a_closed_gate_is_unknown_and_has_no_leases(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    for _ in 0..2 {
        bench.close().await;
        assert_eq!(bench.standing().await, (None, 0));
        assert_eq!(bench.take(2, 1).await, GateAnswer::Unknown);
    }
    // A booking that was under way ends its lease later.
    bench.release(1).await;
    bench.settle(1).await;
    bench.adjust(2).await;
    assert_eq!(bench.standing().await, (None, 0));
}

pub async fn a_lease_from_before_a_gate_was_closed_returns_nothing_to_the_next(bench: GateBench) {
    bench.open(5).await;
    bench.take(1, 2).await;
    bench.close().await;
    bench.open_again(5).await;
    bench.release(1).await;
    assert_eq!(bench.standing().await, (Some(5), 0));
}

pub async fn events_have_gates_of_their_own(bench: GateBench) {
    for event in 1..=3 {
        bench.gate().open(seats_of(event, 10 * event)).await;
    }
    bench
        .gate()
        .take(event_id(2), reservation(1), seats(20))
        .await;
    bench.gate().adjust(event_id(3), -5).await;
    bench.gate().close(event_id(1)).await;
    let events = [3, 2, 1].map(event_id);
    let readings = bench.gate().read(&events).await.expect("an answer");
    let standing: Vec<_> = readings
        .iter()
        .flatten()
        .map(|reading| (reading.tokens, reading.leases))
        .collect();
    assert_eq!(standing, [(Some(25), 0), (Some(0), 1), (None, 0)]);
}

pub async fn gates_are_read_in_the_order_of_the_question(bench: GateBench) {
    for event in [1, 2, 3] {
        bench.gate().open(seats_of(event, 10 * event)).await;
    }
    let question = [3, 9, 1, 2, 3].map(event_id);
    let readings = bench.gate().read(&question).await.expect("an answer");
    let tokens: Vec<_> = readings
        .iter()
        .flatten()
        .map(|reading| reading.tokens)
        .collect();
    assert_eq!(tokens, [Some(30), None, Some(10), Some(20), Some(30)]);
    assert_eq!(bench.gate().read(&[]).await.expect("nothing to ask"), []);
}

pub async fn five_hundred_gates_are_read_at_once(bench: GateBench) {
    for event in (1..=500).step_by(7) {
        bench.gate().open(seats_of(event, event)).await;
    }
    let question: Vec<_> = (1..=500).rev().map(event_id).collect();
    let readings = bench.gate().read(&question).await.expect("an answer");
    let tokens: Vec<_> = readings
        .iter()
        .flatten()
        .map(|reading| reading.tokens)
        .collect();
    let expected: Vec<_> = (1..=500)
        .rev()
        .map(|event| (event % 7 == 1).then_some(event))
        .collect();
    assert_eq!(tokens, expected);
}

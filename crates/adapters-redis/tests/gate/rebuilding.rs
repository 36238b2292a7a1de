//! Reading many gates and rebuilding one, unless something happened between.

use adapters_redis::RedisSeatGate;
use domain::model::EventSeats;
use domain::ports::{GateAnswer, GateGeneration, SeatGate};

use crate::support::{
    BUCKET, Bench, EVENT, KEEP_MS, Mode, Proxy, all, event, patient, reservation, seats_left,
};

impl Bench {
    async fn rebuild(&self, event: EventSeats, generation: GateGeneration) -> bool {
        self.gate
            .rebuild(event, generation)
            .await
            .expect("redis answers")
    }

    async fn raise(&self, left: i64) -> bool {
        let raised = self.gate.raise(seats_left(left)).await;
        raised.expect("redis answers")
    }
}

#[tokio::test]
async fn a_bucket_that_is_missing_or_holds_too_many_is_rebuilt() {
    for bucket in [None, Some("6"), Some("999999999999999"), Some("abc")] {
        let bench = Bench::new().await;
        if let Some(value) = bucket {
            let () = bench.redis(&["SET", BUCKET, value]).await;
        }
        let before = bench.read().await;
        assert!(
            bench.rebuild(seats_left(5), before.generation).await,
            "{bucket:?}"
        );
        let after = bench.read().await;
        assert_eq!((after.tokens, after.leases), (Some(5), 0));
        assert_ne!(after.generation, before.generation);
        let left_ms: i64 = bench.redis(&["PTTL", BUCKET]).await;
        assert!((1..=KEEP_MS).contains(&left_ms), "{left_ms}");
        assert_eq!(bench.take(reservation(1), 5).await, GateAnswer::Granted);
    }
}

#[tokio::test]
async fn a_bucket_that_holds_too_few_is_raised_to_what_is_not_leased() {
    for bucket in ["0", "2", "-5", "-999999999999999"] {
        let bench = Bench::new().await;
        bench.gate.open(seats_left(5)).await;
        bench.take(reservation(1), 2).await;
        let () = bench.redis(&["SET", BUCKET, bucket]).await;
        assert_eq!(bench.read().await.seats_leased, 2);
        assert!(bench.raise(5).await, "{bucket}");
        assert!(!bench.raise(5).await, "{bucket}: it is right now");
        assert_eq!(bench.standing().await, (Some(3), 1));
        bench.release(reservation(1)).await;
        assert_eq!(bench.standing().await, (Some(5), 0));
    }
}

#[tokio::test]
async fn raising_takes_nothing_away_and_makes_no_bucket() {
    let bench = Bench::new().await;
    assert!(!bench.raise(5).await);
    assert_eq!(bench.standing().await, (None, 0));
    let () = bench.redis(&["SET", BUCKET, "abc"]).await;
    assert!(!bench.raise(5).await);
    let () = bench.redis(&["SET", BUCKET, "9"]).await;
    assert!(!bench.raise(5).await);
    assert_eq!(bench.redis::<String>(&["GET", BUCKET]).await, "9");
}

#[tokio::test]
async fn a_gate_that_changed_since_it_was_read_is_not_rebuilt() {
    for change in ["adjusted", "closed", "opened", "raised"] {
        let bench = Bench::new().await;
        if change != "opened" {
            bench.gate.open(seats_left(5)).await;
        }
        let before = bench.read().await;
        match change {
            "adjusted" => bench.gate.adjust(event(EVENT), 1).await,
            "closed" => bench.gate.close(event(EVENT)).await,
            "raised" => assert!(bench.raise(7).await),
            _ => bench.gate.open(seats_left(5)).await,
        }
        let changed = bench.read().await;
        assert!(
            !bench.rebuild(seats_left(3), before.generation).await,
            "{change}"
        );
        assert_eq!(bench.read().await, changed, "{change}");
    }
}

#[tokio::test]
async fn bookings_do_not_stop_a_rebuild_and_keep_their_leases() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(9)).await;
    let before = bench.read().await;
    for bits in 1..=3 {
        bench.take(reservation(bits), 1).await;
    }
    bench.settle(reservation(1)).await;
    bench.release(reservation(2)).await;
    assert!(bench.rebuild(seats_left(4), before.generation).await);
    assert_eq!(bench.standing().await, (Some(4), 1));
}

#[tokio::test]
async fn a_booking_that_came_and_went_between_is_not_given_back() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let before = bench.read().await;
    bench.take(reservation(1), 1).await;
    bench.settle(reservation(1)).await;
    assert!(bench.rebuild(seats_left(5), before.generation).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

#[tokio::test]
async fn an_event_deleted_between_gets_no_gate_although_it_had_none() {
    let bench = Bench::new().await;
    let before = bench.read().await;
    bench.gate.close(event(EVENT)).await;
    assert!(!bench.rebuild(seats_left(5), before.generation).await);
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn a_rebuild_repeated_after_a_lost_answer_does_nothing() {
    let bench = Bench::new().await;
    let generation = bench.read().await.generation;
    assert!(bench.rebuild(seats_left(5), generation).await);
    bench.take(reservation(1), 1).await;
    bench.settle(reservation(1)).await;
    assert!(!bench.rebuild(seats_left(3), generation).await);
    assert_eq!(bench.standing().await, (Some(4), 0));
}

#[tokio::test]
async fn a_generation_that_was_lost_never_comes_back_to_a_number_read_before() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let before = bench.read().await.generation;
    // One change made it, so one change after the loss might make it again.
    let _: () = bench.redis(&["FLUSHDB"]).await;
    bench.gate.open(seats_left(5)).await;
    let after = bench.read().await.generation;
    assert!(after.0 > before.0, "{after:?} after {before:?}");
    assert!(!bench.rebuild(seats_left(9), before).await);
}

#[tokio::test]
async fn gates_are_read_in_the_order_of_the_question() {
    let bench = Bench::new().await;
    for id in [1, 2, 3] {
        let event = EventSeats {
            event_id: event(id),
            ..seats_left(id * 10)
        };
        bench.gate.open(event).await;
    }
    let question = [3, 9, 1, 2, 3].map(event);
    let readings = all(bench.gate.read(&question).await.expect("redis answers"));
    let tokens: Vec<_> = readings.iter().map(|reading| reading.tokens).collect();
    assert_eq!(tokens, [Some(30), None, Some(10), Some(20), Some(30)]);
    let nothing = bench.gate.read(&[]).await.expect("nothing to ask");
    assert_eq!(nothing, []);
}

#[tokio::test]
async fn many_gates_are_read_in_one_round_trip() {
    let bench = Bench::new().await;
    let proxy = Proxy::before(&bench.url, Mode::Forward).await;
    let gate = RedisSeatGate::try_new(&proxy.url, patient()).expect("a good url");
    let event_ids: Vec<_> = (1..=20).map(event).collect();
    // Connects, and makes sure that Redis knows the script.
    gate.read(&event_ids).await.expect("redis answers");
    let before = proxy.turns();
    let readings = gate.read(&event_ids).await.expect("redis answers");
    assert_eq!(readings.len(), event_ids.len());
    // One for the pool's check of its connection, one for the question, which
    // the sockets may cut in two.
    let turns = proxy.turns() - before;
    assert!((1..=4).contains(&turns), "{turns} round trips");
}

#[tokio::test]
async fn five_hundred_gates_are_read_at_once() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let event_ids: Vec<_> = (1..=500).map(event).collect();
    let readings = all(bench.gate.read(&event_ids).await.expect("redis answers"));
    assert_eq!(readings.len(), 500);
    assert_eq!(readings[0].tokens, Some(5));
}

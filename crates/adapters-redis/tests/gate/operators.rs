//! Operators set, delete and damage keys, and empty the cache of scripts.

use domain::ports::{GateAnswer, SeatGate};

use crate::support::{
    BUCKET, Bench, EVENT, GENERATION, KEEP_MS, LEASED_SEATS, LEASES, event, reservation, seats_left,
};

/// What is no number of tokens, however much some of it looks like one.
const NONSENSE: [&str; 14] = [
    "",
    "abc",
    "1.5",
    "1e30",
    "1e3",
    "0x10",
    " 5",
    "5 ",
    "+5",
    "-0",
    "007",
    "nan",
    "1000000000000000",
    "99999999999999999999",
];

#[tokio::test]
async fn a_number_that_an_operator_sets_counts_at_once() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(50)).await;
    for (number, answer) in [
        ("2", GateAnswer::Refused { tokens_left: 2 }),
        ("0", GateAnswer::Refused { tokens_left: 0 }),
        ("-4", GateAnswer::Refused { tokens_left: -4 }),
        ("3", GateAnswer::Granted),
    ] {
        let () = bench.redis(&["SET", BUCKET, number]).await;
        assert_eq!(bench.take(reservation(1), 3).await, answer, "{number}");
    }
    assert_eq!(bench.standing().await, (Some(0), 1));
}

#[tokio::test]
async fn a_bucket_that_is_no_number_is_unknown_and_left_alone() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(50)).await;
    bench.take(reservation(1), 1).await;
    bench.take(reservation(2), 1).await;
    for (bits, nonsense) in (10..).zip(NONSENSE) {
        let () = bench.redis(&["SET", BUCKET, nonsense]).await;
        let taken = bench.take(reservation(bits), 1).await;
        assert_eq!(taken, GateAnswer::Unknown, "{nonsense:?}");
        bench.gate.adjust(event(EVENT), 1).await;
        assert_eq!(bench.read().await.tokens, None, "{nonsense:?}");
        let left: String = bench.redis(&["GET", BUCKET]).await;
        assert_eq!(left, nonsense);
    }
    bench.release(reservation(1)).await;
    bench.settle(reservation(2)).await;
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn a_bucket_of_another_type_is_unknown_until_it_is_rebuilt() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(50)).await;
    bench.take(reservation(1), 1).await;
    let _: i64 = bench.redis(&["DEL", BUCKET]).await;
    let _: i64 = bench.redis(&["LPUSH", BUCKET, "1"]).await;

    assert_eq!(bench.take(reservation(2), 1).await, GateAnswer::Unknown);
    bench.gate.adjust(event(EVENT), 1).await;
    bench.release(reservation(1)).await;
    bench.gate.open(seats_left(50)).await;
    let reading = bench.read().await;
    assert_eq!((reading.tokens, reading.leases), (None, 0));

    let rebuilt = bench
        .gate
        .rebuild(seats_left(50), reading.generation)
        .await
        .expect("redis answers");
    assert!(rebuilt);
    assert_eq!(bench.redis::<String>(&["GET", BUCKET]).await, "50");
}

#[tokio::test]
async fn a_deleted_bucket_is_unknown_and_ends_its_leases_all_the_same() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    bench.take(reservation(2), 2).await;
    let _: i64 = bench.redis(&["DEL", BUCKET]).await;
    assert_eq!(bench.take(reservation(3), 1).await, GateAnswer::Unknown);
    assert_eq!(bench.standing().await, (None, 2));
    bench.release(reservation(1)).await;
    bench.settle(reservation(2)).await;
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn a_take_repeated_after_the_bucket_was_deleted_is_still_granted() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    bench.take(reservation(1), 2).await;
    let _: i64 = bench.redis(&["DEL", BUCKET]).await;
    assert_eq!(bench.take(reservation(1), 2).await, GateAnswer::Granted);
}

#[tokio::test]
async fn a_bucket_that_an_operator_set_does_not_stay_for_ever() {
    let bench = Bench::new().await;
    for read in [true, false] {
        let () = bench.redis(&["SET", BUCKET, "5"]).await;
        if read {
            bench.read().await;
        } else {
            // Nobody reads the gate of an event that began or was deleted.
            bench.take(reservation(1), 6).await;
        }
        let left_ms: i64 = bench.redis(&["PTTL", BUCKET]).await;
        assert!((1..=KEEP_MS).contains(&left_ms), "{left_ms}");
    }
}

#[tokio::test]
async fn reading_does_not_shorten_the_life_of_a_gate() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(5)).await;
    let before: i64 = bench.redis(&["PEXPIRETIME", BUCKET]).await;
    bench.read().await;
    assert_eq!(bench.redis::<i64>(&["PEXPIRETIME", BUCKET]).await, before);
}

#[tokio::test]
async fn leases_that_were_overwritten_are_put_right_by_reading() {
    for damaged in [LEASES, LEASED_SEATS] {
        let bench = Bench::new().await;
        bench.gate.open(seats_left(5)).await;
        bench.take(reservation(1), 2).await;
        let () = bench.redis(&["SET", damaged, "oops"]).await;
        assert_eq!(bench.standing().await, (Some(3), 0), "{damaged}");
        assert_eq!(bench.take(reservation(2), 2).await, GateAnswer::Granted);
        bench.release(reservation(2)).await;
        assert_eq!(bench.standing().await, (Some(3), 0), "{damaged}");
    }
}

#[tokio::test]
async fn a_generation_that_was_overwritten_starts_again() {
    for nonsense in ["oops", "-7", "1.5", "0012", "9223372036854775807"] {
        let bench = Bench::new().await;
        bench.gate.open(seats_left(5)).await;
        let () = bench.redis(&["SET", GENERATION, nonsense]).await;
        let before = bench.read().await.generation;
        assert_eq!(bench.take(reservation(1), 2).await, GateAnswer::Granted);
        bench.settle(reservation(1)).await;
        bench.gate.adjust(event(EVENT), 2).await;
        let after = bench.read().await;
        assert_ne!(after.generation, before, "{nonsense}");
        let rebuilt = bench.gate.rebuild(seats_left(4), after.generation).await;
        assert!(rebuilt.expect("redis answers"), "{nonsense}");
    }
}

#[tokio::test]
async fn forgotten_scripts_are_taught_again() {
    let bench = Bench::new().await;
    let flush = async || {
        let () = bench.redis(&["SCRIPT", "FLUSH"]).await;
    };
    flush().await;
    bench.gate.open(seats_left(5)).await;
    flush().await;
    assert_eq!(bench.take(reservation(1), 2).await, GateAnswer::Granted);
    assert_eq!(bench.take(reservation(2), 1).await, GateAnswer::Granted);
    flush().await;
    bench.release(reservation(1)).await;
    flush().await;
    bench.settle(reservation(2)).await;
    flush().await;
    bench.gate.adjust(event(EVENT), -1).await;
    flush().await;
    let reading = bench.read().await;
    assert_eq!((reading.tokens, reading.leases), (Some(3), 0));
    flush().await;
    let rebuilt = bench.gate.rebuild(seats_left(2), reading.generation).await;
    assert!(rebuilt.expect("redis answers"));
    flush().await;
    let rebuilt = bench.gate.raise(seats_left(9)).await;
    assert!(rebuilt.expect("redis answers"));
    flush().await;
    bench.gate.close(event(EVENT)).await;
    assert_eq!(bench.standing().await, (None, 0));
}

#[tokio::test]
async fn scripts_that_are_forgotten_all_the_time_run_all_the_same() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(50)).await;
    let forgetting = async {
        loop {
            let () = bench.redis(&["SCRIPT", "FLUSH"]).await;
        }
    };
    let working = async {
        for bits in 1..=50 {
            assert_eq!(bench.take(reservation(bits), 1).await, GateAnswer::Granted);
            bench.settle(reservation(bits)).await;
            bench.read().await;
        }
    };
    tokio::select! {
        () = forgetting => {}
        () = working => {}
    }
    assert_eq!(bench.standing().await, (Some(0), 0));
}

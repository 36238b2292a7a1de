//! Tokens that are taken in blocks: by a crowd, and only while plenty is left.

use std::sync::Arc;
use std::time::Duration;

use adapters_redis::{GateSettings, RedisSeatGate};
use domain::ports::{GateAnswer, SeatGate};
use tokio::task::JoinSet;

use crate::support::crowd::{BLOCK, CROWD, Crowded, LATER, LONG, PLENTY, gate_on, take};
use crate::support::{
    Bench, EVENT, LEASES, Mode, Proxy, all, event, patient, reservation, seats_left,
};

#[tokio::test]
async fn a_crowd_is_served_without_asking_redis() {
    let crowded = Crowded::new().await;
    assert_eq!(crowded.leases().await, CROWD + 1);
    assert_eq!(crowded.tokens().await, 20_000 - CROWD - BLOCK);
    crowded.proxy.set(Mode::Silent);
    let turns = crowded.proxy.turns();
    for bits in LATER..LATER + 100 {
        assert_eq!(take(&crowded.gate, bits, 1).await, GateAnswer::Granted);
        crowded.gate.settle(event(EVENT), reservation(bits)).await;
    }
    assert_eq!(crowded.proxy.turns(), turns);
}

#[tokio::test]
async fn a_lone_booking_takes_no_block() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(20_000)).await;
    for bits in 0..100 {
        bench.take(reservation(bits), 1).await;
    }
    let leases: i64 = bench.redis(&["ZCARD", LEASES]).await;
    assert_eq!(leases, 100);
}

#[tokio::test]
async fn no_block_is_taken_of_the_last_tokens() {
    // The block is asked for among the takes of the crowd.
    for (tokens, blocks) in [(PLENTY + BLOCK + CROWD, 1), (PLENTY + BLOCK - 1, 0)] {
        let crowded = Crowded::with(tokens, patient(), LONG).await;
        assert_eq!(crowded.leases().await, CROWD + blocks, "{tokens}");
    }
}

#[tokio::test]
async fn reading_puts_blocks_back_and_sees_what_was_settled() {
    let crowded = Crowded::new().await;
    for bits in 0..CROWD as u128 {
        crowded.gate.settle(event(EVENT), reservation(bits)).await;
    }
    for bits in LATER..LATER + 3 {
        take(&crowded.gate, bits, 2).await;
    }
    crowded.gate.settle(event(EVENT), reservation(LATER)).await;
    crowded
        .gate
        .release(event(EVENT), reservation(LATER + 1))
        .await;
    let reading = all(crowded.gate.read(&[event(EVENT)]).await.expect("an answer"));
    let left = 20_000 - CROWD - 4;
    let [reading] = &reading[..] else {
        panic!("{reading:?}")
    };
    assert_eq!(reading.tokens, Some(left));
    assert_eq!((reading.leases, reading.seats_leased), (1, 2), "under way");
    // Its block gives no more.
    crowded
        .gate
        .release(event(EVENT), reservation(LATER + 2))
        .await;
    assert_eq!(crowded.seen_by_others().await, (Some(left + 2), 0, 0));
}

#[tokio::test]
async fn what_is_released_goes_back_to_its_block_while_that_gives() {
    let crowded = Crowded::new().await;
    let before = crowded.tokens().await;
    assert_eq!(take(&crowded.gate, LATER, 9).await, GateAnswer::Granted);
    crowded.proxy.set(Mode::Silent);
    let released = crowded.gate.release(event(EVENT), reservation(LATER));
    let released = tokio::time::timeout(Duration::from_secs(3), released).await;
    released.expect("redis is not asked");
    crowded.proxy.set(Mode::Forward);
    assert_eq!(crowded.tokens().await, before);
    crowded.gate.read(&[event(EVENT)]).await.expect("an answer");
    assert_eq!(crowded.tokens().await, before + BLOCK);
}

#[tokio::test]
async fn a_reservation_is_given_seats_once_wherever_they_came_from() {
    let crowded = Crowded::new().await;
    // Leased to it before there was a block, and given by the block.
    for bits in [0, LATER] {
        for _ in 0..3 {
            assert_eq!(take(&crowded.gate, bits, 1).await, GateAnswer::Granted);
        }
    }
    // Once, then again, and at another event.
    for event_id in [EVENT, EVENT, 2] {
        for bits in (0..CROWD as u128).chain([LATER]) {
            let released = crowded.gate.release(event(event_id), reservation(bits));
            released.await;
        }
        crowded.gate.read(&[event(EVENT)]).await.expect("an answer");
        assert_eq!(crowded.seen_by_others().await, (Some(20_000), 0, 0));
    }
}

#[tokio::test]
async fn what_a_block_has_left_goes_back_when_its_life_is_over() {
    // Nobody asks anything afterwards.
    let crowded = Crowded::with(20_000, patient(), Duration::from_millis(1)).await;
    crowded.until_leases_are(CROWD).await;
    assert_eq!(crowded.tokens().await, 20_000 - CROWD);
}

#[tokio::test]
async fn a_closed_gate_has_no_blocks() {
    let crowded = Crowded::new().await;
    assert_eq!(take(&crowded.gate, LATER, 1).await, GateAnswer::Granted);
    crowded.gate.close(event(EVENT)).await;
    let answer = take(&crowded.gate, LATER + 1, 1).await;
    assert_eq!(answer, GateAnswer::Unknown);
    crowded.gate.release(event(EVENT), reservation(LATER)).await;
    let reading = crowded.bench.read().await;
    let rebuilt = crowded
        .bench
        .gate
        .rebuild(seats_left(7), reading.generation)
        .await;
    assert!(rebuilt.expect("an answer"));
    crowded.gate.read(&[event(EVENT)]).await.expect("an answer");
    assert_eq!(crowded.seen_by_others().await, (Some(7), 0, 0));
}

#[tokio::test]
async fn a_smaller_capacity_counts_for_whoever_takes_next() {
    let crowded = Crowded::new().await;
    crowded.gate.adjust(event(EVENT), CROWD - 20_000).await;
    let answer = take(&crowded.gate, LATER, 1).await;
    assert_eq!(answer, GateAnswer::Refused { tokens_left: 0 });
}

#[tokio::test]
async fn a_block_given_up_twice_goes_back_once() {
    let bench = Bench::new().await;
    bench.gate.open(seats_left(20_000)).await;
    let proxy = Proxy::before(&bench.url, Mode::Forward).await;
    let gate = gate_on(&proxy.url, patient(), LONG);
    gate.adjust(event(2), 1).await;
    proxy.set(Mode::Silent);
    let (crowd, (), ()) = tokio::join!(
        async {
            let takes = (0..CROWD as u128).map(|bits| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { take(&gate, bits, 1).await })
            });
            takes.collect::<Vec<_>>()
        },
        async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            // The block is on its way: who waits for it gives it up as well.
            gate.adjust(event(EVENT), -1).await;
        },
        async {
            for _ in 0..40 {
                tokio::task::yield_now().await;
            }
            proxy.set(Mode::Forward);
        }
    );
    for take in crowd {
        assert_eq!(take.await.expect("no panic"), GateAnswer::Granted);
    }
    for _ in 0..3 {
        gate.read(&[event(EVENT)]).await.expect("an answer");
    }
    let reading = bench.read().await;
    assert_eq!(reading.leases, CROWD as u64);
    assert_eq!(reading.tokens, Some(20_000 - CROWD - 1));
}

#[tokio::test]
async fn a_process_that_dies_leaves_a_lease_that_runs_out() {
    let settings = GateSettings {
        lease_ttl: Duration::from_secs(3),
        ..patient()
    };
    let Crowded { bench, gate, .. } = Crowded::with(20_000, settings, LONG).await;
    take(&gate, LATER, 1).await;
    drop(gate);
    let ends: Vec<String> = bench
        .redis(&["ZRANGE", LEASES, "-1", "-1", "WITHSCORES"])
        .await;
    let end: i64 = ends[1].parse().expect("milliseconds");
    bench.clock_passes(end).await;
    let reading = bench.read().await;
    assert_eq!((reading.leases, reading.seats_leased), (0, 0));
    assert!(
        bench
            .gate
            .raise(seats_left(20_000))
            .await
            .expect("an answer")
    );
    assert_eq!(bench.standing().await, (Some(20_000), 0));
}

#[tokio::test]
async fn at_the_end_of_the_program_blocks_go_back() {
    let crowded = Crowded::new().await;
    for bits in 0..CROWD as u128 {
        crowded.gate.settle(event(EVENT), reservation(bits)).await;
    }
    crowded.gate.drain().await;
    assert_eq!(crowded.seen_by_others().await, (Some(20_000 - CROWD), 0, 0));
}

/// Sells as much as it can get; says how many tokens that was.
async fn sell_out(gate: Arc<RedisSeatGate>, seller: u128) -> i64 {
    let mut sold = 0;
    // More than there are tokens, so that a gate which grants for ever is seen.
    for turn in 0..20_000 {
        let bits = seller << 32 | turn;
        if take(&gate, bits, 1).await != GateAnswer::Granted {
            break;
        }
        // Not everybody pays; nor are all of them quick.
        if turn % 7 == 0 {
            gate.release(event(EVENT), reservation(bits)).await;
            continue;
        }
        if turn % 3 == 0 {
            tokio::task::yield_now().await;
        }
        gate.settle(event(EVENT), reservation(bits)).await;
        sold += 1;
    }
    sold
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_sell_exactly_what_there_is() {
    let tokens = PLENTY + 20 * BLOCK + 3;
    let bench = Bench::new().await;
    bench.gate.open(seats_left(tokens)).await;
    let life = Duration::from_millis(20);
    let gates = [0, 1].map(|_| gate_on(&bench.url, patient(), life));
    let mut sold = 0;
    // Whoever came while others were undecided or blocks were out was refused:
    // until all is decided and put back there may be some tokens left.
    for round in 0..2_u128 {
        let mut sellers = JoinSet::new();
        for seller in 0..64 {
            let gate = Arc::clone(&gates[seller % 2]);
            sellers.spawn(sell_out(gate, round << 32 | seller as u128));
        }
        sold += sellers.join_all().await.into_iter().sum::<i64>();
        assert!(sold <= tokens, "{sold} sold of {tokens}");
        for gate in &gates {
            gate.read(&[event(EVENT)]).await.expect("an answer");
        }
        let left = bench.read().await;
        assert_eq!((left.tokens, left.leases), (Some(tokens - sold), 0));
    }
    // One alone gets the rest.
    sold += sell_out(Arc::clone(&gates[0]), LATER >> 32).await;
    sold += sell_out(Arc::clone(&gates[0]), LATER >> 31).await;
    assert_eq!(sold, tokens);
}

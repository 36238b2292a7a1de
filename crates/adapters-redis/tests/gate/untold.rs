//! What Redis should hear of blocks, and does not hear at once: it is told as
//! soon as it listens, and until then it leases more than it need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisSeatGate};
use domain::ports::{GateAnswer, SeatGate};
use tokio::task::{JoinSet, yield_now};

use crate::support::crowd::{BLOCK, CROWD, Crowded, LATER, LONG, crowd_takes, take};
use crate::support::{EVENT, LEASED_SEATS, Mode, event, ordinary, patient, reservation, seats};

const TIMEOUT: Duration = Duration::from_millis(400);

/// What there is in the bucket at first.
const TOKENS: i64 = 20_000;

/// As many commands as may wait.
const WAITING_MAX: u128 = 16_384;

/// Redis is only tried again by who insists.
fn wary() -> GateSettings {
    GateSettings {
        cool_down: LONG,
        ..patient()
    }
}

impl Crowded {
    /// The crowd is gone, its seats are sold.
    async fn sell_to_the_crowd(&self) {
        for bits in 0..CROWD as u128 {
            self.gate.settle(event(EVENT), reservation(bits)).await;
        }
    }

    /// With a block that has ended, in which two have a seat each.
    async fn with_two_under_way(settings: GateSettings) -> Self {
        let crowded = Self::with(TOKENS, settings, LONG).await;
        crowded.sell_to_the_crowd().await;
        for bits in [LATER, LATER + 1] {
            assert_eq!(take(&crowded.gate, bits, 1).await, GateAnswer::Granted);
        }
        crowded.look().await;
        let under_way = crowded.seen_by_others().await;
        assert_eq!(under_way, (Some(TOKENS - CROWD - 2), 1, 2));
        crowded
    }

    /// As reconciliation does.
    async fn look(&self) {
        self.gate.read(&[event(EVENT)]).await.expect("an answer");
    }

    async fn settle(&self, bits: u128) {
        self.gate.settle(event(EVENT), reservation(bits)).await;
    }

    async fn release(&self, bits: u128) {
        self.gate.release(event(EVENT), reservation(bits)).await;
    }
}

#[tokio::test]
async fn what_is_released_goes_back_however_long_it_waits_for_its_turn() {
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        ..wary()
    };
    let crowded = Crowded::with_two_under_way(settings).await;
    tokio::join!(crowded.release(LATER), async {
        // The batch does not begin before this ends: there is one thread.
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {}
    });
    crowded.release(LATER + 1).await;
    let all = (Some(TOKENS - CROWD), 0, 0);
    assert_eq!(crowded.seen_by_others().await, all);
}

#[tokio::test]
async fn what_redis_refuses_to_hear_it_is_told_again() {
    let crowded = Crowded::with_two_under_way(wary()).await;
    crowded.may_not_ask().await;
    crowded.release(LATER).await;
    crowded.settle(LATER + 1).await;
    crowded.all_is_answered().await;
    crowded.may_ask().await;
    crowded.look().await;
    let one_sold = (Some(TOKENS - CROWD - 1), 0, 0);
    assert_eq!(crowded.seen_by_others().await, one_sold);
}

#[tokio::test]
async fn what_redis_did_not_hear_while_it_was_away_it_is_told_when_it_is_back() {
    let crowded = Crowded::with_two_under_way(wary()).await;
    crowded.proxy.set(Mode::Broken);
    crowded.settle(LATER).await;
    crowded.all_is_answered().await;
    crowded.release(LATER + 1).await;
    crowded.proxy.set(Mode::Forward);
    // The first finds that it is back.
    for _ in 0..2 {
        crowded.look().await;
    }
    let one_sold = (Some(TOKENS - CROWD - 1), 0, 0);
    assert_eq!(crowded.seen_by_others().await, one_sold);
}

#[tokio::test]
async fn what_redis_heard_without_saying_so_is_done_once() {
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        ..wary()
    };
    let crowded = Crowded::with_two_under_way(settings).await;
    crowded.proxy.set(Mode::Deaf);
    crowded.release(LATER).await;
    crowded.all_is_answered().await;
    crowded.proxy.set(Mode::Forward);
    crowded.settle(LATER + 1).await;
    for _ in 0..2 {
        crowded.look().await;
    }
    let one_sold = (Some(TOKENS - CROWD - 1), 0, 0);
    assert_eq!(crowded.seen_by_others().await, one_sold);
}

#[tokio::test]
async fn blocks_outlast_a_redis_that_is_away_and_go_back_afterwards() {
    let crowded = Crowded::with(TOKENS, wary(), LONG).await;
    crowded.sell_to_the_crowd().await;
    crowded.all_is_answered().await;
    crowded.proxy.set(Mode::Broken);
    crowded.all_is_answered().await;
    for bits in [LATER, LATER + 1] {
        assert_eq!(take(&crowded.gate, bits, 1).await, GateAnswer::Granted);
    }
    crowded.settle(LATER).await;
    crowded.proxy.set(Mode::Forward);
    for _ in 0..2 {
        crowded.look().await;
    }
    let one_under_way = (Some(TOKENS - CROWD - 2), 1, 1);
    assert_eq!(crowded.seen_by_others().await, one_under_way);
}

#[tokio::test]
async fn a_redis_that_refuses_now_and_then_costs_no_blocks() {
    let crowded = Crowded::with(TOKENS, wary(), LONG).await;
    for flap in 1..=20_u128 {
        crowded.may_not_ask().await;
        // More than is shared, so Redis is asked.
        let asking = take(&crowded.gate, LATER + flap, BLOCK).await;
        assert_eq!(asking, GateAnswer::Unknown);
        crowded.may_ask().await;
        let first = flap * CROWD as u128;
        crowd_takes(&crowded.gate, first).await;
        for bits in first..first + CROWD as u128 {
            crowded.settle(bits).await;
        }
    }
    crowded.all_is_answered().await;
    let (_, _, leased) = crowded.seen_by_others().await;
    assert!(leased <= CROWD + 2 * BLOCK, "{leased} are leased");
    crowded.look().await;
    let (tokens, leases, leased) = crowded.seen_by_others().await;
    assert_eq!((tokens, leases), (Some(TOKENS - 21 * CROWD), CROWD as u64));
    assert_eq!(leased, CROWD);
}

#[tokio::test]
async fn a_block_of_which_nobody_heard_whether_it_came_goes_back() {
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        ..wary()
    };
    let crowded = Crowded::with(TOKENS, settings, LONG).await;
    crowded.sell_to_the_crowd().await;
    crowded.look().await;
    crowded.proxy.set(Mode::Deaf);
    let mut takes = JoinSet::new();
    for bits in LATER..LATER + CROWD as u128 {
        let gate = Arc::clone(&crowded.gate);
        takes.spawn(async move { take(&gate, bits, 1).await });
    }
    let answers = takes.join_all().await;
    assert!(answers.iter().all(|got| *got == GateAnswer::Unknown));
    assert_eq!(crowded.leases().await, CROWD + 1, "and a block");
    crowded.proxy.set(Mode::Forward);
    for _ in 0..2 {
        crowded.look().await;
    }
    let without = (Some(TOKENS - 2 * CROWD), CROWD as u64, CROWD);
    assert_eq!(crowded.seen_by_others().await, without);
}

#[tokio::test]
async fn a_full_lane_costs_no_more_than_the_block_that_found_it_full() {
    let crowded = Crowded::new().await;
    // The next block is asked for when half of the first is given.
    for bits in LATER..LATER + 8 {
        assert_eq!(take(&crowded.gate, bits, 30).await, GateAnswer::Granted);
    }
    crowded.all_is_answered().await;
    assert_eq!(crowded.leases().await, CROWD + 2);
    crowded.proxy.set(Mode::Silent);
    let mut waiting = JoinSet::new();
    for bits in 0..2 * WAITING_MAX {
        let gate = Arc::clone(&crowded.gate);
        waiting.spawn(async move { gate.take(event(2), reservation(bits), seats(1)).await });
    }
    // Who finds no room is told so at once.
    while waiting.try_join_next().is_none() {
        yield_now().await;
    }
    for bits in [LATER + 8, LATER + 9] {
        assert_eq!(take(&crowded.gate, bits, 30).await, GateAnswer::Granted);
    }
    crowded.proxy.set(Mode::Forward);
    waiting.join_all().await;
    crowded.look().await;
    // Of the first all 256 stay leased, of the second what is under way.
    let (_, leases, leased) = crowded.seen_by_others().await;
    assert_eq!((leases, leased), (CROWD as u64 + 2, CROWD + BLOCK + 60));
}

/// Buys one to four seats again and again, and pays for some of them. Says how
/// many it paid for.
async fn buy(gate: Arc<RedisSeatGate>, buyer: u128, is_over: Arc<AtomicBool>) -> i64 {
    let mut bought = 0;
    for turn in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let (bits, count) = (buyer << 32 | turn, 1 + turn as i64 % 4);
        if take(&gate, bits, count).await != GateAnswer::Granted {
            yield_now().await;
        } else if turn % 8 == 0 {
            gate.settle(event(EVENT), reservation(bits)).await;
            bought += count;
        } else {
            gate.release(event(EVENT), reservation(bits)).await;
        }
    }
    bought
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_redis_hears_late_the_gate_stays_right_and_no_block_stays() {
    const PLENTY: i64 = 1_000_000;
    let settings = GateSettings {
        response_timeout: TIMEOUT,
        cool_down: Duration::from_millis(1),
        ..ordinary()
    };
    let crowded = Crowded::with(PLENTY, settings, Duration::from_millis(5)).await;
    crowded.sell_to_the_crowd().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut buyers = JoinSet::new();
    for buyer in 1..=64 {
        buyers.spawn(buy(Arc::clone(&crowded.gate), buyer, Arc::clone(&is_over)));
    }
    for trouble in 0..20 {
        match trouble % 10 {
            0 => crowded.proxy.set(Mode::Deaf),
            even if even % 2 == 0 => crowded.proxy.set(Mode::Broken),
            _ => crowded.may_not_ask().await,
        }
        crowded.all_is_answered().await;
        crowded.proxy.set(Mode::Forward);
        crowded.may_ask().await;
        // Until it is noticed that Redis is back.
        while crowded.gate.read(&[event(EVENT)]).await.is_err() {}
        for _ in 0..20 {
            crowded.all_is_answered().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let bought: i64 = buyers.join_all().await.into_iter().sum();
    for _ in 0..2 {
        crowded.look().await;
    }
    let left = PLENTY - CROWD - bought;
    let reading = crowded.bench.read().await;
    let tokens = reading.tokens.expect("a bucket");
    // Leases of single buyers stay when their end is lost, with up to four seats.
    assert!(
        tokens <= left && left <= tokens + reading.seats_leased,
        "{left} are left: {reading:?}"
    );
    let held = largest_lease(&crowded).await;
    assert!(held <= 4, "{held} are held: {reading:?}");
}

/// How many seats the largest lease holds.
async fn largest_lease(crowded: &Crowded) -> i64 {
    let held: Vec<i64> = crowded.bench.redis(&["HVALS", LEASED_SEATS]).await;
    held.into_iter().max().unwrap_or(0)
}

#[tokio::test]
async fn at_the_end_of_the_program_redis_hears_what_it_refused_to_hear() {
    let crowded = Crowded::with_two_under_way(wary()).await;
    crowded.may_not_ask().await;
    crowded.settle(LATER).await;
    crowded.settle(LATER + 1).await;
    crowded.all_is_answered().await;
    crowded.may_ask().await;
    crowded.gate.drain().await;
    let all_sold = (Some(TOKENS - CROWD - 2), 0, 0);
    assert_eq!(crowded.seen_by_others().await, all_sold);
}

//! One primary with its processes: who waits shares the next transaction.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use fastrand::Rng;
use hdrhistogram::Histogram;

/// Two round trips and the flush, in microseconds. This and the next are the line through
/// D16 … D1000 of 2026-11-24 in `docs/benchmarks.md`, with half of the clients in a batch.
const BATCH: f64 = 471.0;

/// For each booking, in microseconds.
const BOOKING: f64 = 15.46;

/// For each event in a batch behind the first: what E takes longer than D256.
const EVENT: f64 = 28.0;

/// `booking.batch_max`.
const BATCH_MAX: usize = 512;

/// `booking.queue_max`: more are told to come again.
const QUEUE_MAX: usize = 4_096;

/// When they do, in microseconds: `Retry-After`, and up to half as long again.
const RETRY_AFTER: f64 = 1e6;

/// An event on this node.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Bookings that are asked for in a microsecond.
    pub(crate) rate: f64,
    pub(crate) seats: u64,
}

/// What became of whoever asked.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// In microseconds, of those who got a seat: from when they asked first.
    pub(crate) waits: Histogram<u64>,
    pub(crate) sold: u64,
    pub(crate) asked: u64,
    /// Answers of 503; who got two counts twice.
    pub(crate) refused: u64,
    /// How much of the time until the last transaction ended its processors worked. Round trips
    /// and flushes do not count: more share them when there is more to do.
    pub(crate) busy: f64,
}

/// Somebody who wants a seat.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Buyer {
    event: usize,
    asked_first: f64,
}

/// A buyer who comes again, ordered by when.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Again(f64, Buyer);

impl Eq for Again {}

impl Ord for Again {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Again {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// How long a transaction takes, in microseconds.
pub(crate) fn transaction(bookings: usize, events: usize) -> f64 {
    BATCH + BOOKING * bookings as f64 + EVENT * events.saturating_sub(1) as f64
}

/// Who comes, in the order of time.
struct Arrivals {
    rng: Rng,
    /// Sums of the events' rates, by which one is drawn.
    sums: Vec<f64>,
    next: f64,
    end: f64,
    again: BinaryHeap<Reverse<Again>>,
}

impl Arrivals {
    fn new(events: &[Event], end: f64, rng: Rng) -> Self {
        let mut sum = 0.0;
        let sums = events.iter().map(|event| {
            sum += event.rate;
            sum
        });
        let mut arrivals = Self {
            sums: sums.collect(),
            rng,
            next: 0.0,
            end,
            again: BinaryHeap::new(),
        };
        arrivals.advance();
        arrivals
    }

    fn advance(&mut self) {
        let rate = self.sums.last().copied().unwrap_or_default();
        // An exponential distribution; of (0, 1], so that there is a logarithm.
        self.next += -(1.0 - self.rng.f64()).ln() / rate;
    }

    /// When the next one comes, `None` after the last.
    fn when(&self) -> Option<f64> {
        let again = self.again.peek().map(|Reverse(again)| again.0);
        let fresh = (self.next < self.end).then_some(self.next);
        match (fresh, again) {
            (Some(fresh), Some(again)) => Some(fresh.min(again)),
            (fresh, again) => fresh.or(again),
        }
    }

    fn take(&mut self) -> Buyer {
        let again = self.again.peek().map(|Reverse(again)| again.0);
        if again.is_some_and(|again| again <= self.next || self.next >= self.end)
            && let Some(Reverse(Again(_, buyer))) = self.again.pop()
        {
            return buyer;
        }
        let drawn = self.rng.f64() * self.sums.last().copied().unwrap_or_default();
        let event = self.sums.partition_point(|sum| *sum <= drawn);
        let buyer = Buyer {
            event: event.min(self.sums.len() - 1),
            asked_first: self.next,
        };
        self.advance();
        buyer
    }

    fn come_again(&mut self, now: f64, buyer: Buyer) {
        let pause = RETRY_AFTER * (1.0 + self.rng.f64() / 2.0);
        self.again.push(Reverse(Again(now + pause, buyer)));
    }
}

/// Sells until nobody waits any more. `end` is when the last one comes for the first time,
/// in microseconds.
pub(crate) fn play(mut events: Vec<Event>, end: f64, rng: Rng) -> Outcome {
    let mut outcome = Outcome {
        waits: Histogram::new(3).expect("three digits are possible"),
        sold: 0,
        asked: 0,
        refused: 0,
        busy: 0.0,
    };
    if events.is_empty() {
        return outcome;
    }
    let mut arrivals = Arrivals::new(&events, end, rng);
    let mut queue = VecDeque::new();
    let (mut now, mut working) = (0.0_f64, 0.0);
    // In which transaction an event was last.
    let (mut last_in, mut transactions) = (vec![0_u64; events.len()], 0);
    loop {
        while let Some(at) = arrivals.when().filter(|at| *at <= now || queue.is_empty()) {
            let buyer = arrivals.take();
            now = now.max(at);
            outcome.asked += u64::from(buyer.asked_first == at);
            if events[buyer.event].seats == 0 {
                // The gate tells them, here or elsewhere.
                continue;
            }
            if queue.len() == QUEUE_MAX {
                outcome.refused += 1;
                arrivals.come_again(at, buyer);
                continue;
            }
            queue.push_back(buyer);
        }
        if queue.is_empty() {
            break;
        }
        let batch: Vec<Buyer> = queue.drain(..queue.len().min(BATCH_MAX)).collect();
        transactions += 1;
        let mut distinct = 0;
        for buyer in &batch {
            distinct += usize::from(last_in[buyer.event] != transactions);
            last_in[buyer.event] = transactions;
        }
        let takes = transaction(batch.len(), distinct);
        now += takes;
        working += takes - BATCH;
        for buyer in batch {
            let event = &mut events[buyer.event];
            if event.seats > 0 {
                event.seats -= 1;
                outcome.sold += 1;
                let waited = (now - buyer.asked_first) as u64;
                let recorded = outcome.waits.record(waited);
                recorded.expect("a histogram that grows takes everything");
            }
        }
    }
    outcome.busy = working / now.max(end);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bookings a second with so many clients, half of whom are in a batch.
    fn modelled(clients: usize, events: usize) -> f64 {
        let bookings = clients / 2;
        1e6 * bookings as f64 / transaction(bookings, events)
    }

    #[test]
    fn the_times_are_those_that_were_measured() {
        // Of 1,000 events that 128 choose from, they meet 120.
        for (name, clients, events, measured) in [
            ("D16", 16, 1, 13_454.0),
            ("D64", 64, 1, 34_862.0),
            ("D256", 256, 1, 50_118.0),
            ("D1000", 1_000, 1, 60_976.0),
            ("E", 256, 120, 22_080.0),
        ] {
            let page = include_str!("../../../../docs/benchmarks.md");
            assert!(page.contains(&format!("| scaled/{name} | {measured} |")));
            let ratio = modelled(clients, events) / measured;
            assert!((0.93..1.07).contains(&ratio), "{name}: {ratio}");
        }
    }

    #[test]
    fn no_seat_is_sold_twice_and_none_is_left_while_people_wait() {
        let events = vec![
            Event {
                rate: 0.2,
                seats: 5_000,
            },
            Event {
                rate: 0.001,
                seats: 5_000,
            },
        ];
        let outcome = play(events, 1e6, Rng::with_seed(7));
        // 200,000 a second want 5,000 seats, and 1,000 a second have enough of them.
        assert!(
            (5_000 + 900..5_000 + 1_100).contains(&outcome.sold),
            "{outcome:?}"
        );
        assert_eq!(outcome.waits.len(), outcome.sold);
        assert!(outcome.refused > 0);
    }

    #[test]
    fn who_asks_an_idle_node_waits_for_one_transaction() {
        let events = vec![Event {
            rate: 1e-5,
            seats: 1_000,
        }];
        let outcome = play(events, 1e7, Rng::with_seed(7));
        assert_eq!(outcome.sold, outcome.asked);
        assert!(outcome.waits.max() < 2 * transaction(2, 1) as u64);
    }
}

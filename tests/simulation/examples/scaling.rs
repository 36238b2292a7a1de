//! How many primaries many hot events need, by simulation: the model of
//! `docs/scaling.md`, and the tables in it.
//!
//! Run it with `make scaling`. The same seed gives the same tables.
//!
//! Every event goes on sale at the same moment, and its buyers arrive as a
//! Poisson stream. A primary serves the events placed on it in batches, one
//! batch after the other, as measured; a batch holds bookings of one event, and
//! the event that has waited longest comes next. Latency is from the arrival of
//! a booking to the end of its batch. Refusals cost a primary nothing here: the
//! gate gives them.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use hdrhistogram::Histogram;

/// A batch takes 0.47 ms, and 15.5 µs for each booking in it: the line through D16
/// and D1000 of `docs/benchmarks.md`, where half of the clients are in the batch and
/// the other half wait for it. D64 is 4 % above it, D256 4 % below.
const BATCH: f64 = 0.47e-3;
const BOOKING: f64 = 15.5e-6;

/// `booking.batch_max`.
const BATCH_MAX: usize = 512;

/// Bookings that arrive at one event in each second, and for how long: what one
/// hot event is wanted to bear, and a stadium of 40,000.
const RATE: f64 = 20_000.0;
const SECONDS: f64 = 2.0;

/// A crowd that is served at once feels it so.
const P99_MAX: Duration = Duration::from_millis(100);

/// Shards over which a hash spreads the events, as Citus has them for each primary.
const SHARDS_PER_PRIMARY: usize = 32;

const SEED: u64 = 20_261_127;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    /// By a hash of the event's id.
    Hash,
    /// Hot events are known beforehand, and put where the fewest are.
    Apart,
}

fn main() {
    println!(
        "| hot events | bookings a second | placement | primaries | most events on one | p50 | p99 | slowest | sold out after |"
    );
    println!("|--:|--:|---|--:|--:|--:|--:|--:|--:|");
    for events in [1, 10, 100, 1_000] {
        for placement in [Placement::Apart, Placement::Hash] {
            let primaries = fewest(events, placement);
            show(events, placement, primaries);
        }
        if events > 1 {
            // As many as are enough when they are apart.
            show(events, Placement::Hash, fewest(events, Placement::Apart));
        }
    }
}

/// The fewest primaries, to a twentieth, with which 99 of 100 bookings take no
/// longer than [`P99_MAX`].
fn fewest(events: usize, placement: Placement) -> usize {
    let mut primaries = (events * 3).div_ceil(10);
    while run(events, placement, primaries).p99() > P99_MAX {
        primaries += (primaries / 20).max(1);
    }
    primaries
}

fn show(events: usize, placement: Placement, primaries: usize) {
    let outcome = run(events, placement, primaries);
    println!(
        "| {events} | {} | {} | {primaries} | {} | {} | {} | {} | {:.1} s |",
        thousands(events as f64 * RATE),
        match placement {
            Placement::Hash => "hash",
            Placement::Apart => "apart",
        },
        outcome.events_on_one_max,
        millis(outcome.latencies.value_at_quantile(0.5)),
        millis(outcome.latencies.value_at_quantile(0.99)),
        millis(outcome.latencies.max()),
        outcome.last_end,
    );
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

fn millis(micros: u64) -> String {
    format!("{:.0} ms", micros as f64 / 1e3)
}

struct Outcome {
    /// In microseconds.
    latencies: Histogram<u64>,
    events_on_one_max: usize,
    /// When the last booking was made, in seconds.
    last_end: f64,
}

impl Outcome {
    fn p99(&self) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(0.99))
    }
}

fn run(events: usize, placement: Placement, primaries: usize) -> Outcome {
    let mut rng = Rng::with_seed(SEED);
    let placed = place(events, placement, primaries, &mut rng);
    let mut outcome = Outcome {
        latencies: Histogram::new(3).expect("three digits are possible"),
        events_on_one_max: placed.iter().copied().max().unwrap_or_default(),
        last_end: 0.0,
    };
    for events in placed {
        serve(events, &mut rng, &mut outcome);
    }
    outcome
}

/// How many events each primary has.
fn place(events: usize, placement: Placement, primaries: usize, rng: &mut Rng) -> Vec<usize> {
    let mut placed = vec![0; primaries];
    for event in 0..events {
        let primary = match placement {
            Placement::Apart => event % primaries,
            Placement::Hash => rng.usize(..primaries * SHARDS_PER_PRIMARY) / SHARDS_PER_PRIMARY,
        };
        placed[primary] += 1;
    }
    placed
}

/// A primary from the first arrival to its last batch.
fn serve(events: usize, rng: &mut Rng, outcome: &mut Outcome) {
    // Arrivals at each event, in order.
    let mut waiting: Vec<VecDeque<f64>> = (0..events).map(|_| arrivals(rng)).collect();
    let mut now: f64 = 0.0;
    // The event whose first booking has waited longest.
    while let Some(event) = (0..events)
        .filter(|event| !waiting[*event].is_empty())
        .min_by(|a, b| waiting[*a][0].total_cmp(&waiting[*b][0]))
    {
        let queue = &mut waiting[event];
        now = now.max(queue[0]);
        let there = queue.partition_point(|arrival| *arrival <= now);
        let batch = there.min(BATCH_MAX);
        now += BATCH + BOOKING * batch as f64;
        for arrival in queue.drain(..batch) {
            let micros = ((now - arrival) * 1e6) as u64;
            outcome.latencies.record(micros).expect("it grows");
        }
    }
    outcome.last_end = outcome.last_end.max(now);
}

fn arrivals(rng: &mut Rng) -> VecDeque<f64> {
    let mut arrivals = VecDeque::new();
    let mut at = 0.0;
    loop {
        // An exponential distance.
        at -= (1.0 - rng.f64()).ln() / RATE;
        if at >= SECONDS {
            return arrivals;
        }
        arrivals.push_back(at);
    }
}

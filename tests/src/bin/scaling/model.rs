//! Events on many primaries: who wants what, and where it is.

use std::fmt;

use fastrand::Rng;
use hdrhistogram::Histogram;

use super::node::{self, Event, Outcome};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct OnSale {
    /// Bookings in a second.
    pub(crate) rate: f64,
    pub(crate) events: usize,
    /// Of each event.
    pub(crate) seats: u64,
    pub(crate) seconds: f64,
}

/// Where events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Anywhere, as a hash of their ids says.
    Hashed,
    /// The same, but the most wanted ones have primaries of their own: as many as want more than
    /// a primary's share, and half of the primaries at most.
    HotApart,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hashed => "hashed",
            Self::HotApart => "hot apart",
        })
    }
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) sold: u64,
    asked: u64,
    refused: u64,
    waits: Histogram<u64>,
    /// How much of the time the busiest primary's processors worked.
    pub(crate) busiest: f64,
    /// And all of them.
    pub(crate) mean: f64,
}

impl Figures {
    /// How long buyers waited, by the share of those who waited no longer.
    pub(crate) fn wait_ms(&self, share: f64) -> f64 {
        self.waits.value_at_quantile(share) as f64 / 1_000.0
    }

    /// Answers of 503 for each buyer.
    pub(crate) fn refused_share(&self) -> f64 {
        self.refused as f64 / self.asked.max(1) as f64
    }
}

/// The same seed gives the same figures.
pub(crate) fn play(on_sale: &OnSale, nodes: usize, placement: Placement, seed: u64) -> Figures {
    let mut rng = Rng::with_seed(seed);
    let placed = place(on_sale, nodes, placement, &mut rng);
    let end = on_sale.seconds * 1e6;
    let outcomes = placed
        .into_iter()
        .map(|events| node::play(events, end, rng.fork()));
    add_up(outcomes.collect())
}

/// The events of each primary. The n-th most wanted one is wanted 1/n as often as the first.
fn place(on_sale: &OnSale, nodes: usize, placement: Placement, rng: &mut Rng) -> Vec<Vec<Event>> {
    let harmonic: f64 = (1..=on_sale.events).map(|rank| 1.0 / rank as f64).sum();
    let per_microsecond = on_sale.rate / 1e6;
    let share = per_microsecond / nodes as f64;
    let mut placed = vec![Vec::new(); nodes];
    let mut apart = 0;
    for rank in 1..=on_sale.events {
        let event = Event {
            rate: per_microsecond / harmonic / rank as f64,
            seats: on_sale.seats,
        };
        let is_hot = event.rate > share && apart < nodes / 2;
        let node = match placement {
            Placement::HotApart if is_hot => {
                apart += 1;
                apart - 1
            }
            Placement::HotApart => rng.usize(apart..nodes),
            Placement::Hashed => rng.usize(..nodes),
        };
        placed[node].push(event);
    }
    placed
}

fn add_up(outcomes: Vec<Outcome>) -> Figures {
    let mut figures = Figures {
        sold: 0,
        asked: 0,
        refused: 0,
        waits: Histogram::new(3).expect("three digits are possible"),
        busiest: 0.0,
        mean: 0.0,
    };
    let nodes = outcomes.len() as f64;
    for outcome in outcomes {
        figures.sold += outcome.sold;
        figures.asked += outcome.asked;
        figures.refused += outcome.refused;
        let added = figures.waits.add(&outcome.waits);
        added.expect("a histogram that grows takes everything");
        figures.busiest = figures.busiest.max(outcome.busy);
        figures.mean += outcome.busy / nodes;
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_sale(rate: f64) -> OnSale {
        OnSale {
            rate,
            events: 200,
            seats: 50_000,
            seconds: 1.0,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_figures() {
        let play = |seed| {
            let figures = play(&on_sale(50_000.0), 4, Placement::Hashed, seed);
            (figures.sold, figures.refused, figures.waits.max())
        };
        assert_eq!(play(3), play(3));
        assert_ne!(play(3), play(4));
    }

    #[test]
    fn every_event_is_on_one_primary_and_hot_ones_are_alone() {
        let on_sale = on_sale(1_000.0);
        for placement in [Placement::Hashed, Placement::HotApart] {
            let placed = place(&on_sale, 8, placement, &mut Rng::with_seed(3));
            let all: Vec<&Event> = placed.iter().flatten().collect();
            assert_eq!(all.len(), on_sale.events);
            let rate: f64 = all.iter().map(|event| event.rate).sum();
            assert!((rate * 1e6 - on_sale.rate).abs() < 1e-6, "{rate}");
        }
        let placed = place(&on_sale, 8, Placement::HotApart, &mut Rng::with_seed(3));
        // 17 of 100 want the first, and a primary's share is 12.5.
        assert_eq!(placed[0].len(), 1);
        assert!(placed[1..].iter().all(|events| events.len() > 1));
    }

    #[test]
    fn more_primaries_serve_more() {
        let sold = |nodes| play(&on_sale(200_000.0), nodes, Placement::HotApart, 3);
        let (few, many) = (sold(4), sold(16));
        assert!(few.refused > many.refused && few.mean > many.mean);
        assert!(
            many.wait_ms(0.5) * 2.0 < few.wait_ms(0.5),
            "{few:?} {many:?}"
        );
    }
}

//! What becomes of an on-sale that is spread over many primaries: a model of queues, with
//! the times that `docs/benchmarks.md` has measured. The same seed gives the same figures;
//! `docs/scaling.md` says what they mean.

mod model;
mod node;

use clap::Parser;

use self::model::{Figures, OnSale, Placement};

/// Arguments of the program.
#[derive(Debug, Parser)]
struct Arguments {
    /// The same number gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bookings that are asked for in a second; those of `docs/scaling.md` where none are named.
    #[arg(long)]
    rate: Option<f64>,
    /// Primaries; those of `docs/scaling.md` where none are named.
    #[arg(long)]
    nodes: Option<usize>,
    /// Events on sale at the same time.
    #[arg(long, default_value_t = 1_000)]
    events: usize,
    /// Seats of each event.
    #[arg(long, default_value_t = 50_000)]
    seats: u64,
    /// For how long people ask.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// How many primaries are looked at for each rate.
const RUNS: [(f64, &[usize]); 4] = [
    (1_000.0, &[1]),
    (10_000.0, &[1]),
    (100_000.0, &[2, 4, 8]),
    (1_000_000.0, &[16, 24, 32, 48, 64]),
];

fn main() {
    let arguments = Arguments::parse();
    println!(
        "| asked per second | primaries | placement | sold per second | p50 ms | p99 ms \
         | refused for now | busiest | mean |"
    );
    println!("|--:|--:|---|--:|--:|--:|--:|--:|--:|");
    let chosen = arguments.rate.zip(arguments.nodes);
    for (rate, nodes) in chosen.map_or_else(of_the_page, |run| vec![run]) {
        let on_sale = OnSale {
            rate,
            events: arguments.events,
            seats: arguments.seats,
            seconds: arguments.seconds,
        };
        for placement in [Placement::Hashed, Placement::HotApart] {
            if nodes > 1 || placement == Placement::Hashed {
                let figures = model::play(&on_sale, nodes, placement, arguments.seed);
                print(&on_sale, nodes, placement, &figures);
            }
        }
    }
}

fn of_the_page() -> Vec<(f64, usize)> {
    let runs = RUNS.into_iter();
    runs.flat_map(|(rate, nodes)| nodes.iter().map(move |nodes| (rate, *nodes)))
        .collect()
}

fn print(on_sale: &OnSale, nodes: usize, placement: Placement, figures: &Figures) {
    println!(
        "| {:.0} | {nodes} | {placement} | {:.0} | {:.1} | {:.0} | {:.1} % | {:.0} % | {:.0} % |",
        on_sale.rate,
        figures.sold as f64 / on_sale.seconds,
        figures.wait_ms(0.5),
        figures.wait_ms(0.99),
        100.0 * figures.refused_share(),
        100.0 * figures.busiest,
        100.0 * figures.mean,
    );
}

//! What was promised about the figures, as ratios within one run, and whether
//! it holds.

use super::results::{Results, Sample, Series, Spread, ratio};

/// A ratio and the bounds that it should keep.
pub(crate) struct Target {
    pub(crate) title: String,
    pub(crate) needed: f64,
    pub(crate) wanted: f64,
    /// Whether the ratio should be at least this, or at most.
    pub(crate) at_least: bool,
    pub(crate) measured: Option<Spread>,
}

impl Target {
    /// `None` when it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let measured = self.measured?.median;
        Some(if self.at_least {
            measured >= self.needed
        } else {
            measured <= self.needed
        })
    }
}

/// Throughputs divided: title, above, below, needed, wanted. A name that ends
/// in `*` is the best of those that begin so.
const THROUGHPUTS: [(&str, &str, &str, f64, f64); 21] = [
    ("D256 ÷ best R", "scaled/D256", "pgbench/R*", 16.0, 30.0),
    ("D1000 ÷ best S", "scaled/D1000", "pgbench/S*", 0.6, 0.8),
    ("D256 ÷ best S", "scaled/D256", "pgbench/S*", 0.4, 0.7),
    ("D16 ÷ R8", "scaled/D16", "pgbench/R8", 3.0, 6.0),
    ("E ÷ best T", "scaled/E", "pgbench/T*", 0.3, 0.8),
    ("F ÷ A", "scaled/F", "bare/A", 0.45, 0.6),
    ("B ÷ A", "scaled/B", "bare/A", 0.4, 0.6),
    ("embedded D256 ÷ N", "embedded/D256", "sqlite/N", 0.5, 0.8),
    (
        "OVERLOAD ÷ D256",
        "scaled/OVERLOAD",
        "scaled/D256",
        0.75,
        0.9,
    ),
    (
        "OVERHELD ÷ DHELD",
        "scaled/OVERHELD",
        "scaled/DHELD",
        0.9,
        0.9,
    ),
    (
        "embedded OVERHELD ÷ DHELD",
        "embedded/OVERHELD",
        "embedded/DHELD",
        0.9,
        0.9,
    ),
    (
        "CROWD2000 ÷ D1000",
        "scaled/CROWD2000",
        "scaled/D1000",
        0.75,
        0.9,
    ),
    (
        "CROWD8000 ÷ D1000",
        "scaled/CROWD8000",
        "scaled/D1000",
        0.75,
        0.9,
    ),
    (
        "embedded CROWD2000 ÷ D1000",
        "embedded/CROWD2000",
        "embedded/D1000",
        0.75,
        0.9,
    ),
    (
        "embedded CROWD8000 ÷ D1000",
        "embedded/CROWD8000",
        "embedded/D1000",
        0.75,
        0.9,
    ),
    ("DAUTH ÷ D256", "scaled/DAUTH", "scaled/D256", 0.75, 0.88),
    ("FAUTH ÷ F", "scaled/FAUTH", "scaled/F", 0.75, 0.88),
    ("BAUTH ÷ B", "scaled/BAUTH", "scaled/B", 0.75, 0.88),
    (
        "embedded DAUTH ÷ D256",
        "embedded/DAUTH",
        "embedded/D256",
        0.75,
        0.88,
    ),
    (
        "embedded FAUTH ÷ F",
        "embedded/FAUTH",
        "embedded/F",
        0.75,
        0.88,
    ),
    (
        "embedded BAUTH ÷ B",
        "embedded/BAUTH",
        "embedded/B",
        0.75,
        0.88,
    ),
];

/// All targets, measured or not.
pub(crate) fn all(results: &Results) -> Vec<Target> {
    let figure = |sample: &Sample| sample.figure;
    let mut targets: Vec<Target> = THROUGHPUTS
        .into_iter()
        .map(|(title, above, below, needed, wanted)| Target {
            title: title.to_owned(),
            needed,
            wanted,
            at_least: true,
            measured: pair(results, above, below).map(|(a, b)| ratio(a, b, figure, figure)),
        })
        .collect();
    targets.push(Target {
        title: "OPEN p99 ÷ R1 median latency".to_owned(),
        needed: 20.0,
        wanted: 8.0,
        at_least: false,
        measured: pair(results, "scaled/OPEN", "pgbench/R1").map(|(open, alone)| {
            ratio(
                open,
                alone,
                |sample| sample.latency.p99_ms,
                |sample| sample.latency.p50_ms,
            )
        }),
    });
    targets.extend(growth(results));
    for (title, name) in [
        ("memory with 1,000 clients, MB", "scaled/MEMORY"),
        ("embedded memory with 1,000 clients, MB", "embedded/MEMORY"),
    ] {
        targets.push(Target {
            title: title.to_owned(),
            needed: 96.0,
            wanted: 48.0,
            at_least: false,
            measured: results.get(name).map(Series::figures),
        });
    }
    targets
}

/// What a grown store may cost: throughput and pages.
fn growth(results: &Results) -> Vec<Target> {
    let figure = |sample: &Sample| sample.figure;
    let mut targets = Vec::new();
    for kind in ["scaled", "embedded"] {
        for call in ["D", "B", "C", "ANALYTICS"] {
            let name = format!("growth/{kind}/{call}");
            targets.push(Target {
                measured: pair(results, &format!("{name}/grown"), &format!("{name}/small"))
                    .map(|(grown, small)| ratio(grown, small, figure, figure)),
                title: format!("{name}: grown ÷ small"),
                needed: 0.75,
                wanted: 0.9,
                at_least: true,
            });
        }
    }
    for (call, small, grown) in [
        ("D", "empty", "full"),
        ("G", "empty", "full"),
        ("B", "empty", "full"),
        ("C", "empty", "crowded"),
        ("ANALYTICS", "few", "full"),
    ] {
        let name = |store| format!("pages/{call}/{store}");
        targets.push(Target {
            measured: pair(results, &name(grown), &name(small))
                .map(|(grown, small)| ratio(grown, small, figure, figure)),
            title: format!("pages/{call}: {grown} ÷ {small}"),
            needed: 1.2,
            wanted: 1.05,
            at_least: false,
        });
    }
    targets
}

fn pair<'a>(results: &'a Results, above: &str, below: &str) -> Option<(&'a Series, &'a Series)> {
    Some((find(results, above)?, find(results, below)?))
}

fn find<'a>(results: &'a Results, name: &str) -> Option<&'a Series> {
    match name.strip_suffix('*') {
        Some(prefix) => results.best(prefix),
        None => results.get(name),
    }
}

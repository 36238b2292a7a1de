//! Whether the server becomes slower as the tables grow: two servers on stores
//! of different size, side by side, loaded in turns.

use super::buffers;
use super::fill::{FIRST, Fill, fill};
use super::plan::Plan;
use super::results::{Results, Sample};
use super::scenarios::{CLIENTS, admin_read};
use super::side::{EVENTS, Kind, Load, MANY, Place, Side};

/// Bookings of the smaller store whose analytics are read.
const FEW_BOOKINGS: i64 = 10_000;

/// What is measured on both stores of a pair.
#[derive(Debug, Clone, Copy)]
enum Call {
    Book,
    View,
    List,
    Analytics,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Book => "D",
            Self::View => "B",
            Self::List => "C",
            Self::Analytics => "ANALYTICS",
        }
    }
}

/// Two stores, the smaller one first, and what is compared on them.
struct Pair<'a> {
    places: [&'a Place; 2],
    calls: &'a [Call],
}

/// Measures growth on one kind of store.
pub(crate) async fn run(plan: &Plan, kind: Kind, results: &mut Results) {
    if let Err(sentence) = measure(plan, kind, results).await {
        results.fail(&format!("growth/{}", kind.name()), &sentence);
    }
}

async fn measure(plan: &Plan, kind: Kind, results: &mut Results) -> Result<(), String> {
    eprintln!("growth of the {} store", kind.name());
    let place = async |name: &str, redis: u8, events: i64, bookings: i64| {
        let place = Place::make(plan, kind, name, redis).await?;
        fill(&place, Fill { events, bookings }).await?;
        Ok::<_, String>(place)
    };
    let empty = place("empty", 2, EVENTS, 0).await?;
    let few = place("few", 3, EVENTS, FEW_BOOKINGS).await?;
    let full = place("full", 4, EVENTS, plan.growth_bookings).await?;
    let crowded = place("crowded", 5, plan.growth_events, 0).await?;
    for pair in [
        Pair {
            places: [&empty, &full],
            calls: &[Call::Book, Call::View],
        },
        Pair {
            places: [&few, &full],
            calls: &[Call::Analytics],
        },
        Pair {
            places: [&empty, &crowded],
            calls: &[Call::List],
        },
    ] {
        pair.measure(plan, results).await?;
    }
    if kind == Kind::Scaled {
        let stores: [(&str, &Place, &[&str]); 4] = [
            ("empty", &empty, &["D", "G", "B", "C"]),
            ("few", &few, &["ANALYTICS"]),
            ("full", &full, &["D", "G", "B", "ANALYTICS"]),
            ("crowded", &crowded, &["C"]),
        ];
        for (name, place, calls) in stores {
            buffers::run(plan, name, place, calls, results).await?;
        }
    }
    Ok(())
}

impl Pair<'_> {
    /// One server is loaded while the other one is stopped; which one comes
    /// first changes with every round.
    async fn measure(&self, plan: &Plan, results: &mut Results) -> Result<(), String> {
        let mut sides = Vec::new();
        for place in self.places {
            let side = place.start(plan, FIRST).await?;
            side.server.pause().await?;
            sides.push((if sides.is_empty() { "small" } else { "grown" }, side));
        }
        for round in 0..plan.rounds {
            for call in self.calls {
                for turn in 0..2 {
                    let (size, side) = &mut sides[(round + turn) % 2];
                    let kind = side.place.kind.name();
                    let name = format!("growth/{kind}/{}/{size}", call.name());
                    side.server.resume().await?;
                    let outcome = load(plan, side, *call).await;
                    side.server.pause().await?;
                    results.take(&name, outcome.map(Some));
                }
            }
        }
        for (_, side) in sides {
            side.server.stop().await?;
        }
        Ok(())
    }
}

async fn load(plan: &Plan, side: &mut Side, call: Call) -> Result<Sample, String> {
    let summary = match call {
        Call::Book => {
            let mut event = side.publish(1, MANY).await?;
            let load = Load::new("book", CLIENTS);
            side.sell(plan, &mut event, load).await?
        }
        Call::View => {
            let load = Load::new("read", CLIENTS).flag("--path", format!("/events/{FIRST}"));
            side.load(plan, load).await?
        }
        Call::List => {
            let load = Load::new("read", CLIENTS).flag("--path", "/events");
            side.load(plan, load).await?
        }
        Call::Analytics => {
            let load = admin_read("/admin/analytics", CLIENTS);
            side.load(plan, load).await?
        }
    };
    Ok(Sample::from(&summary))
}

//! `bench load`: a process of its own that makes requests, measures, and keeps
//! a ledger of what it was promised. It knows nothing about databases.

mod answer;
mod connection;
mod engine;
mod patience;
mod requests;
mod tally;
mod ticker;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

pub(crate) use requests::Work;
pub(crate) use tally::{Latency, Summary};

use engine::Engine;
use requests::Script;
use utsavam_tests::ledger;

/// What to ask for, and how hard.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Where the server listens
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// What the clients do
    #[arg(long, value_enum)]
    pub(crate) work: Work,
    /// Clients; each asks again when it was answered. With --rate: connections to begin with
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
    /// Open loop: requests that start in each second, whatever the answers do
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// The most connections of an open loop
    #[arg(long, default_value_t = 8_000)]
    pub(crate) connections_max: usize,
    /// Seconds before the window
    #[arg(long, default_value_t = 0.3)]
    pub(crate) warmup: f64,
    /// Seconds of the window
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// Stop after so many requests
    #[arg(long)]
    pub(crate) requests: Option<u64>,
    /// What is read
    #[arg(long, default_value = "/health")]
    pub(crate) path: String,
    /// Read only what differs from this ETag
    #[arg(long)]
    pub(crate) if_none_match: Option<String>,
    /// Read as the admin
    #[arg(long)]
    pub(crate) admin_key: Option<String>,
    /// The first of the events that are booked
    #[arg(long, default_value_t = 1)]
    pub(crate) event_first: i64,
    /// How many they are, with ids in a row
    #[arg(long, default_value_t = 1)]
    pub(crate) events: i64,
    /// The first of the users who book
    #[arg(long, default_value_t = 1)]
    pub(crate) user_first: i64,
    /// How many they are, with ids in a row
    #[arg(long, default_value_t = 1)]
    pub(crate) users: i64,
    /// Access tokens of the users, one in each line, in the order of their ids:
    /// bookings and reads show one
    #[arg(long)]
    pub(crate) tokens: Option<PathBuf>,
    /// Give every booking an idempotency key of its own
    #[arg(long)]
    pub(crate) keyed: bool,
    /// The ledger whose bookings are cancelled
    #[arg(long)]
    pub(crate) bookings: Option<PathBuf>,
    /// Where the ledger of this run goes
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
    /// Statuses that are wanted; any other one fails the run
    #[arg(long, value_delimiter = ',', default_value = "200,201")]
    pub(crate) expect: Vec<u16>,
    /// Count answers with status 503 instead of failing
    #[arg(long)]
    pub(crate) allow_503: bool,
    /// Without --rate: who is answered 503 waits as long as `Retry-After` says, and a
    /// little longer, before they ask again
    #[arg(long)]
    pub(crate) patient: bool,
    /// Go on when connections break and the server is away. A booking of which nobody
    /// knows what became is in the ledger as such; one that was surely not made counts
    /// for nothing
    #[arg(long)]
    pub(crate) through_faults: bool,
    /// The server is `bench bare`, whose bookings do not exist
    #[arg(long)]
    pub(crate) bare: bool,
}

/// Runs the load and prints its summary.
///
/// # Errors
/// A sentence when the load could not be made or was not answered as wanted.
pub(crate) fn run(args: &LoadArgs) -> Result<(), String> {
    let to_cancel = match &args.bookings {
        Some(path) => ledger::booking_ids(
            &ledger::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        ),
        None => Vec::new(),
    };
    if args.events < 1 || args.users < 1 {
        return Err("there must be a user and an event".to_owned());
    }
    if !(args.warmup >= 0.0 && args.seconds > 0.0 && args.rate.is_none_or(|rate| rate > 0.0)) {
        return Err("times and rates are positive numbers".to_owned());
    }
    let tokens = match &args.tokens {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => String::new(),
    };
    let script = Script::new(args, to_cancel, &tokens);
    let mut engine = Engine::new(args, script)
        .map_err(|error| format!("cannot connect to {}: {error}", args.address))?;
    let summary = engine.run().map_err(|error| format!("polling: {error}"))?;
    if let Some(path) = &args.ledger {
        ledger::write(path, &engine.entries)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let text = serde_json::to_string(&summary).map_err(|error| error.to_string())?;
    println!("{text}");
    match summary.trouble {
        Some(trouble) => Err(trouble),
        None => Ok(()),
    }
}

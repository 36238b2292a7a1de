//! What to measure and how long: the command line of the benchmark.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use utsavam_tests::Sql;

use super::side::Kind;

/// Everything that can be chosen.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Measure only these, by name or group as in `D,R` or `D256,F`
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Measure only this store
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) store: StoreChoice,
    /// Short windows, few rounds, small tables
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds; the medians of them count [default: 5, quick 2]
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Seconds of a measurement [default: 4, quick 1]
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Seconds before a measurement [default: 1, quick 0.3]
    #[arg(long)]
    pub(crate) warmup: Option<f64>,
    /// Bookings in the grown table [default: 10000000, quick 500000]
    #[arg(long)]
    pub(crate) growth_bookings: Option<i64>,
    /// Events in the grown table [default: 1000000, quick 100000]
    #[arg(long)]
    pub(crate) growth_events: Option<i64>,
    /// The program that is measured [default: utsavam beside this one]
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
    /// A variable of the server's environment, KEY=VALUE
    #[arg(long, value_parser = pair)]
    pub(crate) server_env: Vec<(String, String)>,
    /// The document whose generated part is written anew
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// Write all samples to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// PostgreSQL for the benchmark, as a superuser; deploy/services.sh starts one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Redis for the benchmark
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub(crate) redis_url: Option<String>,
}

/// Stores to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreChoice {
    Both,
    Scaled,
    Embedded,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// The same with every choice made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) only: Vec<String>,
    pub(crate) store: StoreChoice,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) warmup: f64,
    pub(crate) growth_bookings: i64,
    pub(crate) growth_events: i64,
    pub(crate) server: PathBuf,
    pub(crate) server_env: Vec<(String, String)>,
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    /// Where files go: on the disk of PostgreSQL's data, so that both stores
    /// write to the same one.
    pub(crate) folder: PathBuf,
    /// Where PostgreSQL's programs are, pgbench among them.
    pub(crate) postgres_programs: PathBuf,
}

impl Plan {
    /// Fills in what was not chosen.
    ///
    /// # Errors
    /// A service, the server's program or pgbench is missing.
    pub(crate) async fn new(args: &RunArgs) -> Result<Self, String> {
        let (Some(database_url), Some(redis_url)) = (&args.database_url, &args.redis_url) else {
            return Err("DATABASE_URL and REDIS_URL are needed; `make bench` sets them".to_owned());
        };
        let sql = Sql::connect(database_url).await;
        let data = PathBuf::from(sql.text("SHOW data_directory").await);
        let folder = data
            .ancestors()
            .nth(2)
            .ok_or("the data of PostgreSQL are at an odd place")?
            .join("bench");
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let programs = sql
            .text("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
            .await;
        let server = match &args.server {
            Some(path) => path.canonicalize(),
            None => std::env::current_exe().map(|path| path.with_file_name("utsavam")),
        };
        let server = server.map_err(|error| format!("the server: {error}"))?;
        if !server.exists() {
            return Err(format!("{} is missing: build it first", server.display()));
        }
        let or = |full, quick| if args.quick { quick } else { full };
        Ok(Self {
            only: args.only.iter().map(|name| name.to_uppercase()).collect(),
            store: args.store,
            quick: args.quick,
            rounds: args.rounds.unwrap_or(or(5, 2)).max(1),
            seconds: args.seconds.unwrap_or(if args.quick { 1.0 } else { 4.0 }),
            warmup: args.warmup.unwrap_or(if args.quick { 0.3 } else { 1.0 }),
            growth_bookings: args.growth_bookings.unwrap_or(if args.quick {
                500_000
            } else {
                10_000_000
            }),
            growth_events: args.growth_events.unwrap_or(if args.quick {
                100_000
            } else {
                1_000_000
            }),
            server,
            server_env: args.server_env.clone(),
            database_url: database_url.clone(),
            redis_url: redis_url.clone(),
            folder,
            postgres_programs: PathBuf::from(programs),
        })
    }

    /// Whether a measurement of that name is wanted.
    pub(crate) fn wants(&self, name: &str, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name || only == group)
    }

    /// Whether the store is to be measured.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        match self.store {
            StoreChoice::Both => true,
            StoreChoice::Scaled => kind == Kind::Scaled,
            StoreChoice::Embedded => kind == Kind::Embedded,
        }
    }

    /// The URL of another database of the same PostgreSQL.
    pub(crate) fn database(&self, name: &str) -> String {
        let server = self.database_url.rsplit_once('/');
        let server = server.map_or(self.database_url.as_str(), |(server, _)| server);
        format!("{server}/{name}")
    }
}

//! One of the servers that are measured, with its store, its users and its
//! events, and the load that is put on it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::Command;
use utsavam_tests::{Client, FUTURE, Sql};

use super::plan::Plan;
use super::process::{self, Process};
use crate::check::{self, CheckArgs};
use crate::load::Summary;

/// The admin key of every server of a benchmark.
pub(crate) const ADMIN_KEY: &str = "key of the benchmark";

/// An admin asks for the analytics more often than any should.
const ADMINS_UNLIMITED: (&str, &str) = ("UTSAVAM__RATE_LIMIT__ADMIN__QUOTA", "10000000");

/// Users who book.
pub(crate) const USERS: i64 = 1_000;

/// Events over which bookings are spread.
pub(crate) const EVENTS: i64 = 1_000;

/// Seats of an event that never sells out.
pub(crate) const MANY: i64 = 1_000_000_000;

/// How many requests at a time prepare users and events.
const AT_ONCE: usize = 16;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PostgreSQL and Redis.
    Scaled,
    /// A SQLite file.
    Embedded,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scaled => "scaled",
            Self::Embedded => "embedded",
        }
    }
}

/// Events with ids in a row, and every ledger about them.
#[derive(Debug, Clone)]
pub(crate) struct EventSet {
    pub(crate) first: i64,
    pub(crate) count: i64,
    pub(crate) ledgers: Vec<PathBuf>,
}

/// A store that a server may be started on.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    redis_url: Option<String>,
    name: String,
    /// What its server is told besides.
    settings: &'static [(&'static str, &'static str)],
}

/// A server that runs, and who talks to it.
pub(crate) struct Side {
    pub(crate) place: Place,
    pub(crate) server: Process,
    pub(crate) client: Client,
    pub(crate) user_first: i64,
    folder: PathBuf,
    ledgers: usize,
}

impl Place {
    /// An empty store under that name. On Redis each has a database of its own.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) async fn make(
        plan: &Plan,
        kind: Kind,
        name: &str,
        redis_database: u8,
    ) -> Result<Self, String> {
        let name = format!("bench_{}_{name}", kind.name());
        let (url, redis_url) = match kind {
            Kind::Embedded => {
                let file = plan.folder.join(format!("{name}.db"));
                (format!("sqlite://{}", file.display()), None)
            }
            Kind::Scaled => {
                let admin = Sql::connect(&plan.database_url).await;
                admin.run(&format!("CREATE DATABASE {name}")).await;
                let redis = plan.redis_url.trim_end_matches('/');
                (
                    plan.database(&name),
                    Some(format!("{redis}/{redis_database}")),
                )
            }
        };
        let place = Self {
            kind,
            url,
            redis_url,
            name,
            settings: &[ADMINS_UNLIMITED],
        };
        process::output(&mut place.command(plan, "migrate")).await?;
        Ok(place)
    }

    /// The program with the settings of this store and hardly any others.
    fn command(&self, plan: &Plan, verb: &str) -> Command {
        let mut command = Command::new(&plan.server);
        command.arg(verb).env_clear().current_dir(&plan.folder);
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("DATABASE_URL", &self.url)
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("ADMIN_KEY", ADMIN_KEY);
        if let Some(redis_url) = &self.redis_url {
            command.env("REDIS_URL", redis_url);
        }
        command.envs(self.settings.iter().copied());
        command.envs(plan.server_env.iter().cloned());
        command
    }

    /// The same, where users have to prove who they are, and are limited, by
    /// more than they are going to ask for.
    #[must_use]
    pub(crate) fn guarded(mut self) -> Self {
        self.settings = &[
            ADMINS_UNLIMITED,
            ("UTSAVAM__AUTH__MODE", "required"),
            ("UTSAVAM__RATE_LIMIT__ENABLED", "true"),
            ("UTSAVAM__RATE_LIMIT__READ__QUOTA", "1000000"),
            ("UTSAVAM__RATE_LIMIT__BOOK__QUOTA", "1000000"),
        ];
        self
    }

    /// A connection beside the server's.
    pub(crate) async fn sql(&self) -> Sql {
        match self.url.strip_prefix("sqlite://") {
            Some(file) => Sql::open(Path::new(file)),
            None => Sql::connect(&self.url).await,
        }
    }

    /// Starts a server on it, whose users begin with that id.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(&self, plan: &Plan, user_first: i64) -> Result<Side, String> {
        let log = plan.folder.join(format!("{}.log", self.name));
        let server = Process::start(self.command(plan, "serve"), &log).await?;
        Ok(Side {
            place: self.clone(),
            client: Client::new(&format!("http://{}", server.address), ADMIN_KEY),
            server,
            user_first,
            folder: plan.folder.clone(),
            ledgers: 0,
        })
    }

    /// Starts the first server on it and registers the users.
    ///
    /// # Errors
    /// It does not start, or somebody else registers users.
    pub(crate) async fn populate(&self, plan: &Plan) -> Result<Side, String> {
        let mut side = self.start(plan, 1).await?;
        let client = side.client.clone();
        let register = |number: i64| {
            let client = client.clone();
            async move {
                let user = json!({ "email": format!("bench-{number}@example.com") });
                client.post("/users", &user).await.expect(201).id("id")
            }
        };
        side.user_first = in_a_row(USERS, register).await?;
        Ok(side)
    }
}

impl Side {
    /// Puts events on sale through the interface, so that each has its gate.
    ///
    /// # Errors
    /// Somebody else makes events.
    pub(crate) async fn publish(&self, count: i64, capacity: i64) -> Result<EventSet, String> {
        let client = self.client.clone();
        let publish = |number: i64| {
            let client = client.clone();
            let event = json!({
                "name": format!("Concert {number}"), "venue": "Hall of the benchmark",
                "start_at": FUTURE, "capacity": capacity,
            });
            async move { client.publish_event(&event).await }
        };
        Ok(EventSet {
            first: in_a_row(count, publish).await?,
            count,
            ledgers: Vec::new(),
        })
    }

    /// Runs the load process to its end.
    ///
    /// # Errors
    /// It failed; with the end of the server's log.
    pub(crate) async fn load(&self, plan: &Plan, load: Load) -> Result<Summary, String> {
        load.run(plan, self.server.address)
            .await
            .map_err(|error| format!("{error}\nthe server's log ends with\n{}", self.server.log()))
    }

    /// Runs the load process on bookings of these events and compares its
    /// ledger with the database.
    ///
    /// # Errors
    /// It failed, or the ledger and the database differ.
    pub(crate) async fn sell(
        &mut self,
        plan: &Plan,
        events: &mut EventSet,
        load: Load,
    ) -> Result<Summary, String> {
        self.ledgers += 1;
        let name = format!("{}-{}.ledger", self.place.name, self.ledgers);
        let ledger = self.folder.join(name);
        let load = load
            .flag("--event-first", events.first)
            .flag("--events", events.count)
            .flag("--user-first", self.user_first)
            .flag("--users", USERS)
            .flag("--ledger", ledger.display());
        let summary = self.load(plan, load).await?;
        events.ledgers.push(ledger);
        self.check(events).await?;
        Ok(summary)
    }

    async fn check(&self, events: &EventSet) -> Result<(), String> {
        let checked = check::run(&CheckArgs {
            database: self.place.url.clone(),
            ledger: events.ledgers.clone(),
            event_first: events.first,
            events: events.count,
        })
        .await;
        checked.map(drop)
    }
}

/// Logs all users in, beside the interface, which would take its time over so
/// many passwords. Returns the file of their access tokens.
///
/// # Errors
/// The file cannot be written.
pub(crate) async fn log_in(side: &Side) -> Result<PathBuf, String> {
    let mut random = fastrand::Rng::new();
    let mut tokens = String::new();
    let mut rows = Vec::new();
    for user_id in side.user_first..side.user_first + USERS {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        let token = format!("utsavam_at_{}", URL_SAFE_NO_PAD.encode(bytes));
        let access = hex(&Sha256::digest(&token));
        let refresh = hex(&Sha256::digest(bytes));
        rows.push(match side.place.kind {
            Kind::Scaled => {
                format!(
                    "({user_id}, '\\x{access}', '2096-01-01', '\\x{refresh}', '2096-01-01', now())"
                )
            }
            Kind::Embedded => {
                // Microseconds, in the year 2096.
                let end = 4_000_000_000_000_000_i64;
                format!("({user_id}, x'{access}', {end}, x'{refresh}', {end}, 0, 0)")
            }
        });
        tokens.push_str(&token);
        tokens.push('\n');
    }
    let columns = match side.place.kind {
        Kind::Scaled => {
            "user_id, access_digest, access_until, refresh_digest, refresh_until, refreshed_at"
        }
        Kind::Embedded => {
            "user_id, access, access_until, refresh, refresh_until, created_at, refreshed_at"
        }
    };
    let insert = format!(
        "INSERT INTO sessions ({columns}) VALUES {}",
        rows.join(", ")
    );
    side.place.sql().await.run(&insert).await;
    let file = side.folder.join(format!("{}.tokens", side.place.name));
    std::fs::write(&file, tokens).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the load process is told.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    arguments: Vec<String>,
    /// Processors that it is held to, as `taskset` writes them.
    processors: Option<String>,
}

impl Load {
    pub(crate) fn new(work: &str, clients: usize) -> Self {
        Self {
            arguments: vec!["load".to_owned(), "--work".to_owned(), work.to_owned()],
            processors: None,
        }
        .flag("--clients", clients)
    }

    #[must_use]
    pub(crate) fn flag(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.arguments.push(format!("{name}={value}"));
        self
    }

    #[must_use]
    pub(crate) fn switch(mut self, name: &str) -> Self {
        self.arguments.push(name.to_owned());
        self
    }

    #[must_use]
    pub(crate) fn held_to(mut self, processors: String) -> Self {
        self.processors = Some(processors);
        self
    }

    /// Runs the load process to its end.
    ///
    /// # Errors
    /// It failed.
    pub(crate) async fn run(
        self,
        plan: &Plan,
        address: std::net::SocketAddr,
    ) -> Result<Summary, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = match &self.processors {
            Some(processors) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processors]).arg(this);
                command
            }
            None => Command::new(this),
        };
        command
            .args(&self.arguments)
            .arg(format!("--address={address}"));
        for (name, value) in [("--warmup", plan.warmup), ("--seconds", plan.seconds)] {
            if !self.arguments.iter().any(|given| given.starts_with(name)) {
                command.arg(format!("{name}={value}"));
            }
        }
        let printed = process::output(&mut command).await?;
        serde_json::from_str(&printed).map_err(|error| format!("{error}: {printed}"))
    }
}

/// Makes so many things, and returns the first of their ids, which must be in a
/// row.
async fn in_a_row<F: Future<Output = i64>>(
    count: i64,
    make: impl FnMut(i64) -> F,
) -> Result<i64, String> {
    let mut ids: Vec<i64> = futures::stream::iter(0..count)
        .map(make)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    ids.sort_unstable();
    match (ids.first(), ids.last()) {
        (Some(first), Some(last)) if last - first == count - 1 => Ok(*first),
        _ => Err("somebody else uses the server of the benchmark".to_owned()),
    }
}

//! Everything of one scenario: PostgreSQL, Redis, the lines to them, and up to
//! three processes of the program behind addresses that stay while they are
//! replaced.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::books::Books;
use super::clock::Clock;
use super::instances::{Environment, OwnPostgres, OwnRedis, USERS, add_users};
use super::line::Line;
use super::wall_clock::WallClock;
use crate::balancer::{Balancer, SERVERS};
use crate::client::{Client, FUTURE};
use crate::ports::free_port;
use crate::server::{ADMIN_KEY, ServerBuilder, TestServer};
use crate::sql::Sql;

/// How often the processes compare gate and bookings, so that what the gate has
/// wrong is put right within a round.
pub(crate) const RECONCILE: Duration = Duration::from_millis(200);

/// How long seats are leased to a booking: as short as the program allows with
/// the waits below.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How long after the end of its trouble a gate may still be wrong: a period of
/// reconciliation, and what a busy machine makes of it.
pub(crate) const MENDED: Duration = Duration::from_secs(5);

/// How long anything may take to come to rest.
const REST: Duration = Duration::from_secs(40);

/// What a scenario plays on.
pub(crate) struct Stage {
    /// The processes of the program.
    pub(crate) processes: Vec<Process>,
    /// PostgreSQL.
    pub(crate) postgres: OwnPostgres,
    /// Between the processes and PostgreSQL.
    pub(crate) postgres_line: Line,
    /// Redis.
    pub(crate) redis: OwnRedis,
    /// Between the processes and Redis.
    pub(crate) redis_line: Line,
    /// What the crowd talks to, if it is not the processes.
    pub(crate) balancer: Option<Balancer>,
    /// Waited for with each commit, if there is one.
    standby: Option<OwnPostgres>,
    /// The time of everything that happens here.
    pub(crate) clock: Clock,
    settings: Vec<(&'static str, String)>,
    environment: Environment,
    users: Users,
}

/// The wall clocks of a stage.
pub(crate) struct Clocks {
    /// That of PostgreSQL.
    pub(crate) postgres: WallClock,
    /// That of Redis.
    pub(crate) redis: WallClock,
    /// That of the program.
    pub(crate) processes: WallClock,
}

/// A process of the program, or the place of one that was killed.
pub(crate) struct Process {
    server: Option<TestServer>,
    address: Address,
    /// It listens there again after it was replaced.
    port: u16,
}

/// Where a process can be asked at the moment, if it can.
#[derive(Debug, Clone, Default)]
pub(crate) struct Address(Arc<Mutex<Option<Client>>>);

/// Users who have not asked for anything yet.
#[derive(Debug, Clone)]
pub(crate) struct Users(Arc<Mutex<std::ops::Range<i64>>>);

impl Stage {
    /// With so many processes and ordinary settings.
    pub(crate) async fn new(processes: usize) -> Self {
        Self::with(processes, &[]).await
    }

    /// With settings such as `("database.pool_size", "2")`.
    pub(crate) async fn with(processes: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::under(processes, settings, None).await
    }

    /// Under clocks that can be set.
    pub(crate) async fn under(
        processes: usize,
        settings: &[(&'static str, &str)],
        clocks: Option<&Clocks>,
    ) -> Self {
        let environment = |which: fn(&Clocks) -> &WallClock| {
            clocks.map_or_else(Environment::new, |clocks| which(clocks).environment())
        };
        let (postgres, redis) = tokio::join!(
            OwnPostgres::start(environment(|clocks| &clocks.postgres)),
            OwnRedis::start(environment(|clocks| &clocks.redis)),
        );
        let postgres_line = Line::before(&postgres.url()).await;
        let redis_line = Line::before(&redis.url()).await;
        let mut stage = Self {
            processes: Vec::new(),
            postgres,
            postgres_line,
            redis,
            redis_line,
            balancer: None,
            standby: None,
            clock: Clock::default(),
            environment: environment(|clocks| &clocks.processes),
            settings: settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            users: Users(Arc::new(Mutex::new(1..USERS + 1))),
        };
        for _ in 0..processes {
            stage.add_process().await;
        }
        stage
    }

    /// Three processes behind HAProxy, on a PostgreSQL with a standby: what
    /// `make cluster` runs.
    pub(crate) async fn cluster(settings: &[(&'static str, &str)]) -> Self {
        let mut stage = Self::with(0, settings).await;
        stage.standby = Some(stage.postgres.standby().await);
        for _ in 0..SERVERS {
            stage.add_process().await;
        }
        let servers = std::array::from_fn(|process| stage.server(process).address());
        stage.balancer = Some(Balancer::before(servers).await);
        stage
    }

    async fn add_process(&mut self) {
        self.processes.push(Process {
            server: None,
            address: Address::default(),
            port: free_port(),
        });
        self.start(self.processes.len() - 1).await;
    }

    /// A server as the processes here are started.
    fn builder(&self) -> ServerBuilder {
        let ordinary = [
            ("database.pool_size", "8".to_owned()),
            ("database.acquire_timeout", "3s".to_owned()),
            ("database.connect_timeout", "2s".to_owned()),
            ("database.lock_timeout", "3s".to_owned()),
            ("database.statement_timeout", "5s".to_owned()),
            ("database.commit_timeout", "1s".to_owned()),
            ("database.wait", "30s".to_owned()),
            // A busy machine must not look like a Redis that is lost.
            ("redis.connect_timeout", "3s".to_owned()),
            ("redis.response_timeout", "3s".to_owned()),
            ("redis.cool_down", "200ms".to_owned()),
            (
                "gate.reconcile_interval",
                format!("{}ms", RECONCILE.as_millis()),
            ),
            ("gate.lease_ttl", format!("{}s", LEASE.as_secs())),
            ("http.shutdown_timeout", "10s".to_owned()),
        ];
        let builder = TestServer::builder(&self.postgres_line.url(&self.postgres.url()))
            .redis(&self.redis_line.url(&self.redis.url()));
        let environment = self.environment.iter();
        let builder = environment.fold(builder, |builder, (name, value)| builder.env(name, value));
        ordinary
            .iter()
            .chain(&self.settings)
            .fold(builder, |builder, (name, value)| {
                builder.setting(name, value)
            })
    }

    /// Whom the crowd asks: the processes, or who stands before them, who treats
    /// the first request of a connection unlike others.
    pub(crate) fn fronts(&self) -> Vec<Address> {
        match &self.balancer {
            Some(balancer) => [balancer.client(), balancer.client_hanging_up()]
                .map(|client| Address(Arc::new(Mutex::new(Some(client)))))
                .to_vec(),
            None => self.addresses(),
        }
    }

    /// Where the processes can be asked.
    fn addresses(&self) -> Vec<Address> {
        let processes = self.processes.iter();
        processes.map(|process| process.address.clone()).collect()
    }

    /// Kills a process at once, like `kill -9`.
    pub(crate) fn kill(&mut self, process: usize) {
        let process = &mut self.processes[process];
        process.address.set(None);
        if let Some(mut server) = process.server.take() {
            server.kill();
            server.assert_no_panic();
        }
    }

    /// Asks a process to end, and does not wait.
    pub(crate) fn begin_to_end(&self, process: usize) {
        self.server(process).signal("TERM");
    }

    /// Asks a process to end, and waits until it did.
    pub(crate) async fn terminate(&mut self, process: usize) -> std::process::ExitStatus {
        let process = &mut self.processes[process];
        let mut server = process.server.take().expect("it runs");
        let status = server.terminate().await;
        process.address.set(None);
        server.assert_no_panic();
        status
    }

    /// Starts a process in the place of one that is gone.
    pub(crate) async fn start(&mut self, process: usize) {
        let port = self.processes[process].port.to_string();
        let server = self.builder().env("PORT", &port).start().await;
        let process = &mut self.processes[process];
        process.address.set(Some(server.client()));
        process.server = Some(server);
    }

    /// The server of a process that runs.
    pub(crate) fn server(&self, process: usize) -> &TestServer {
        let server = self.processes[process].server.as_ref();
        server.expect("it runs")
    }

    /// Prints what the processes and PostgreSQL logged: an answer that nobody should get
    /// is explained nowhere else.
    pub(crate) fn show_logs(&self) {
        for server in self.processes.iter().filter_map(|one| one.server.as_ref()) {
            eprintln!("--- log of {}\n{}", server.address(), server.log());
        }
        eprintln!("--- log of PostgreSQL\n{}", self.postgres.log());
    }

    /// Puts events on sale and returns their ids. The gate knows them.
    pub(crate) async fn publish(&self, capacities: &[i64]) -> Vec<i64> {
        let client = self.client();
        let mut events = Vec::new();
        for capacity in capacities {
            let event = json!({ "name": "Concert", "start_at": FUTURE, "capacity": capacity });
            let mut id = None;
            crate::eventually("an event is published", async || {
                let answer = client
                    .post("/admin/events", &event)
                    .admin()
                    .try_send()
                    .await;
                id = answer.ok().filter(|answer| answer.status == 201);
                id.is_some()
            })
            .await;
            events.push(id.expect("it is published").id("id"));
        }
        events
    }

    /// Somebody who talks to the first process that runs.
    pub(crate) fn client(&self) -> Client {
        let mut addresses = self.processes.iter().map(|process| &process.address);
        addresses
            .find_map(Address::get)
            .expect("a process that runs")
    }

    /// Users for wishes; as many as anybody wants.
    pub(crate) fn users(&self) -> Users {
        self.users.clone()
    }

    /// Makes sure that so many users are left.
    pub(crate) async fn stock_users(&self, count: i64) {
        let next = {
            let users = self.users.0.lock().unwrap_or_else(PoisonError::into_inner);
            let missing = count - (users.end - users.start);
            (missing > 0).then_some(users.end..users.end + missing.max(20_000))
        };
        if let Some(ids) = next {
            add_users(&self.postgres.sql().await, ids.clone()).await;
            let mut users = self.users.0.lock().unwrap_or_else(PoisonError::into_inner);
            users.end = ids.end;
        }
    }

    /// Waits until all processes that run can book and nothing is under way any
    /// more, and reads the tables.
    pub(crate) async fn books(&self, events: &[i64]) -> Books {
        let first = events.iter().min().copied().unwrap_or_default();
        let sql = self.postgres.sql().await;
        self.rest(events, &sql).await;
        Books::read(&sql, first).await
    }

    /// What was asked before is done, or never will be.
    async fn rest(&self, events: &[i64], sql: &Sql) {
        for address in self.addresses() {
            let Some(client) = address.get() else {
                continue;
            };
            for &event in events {
                // Commands for one event follow one another, so this one is
                // answered after all that came before. Nobody has that id, and
                // who has a key is not turned away by the gate, or else the
                // keys will be found wanting.
                crate::eventually("what was queued is done", async || {
                    let call = client.book(i64::MAX, event, 1);
                    let call = call.header("Idempotency-Key", "the last one");
                    let answer = call.try_send().await;
                    answer.is_ok_and(|answer| [404, 409].contains(&answer.status))
                })
                .await;
            }
        }
        let started = std::time::Instant::now();
        loop {
            let busy = sql
                .number(
                    "SELECT (SELECT count(*) FROM pg_stat_activity \
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                     AND state NOT IN ('idle', 'disabled')) \
                     + (SELECT count(*) FROM deletions_pending)",
                )
                .await;
            if busy == 0 {
                break;
            }
            assert!(started.elapsed() < REST, "PostgreSQL does not come to rest");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the gate of each event has as many tokens as seats are left,
    /// and says what is wrong with those that have not in time: when the leases
    /// of the dead have run out, and a period of reconciliation is over.
    pub(crate) async fn gates_disagree(&self, books: &Books) -> Vec<String> {
        let started = std::time::Instant::now();
        loop {
            let mut wrong = Vec::new();
            for (event, row) in books.events.iter().filter(|(_, row)| !row.deleted) {
                let key = format!("event:{event}:tokens");
                let tokens: Option<String> = self.redis.ask(&["GET", &key]).await;
                if tokens != Some(row.available.to_string()) {
                    wrong.push(format!("event {event}: {tokens:?} tokens for {row:?}"));
                }
            }
            if wrong.is_empty() || started.elapsed() > LEASE + MENDED {
                return wrong;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many bookings there are in all, and the sum of their ids: what was
    /// checked once must not change later.
    pub(crate) async fn totals(&self) -> (i64, i64) {
        let sql = self.postgres.sql().await;
        let rows = sql
            .rows("SELECT count(*), coalesce(sum(id), 0)::bigint FROM bookings")
            .await;
        let number = |column: usize| rows[0][column].parse().expect("a number");
        (number(0), number(1))
    }

    /// Ends all processes in order, which finishes what they have begun.
    pub(crate) async fn close(&mut self) {
        for index in 0..self.processes.len() {
            if self.processes[index].server.is_some() {
                let status = self.terminate(index).await;
                assert!(status.success(), "process {index} ended with {status}");
            }
        }
    }
}

impl Clocks {
    /// Clocks that are right; `None` where none can be set.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            postgres: WallClock::new()?,
            redis: WallClock::new()?,
            processes: WallClock::new()?,
        })
    }
}

impl Address {
    /// Whom to ask, if the process runs.
    pub(crate) fn get(&self) -> Option<Client> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, client: Option<Client>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// The place of a server that somebody else has started.
    pub(crate) fn of(server: &TestServer) -> Self {
        let base = format!("http://{}", server.address());
        Self(Arc::new(Mutex::new(Some(Client::new(&base, ADMIN_KEY)))))
    }
}

impl Users {
    /// Users with those ids.
    pub(crate) fn new(ids: std::ops::Range<i64>) -> Self {
        Self(Arc::new(Mutex::new(ids)))
    }

    /// The next one, or nobody when all have asked.
    pub(crate) fn next(&self) -> Option<i64> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.next()
    }
}

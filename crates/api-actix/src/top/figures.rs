//! What is shown of figures, summed over servers.

use std::collections::{BTreeMap, BTreeSet};

use super::exposition::Exposition;
use super::histogram::Histogram;
use super::interval::Interval;
use super::source::Reading;
use crate::http::DependencyState;
use crate::overview::Paused;

/// Outcomes of a booking that are no refusal: it was made, now or before.
const MADE: [&str; 2] = ["booked", "replayed"];

/// Outcomes that the client saw as 503 or 500.
const TROUBLES: [&str; 4] = ["busy", "unavailable", "outcome_unknown", "failed"];

/// How servers stand now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    /// Their versions: while they are exchanged there may be two.
    pub(super) versions: BTreeSet<String>,
    /// How long they have been up, in seconds.
    pub(super) uptimes: Vec<f64>,
    /// Since they began.
    pub(super) bookings_made: f64,
    pub(super) seats_sold: f64,
    pub(super) requests_in_progress: f64,
    pub(super) requests_waiting: f64,
    pub(super) requests_waiting_max: f64,
    /// Commands that wait, by queue.
    pub(super) queues: BTreeMap<String, f64>,
    pub(super) postgres: Option<Connections>,
    pub(super) sqlite: Option<Jobs>,
    pub(super) database: Answers,
    pub(super) redis: Answers,
    /// Servers that ask Redis nothing for now.
    pub(super) redis_gone_around: f64,
    /// `None` where nobody knows.
    pub(super) paused: Option<Paused>,
    /// What happened lately, when there was something to compare with.
    pub(super) rates: Option<Rates>,
}

/// How many servers got an answer of a dependency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) up: u32,
    pub(super) down: u32,
}

/// The pools of connections to PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Connections {
    pub(super) used: f64,
    pub(super) idle: f64,
    pub(super) connections_max: f64,
    pub(super) transactions: f64,
    pub(super) transactions_max: f64,
}

/// What waits for the threads of the embedded store.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Jobs {
    pub(super) writes: f64,
    pub(super) reads: f64,
}

/// What happened lately, for each second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rates {
    /// Between which readings: how far apart they were.
    pub(super) seconds: f64,
    pub(super) booked: f64,
    pub(super) seats: f64,
    pub(super) cancelled: f64,
    /// Bookings by the reason that they were refused.
    pub(super) refused: BTreeMap<String, f64>,
    /// Bookings by the trouble that they met.
    pub(super) failed: BTreeMap<String, f64>,
    pub(super) requests: f64,
    pub(super) server_errors: f64,
    pub(super) rate_limited: f64,
    /// What the gate said.
    pub(super) gate: BTreeMap<String, f64>,
    /// How long `POST /bookings` took, in seconds.
    pub(super) latency: Histogram,
    pub(super) batch_commands: Histogram,
    pub(super) batch_duration: Histogram,
    pub(super) queue_wait: Histogram,
}

impl Figures {
    /// Of one server; `before` is an earlier reading of it.
    pub(super) fn of(now: &Reading, before: Option<&Reading>) -> Self {
        let (shown, overview) = (&now.figures, &now.overview);
        let interval = before.and_then(|before| Interval::between(before, now));
        let queues = shown.of("utsavam_queue_waiting_commands", &[]);
        let by_name = |(labels, value): (&BTreeMap<String, String>, f64)| {
            Some((labels.get("queue")?.clone(), value))
        };
        Self {
            versions: BTreeSet::from([overview.version.clone()]),
            uptimes: vec![overview.uptime_seconds],
            bookings_made: shown.sum("utsavam_bookings_total", &[("outcome", "booked")]),
            seats_sold: shown.sum("utsavam_seats_booked_total", &[]),
            requests_in_progress: shown.sum("utsavam_http_requests_in_progress", &[]),
            requests_waiting: shown.sum("utsavam_http_requests_waiting", &[]),
            requests_waiting_max: shown.sum("utsavam_http_requests_waiting_max", &[]),
            queues: queues.filter_map(by_name).collect(),
            postgres: Connections::of(shown),
            sqlite: Jobs::of(shown),
            database: Answers::of(overview.database),
            redis: Answers::of(overview.redis),
            redis_gone_around: shown.sum("utsavam_redis_gone_around", &[]),
            paused: overview.paused.clone(),
            rates: interval.map(|interval| Rates::of(&interval)),
        }
    }

    /// Adds those of another server.
    pub(super) fn add(&mut self, other: Self) {
        self.versions.extend(other.versions);
        self.uptimes.extend(other.uptimes);
        self.bookings_made += other.bookings_made;
        self.seats_sold += other.seats_sold;
        self.requests_in_progress += other.requests_in_progress;
        self.requests_waiting += other.requests_waiting;
        self.requests_waiting_max += other.requests_waiting_max;
        add_each(&mut self.queues, other.queues);
        self.postgres = either(self.postgres, other.postgres, Connections::plus);
        self.sqlite = either(self.sqlite, other.sqlite, Jobs::plus);
        self.database.add(other.database);
        self.redis.add(other.redis);
        self.redis_gone_around += other.redis_gone_around;
        // They have one database, so each that knows what is paused knows all of it.
        self.paused = self.paused.take().or(other.paused);
        self.rates = either(self.rates.take(), other.rates, Rates::plus);
    }
}

impl Answers {
    fn of(state: DependencyState) -> Self {
        match state {
            DependencyState::Up => Self { up: 1, down: 0 },
            DependencyState::Down => Self { up: 0, down: 1 },
            DependencyState::Off => Self::default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
    }
}

impl Connections {
    fn of(shown: &Exposition) -> Option<Self> {
        let connections = "utsavam_database_connections";
        shown.has(connections).then(|| Self {
            used: shown.sum(connections, &[("state", "used")]),
            idle: shown.sum(connections, &[("state", "idle")]),
            connections_max: shown.sum("utsavam_database_connections_max", &[]),
            transactions: shown.sum("utsavam_database_transactions_in_progress", &[]),
            transactions_max: shown.sum("utsavam_database_transactions_max", &[]),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            used: self.used + other.used,
            idle: self.idle + other.idle,
            connections_max: self.connections_max + other.connections_max,
            transactions: self.transactions + other.transactions,
            transactions_max: self.transactions_max + other.transactions_max,
        }
    }
}

impl Jobs {
    fn of(shown: &Exposition) -> Option<Self> {
        let jobs = "utsavam_sqlite_jobs_waiting";
        shown.has(jobs).then(|| Self {
            writes: shown.sum(jobs, &[("thread", "writer")]),
            reads: shown.sum(jobs, &[("thread", "readers")]),
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            writes: self.writes + other.writes,
            reads: self.reads + other.reads,
        }
    }
}

impl Rates {
    fn of(interval: &Interval<'_>) -> Self {
        let mut refused = interval.rates_by("utsavam_bookings_total", "outcome");
        let booked = refused.get("booked").copied().unwrap_or_default();
        refused.retain(|outcome, _| !MADE.contains(&outcome.as_str()));
        let failed = refused.extract_if(.., |outcome, _| TROUBLES.contains(&outcome.as_str()));
        let failed = failed.collect();
        let bookings = [("method", "POST"), ("route", "/bookings")];
        let queue = [("queue", "bookings")];
        let answered = interval.rates_by("utsavam_http_requests_total", "status");
        let server_errors = answered
            .iter()
            .filter(|(status, _)| status.starts_with('5'));
        Self {
            seconds: interval.seconds(),
            booked,
            seats: interval.rate("utsavam_seats_booked_total", &[]),
            cancelled: interval.rate("utsavam_cancellations_total", &[("outcome", "cancelled")]),
            refused,
            failed,
            requests: answered.values().sum(),
            server_errors: server_errors.map(|(_, rate)| rate).sum(),
            rate_limited: interval.rate("utsavam_rate_limit_refusals_total", &[]),
            gate: interval.rates_by("utsavam_gate_answers_total", "answer"),
            latency: interval.histogram("utsavam_http_request_duration_seconds", &bookings),
            batch_commands: interval.histogram("utsavam_batch_commands", &queue),
            batch_duration: interval.histogram("utsavam_batch_duration_seconds", &queue),
            queue_wait: interval.histogram("utsavam_queue_wait_seconds", &queue),
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.seconds = self.seconds.max(other.seconds);
        self.booked += other.booked;
        self.seats += other.seats;
        self.cancelled += other.cancelled;
        add_each(&mut self.refused, other.refused);
        add_each(&mut self.failed, other.failed);
        self.requests += other.requests;
        self.server_errors += other.server_errors;
        self.rate_limited += other.rate_limited;
        add_each(&mut self.gate, other.gate);
        self.latency.add(&other.latency);
        self.batch_commands.add(&other.batch_commands);
        self.batch_duration.add(&other.batch_duration);
        self.queue_wait.add(&other.queue_wait);
        self
    }
}

fn add_each(sums: &mut BTreeMap<String, f64>, more: BTreeMap<String, f64>) {
    for (name, value) in more {
        *sums.entry(name).or_default() += value;
    }
}

fn either<T>(one: Option<T>, other: Option<T>, plus: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(plus(one, other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;

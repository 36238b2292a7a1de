//! What is tried. Each scenario has a name, which is that of its test, and says
//! what holds in it besides what always holds.

pub mod balanced;
mod clients;
mod clock;
mod commits;
mod embedded;
mod everything;
mod gate;
mod limits;
mod postgres;
mod processes;
mod redis;

use futures::future::LocalBoxFuture;

use super::report::{Plan, Report};

/// A scenario that can be played.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What a fault of it is.
    pub fault: &'static str,
    /// Rounds of a short run.
    pub rounds: usize,
    /// Plays it.
    pub play: fn(Plan) -> LocalBoxFuture<'static, Report>,
}

/// All of them, in the order in which they are played.
pub const SCENARIOS: &[Scenario] = &[
    scenario("postgres_killed", "kill", 3, |plan| {
        Box::pin(postgres::killed(plan))
    }),
    scenario("postgres_session_killed", "kill", 2, |plan| {
        Box::pin(postgres::session_killed(plan))
    }),
    scenario("postgres_restarted", "restart", 2, |plan| {
        Box::pin(postgres::restarted(plan))
    }),
    scenario("postgres_failover", "failover", 1, |plan| {
        Box::pin(postgres::failover(plan))
    }),
    scenario(
        "postgres_line",
        "cut, silence, delay, throttle, half-close",
        5,
        |plan| Box::pin(postgres::line(plan)),
    ),
    scenario("commit_cut", "cut", 2, |plan| Box::pin(commits::cut(plan))),
    scenario("commit_answer_dropped", "lost answer", 2, |plan| {
        Box::pin(commits::answer_dropped(plan))
    }),
    scenario("redis_killed", "kill", 3, |plan| {
        Box::pin(redis::killed(plan))
    }),
    scenario("redis_flushed", "flush", 3, |plan| {
        Box::pin(redis::flushed(plan))
    }),
    scenario("redis_old_snapshot", "restore", 2, |plan| {
        Box::pin(redis::old_snapshot(plan))
    }),
    scenario("redis_slow", "2 s of delay", 1, |plan| {
        Box::pin(redis::slow(plan))
    }),
    scenario("redis_errors", "error", 3, |plan| {
        Box::pin(redis::errors(plan))
    }),
    scenario("api_killed_before_commit", "kill", 2, |plan| {
        Box::pin(processes::killed_before_commit(plan))
    }),
    scenario("api_killed_before_answer", "kill", 2, |plan| {
        Box::pin(processes::killed_before_answer(plan))
    }),
    scenario("api_killed_in_shutdown", "kill", 2, |plan| {
        Box::pin(processes::killed_in_shutdown(plan))
    }),
    scenario("api_one_of_three_killed", "kill", 3, |plan| {
        Box::pin(processes::one_of_three_killed(plan))
    }),
    scenario("same_key_at_once", "burst of copies", 3, |plan| {
        Box::pin(clients::same_key(plan))
    }),
    scenario("clients_hang_up", "crowd", 1, |plan| {
        Box::pin(clients::hung_up(plan))
    }),
    scenario("slow_senders", "slow connection", 1, |plan| {
        Box::pin(clients::slow_senders(plan))
    }),
    scenario("rush", "deletion", 2, |plan| Box::pin(clients::rush(plan))),
    scenario("pool_exhausted", "hold-up", 1, |plan| {
        Box::pin(limits::pool_exhausted(plan))
    }),
    scenario("queue_full", "hold-up", 1, |plan| {
        Box::pin(limits::queue_full(plan))
    }),
    scenario("day_of_reconciling", "reconciliation", 2, |plan| {
        Box::pin(gate::day(plan))
    }),
    scenario("clock_jumps", "jump", 3, |plan| {
        Box::pin(clock::jumps(plan))
    }),
    scenario(
        "everything_killed",
        "kill of PostgreSQL, of a process, every other time of Redis",
        2,
        |plan| Box::pin(everything::killed(plan)),
    ),
    scenario("disk_full", "full disk", 2, |plan| {
        Box::pin(embedded::disk_full(plan))
    }),
];

const fn scenario(
    name: &'static str,
    fault: &'static str,
    rounds: usize,
    play: fn(Plan) -> LocalBoxFuture<'static, Report>,
) -> Scenario {
    Scenario {
        name,
        fault,
        rounds,
        play,
    }
}

impl Scenario {
    /// Rounds of a long run in which the important ones have so many.
    pub fn rounds_of(&self, kills: usize) -> usize {
        let rounds = match self.name {
            "postgres_killed" | "api_one_of_three_killed" | "everything_killed" => kills,
            "redis_killed" | "same_key_at_once" => kills / 2,
            _ => kills / 10,
        };
        rounds.max(self.rounds)
    }

    /// What plays a short run with this seed again.
    pub fn command(&self, seed: u64) -> String {
        format!("make faults ONLY={} SHORT=1 SEED={seed}", self.name)
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

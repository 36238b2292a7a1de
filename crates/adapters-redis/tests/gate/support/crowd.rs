//! A gate in front of which a crowd stands, so that it takes its tokens in blocks.

use std::sync::Arc;
use std::time::Duration;

use adapters_redis::{GateSettings, RedisSeatGate};
use domain::ports::{GateAnswer, SeatGate};
use tokio::task::JoinSet;

use super::{
    BUCKET, Bench, EVENT, LEASES, Mode, Proxy, event, patient, reservation, seats, seats_left,
};

/// Seats of a block, and the tokens that must be left after it.
pub(crate) const BLOCK: i64 = 256;
pub(crate) const PLENTY: i64 = 32 * BLOCK;

/// Takes at the same time that make a crowd, and surely are one.
pub(crate) const CROWD: i64 = 32;

/// A life that no test outlasts.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Beyond the reservations of the crowd.
pub(crate) const LATER: u128 = 1 << 64;

pub(crate) struct Crowded {
    pub(crate) bench: Bench,
    user: User,
    pub(crate) proxy: Proxy,
    pub(crate) gate: Arc<RedisSeatGate>,
}

pub(crate) fn gate_on(url: &str, settings: GateSettings, life: Duration) -> Arc<RedisSeatGate> {
    let gate = RedisSeatGate::try_with_block_life(url, settings, life);
    Arc::new(gate.expect("a good url"))
}

pub(crate) async fn take(gate: &RedisSeatGate, bits: u128, count: i64) -> GateAnswer {
    gate.take(event(EVENT), reservation(bits), seats(count))
        .await
}

/// Takes one each, under reservations from that one on.
pub(crate) async fn crowd_takes(gate: &Arc<RedisSeatGate>, first: u128) {
    let mut takes = JoinSet::new();
    for bits in first..first + CROWD as u128 {
        let gate = Arc::clone(gate);
        takes.spawn(async move { take(&gate, bits, 1).await });
    }
    let answers = takes.join_all().await;
    assert!(answers.iter().all(|got| *got == GateAnswer::Granted));
}

/// Whom Redis takes the gate for. Others use the same Redis, so that trouble is
/// made for this one alone.
struct User(String);

impl User {
    async fn of(bench: &Bench) -> Self {
        let database = bench.url.rsplit('/').next().expect("it has a database");
        let user = Self(format!("crowd-{database}"));
        let everything = ["reset", "on", ">s3cret", "+@all", "~*", "&*"];
        for rule in everything {
            user.change(bench, rule).await;
        }
        user
    }

    async fn change(&self, bench: &Bench, rule: &str) {
        let () = bench.redis(&["ACL", "SETUSER", &self.0, rule]).await;
    }

    fn url(&self, url: &str) -> String {
        let place = url.trim_start_matches("redis://");
        format!("redis://{}:s3cret@{place}", self.0)
    }
}

impl Crowded {
    /// A gate with so many tokens, of which a crowd took some under leases of
    /// their own, and in which there is a block now.
    pub(crate) async fn with(tokens: i64, settings: GateSettings, life: Duration) -> Self {
        let bench = Bench::new().await;
        let user = User::of(&bench).await;
        bench.gate.open(seats_left(tokens)).await;
        let proxy = Proxy::before(&bench.url, Mode::Forward).await;
        let gate = gate_on(&user.url(&proxy.url), settings, life);
        let crowded = Self {
            bench,
            user,
            proxy,
            gate,
        };
        crowd_takes(&crowded.gate, 0).await;
        // The block is asked for in the next batch at the latest.
        crowded.all_is_answered().await;
        crowded
    }

    /// Waits until everything that was asked or told before has an answer, be
    /// it an error.
    pub(crate) async fn all_is_answered(&self) {
        self.gate.adjust(event(EVENT), 0).await;
    }

    /// Everything that the gate asks is answered with an error, until it
    /// [may](Self::may_ask) ask again.
    pub(crate) async fn may_not_ask(&self) {
        self.user.change(&self.bench, "-evalsha").await;
    }

    pub(crate) async fn may_ask(&self) {
        self.user.change(&self.bench, "+evalsha").await;
    }

    pub(crate) async fn new() -> Self {
        Self::with(20_000, patient(), LONG).await
    }

    /// What Redis has, without asking the gate.
    pub(crate) async fn tokens(&self) -> i64 {
        self.bench.redis(&["GET", BUCKET]).await
    }

    pub(crate) async fn leases(&self) -> i64 {
        self.bench.redis(&["ZCARD", LEASES]).await
    }

    pub(crate) async fn until_leases_are(&self, count: i64) {
        let all_gone = async { while self.leases().await != count {} };
        let gone = tokio::time::timeout(Duration::from_secs(20), all_gone).await;
        assert!(gone.is_ok(), "{} leases stay", self.leases().await);
    }

    /// How the gate stands in the eyes of another process.
    pub(crate) async fn seen_by_others(&self) -> (Option<i64>, u64, i64) {
        let reading = self.bench.read().await;
        (reading.tokens, reading.leases, reading.seats_leased)
    }
}

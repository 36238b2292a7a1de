//! A gate and an operator's connection to one database that nobody else uses.

use adapters_redis::{GateSettings, RedisSeatGate};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, FromRedisValue};
use domain::model::ReservationId;
use domain::ports::{GateAnswer, GateReading, SeatGate};
use std::time::Duration;

use super::{EVENT, all, event, patient, seats};

/// Leaves databases 0 (the counter) and the last ones of 4096 alone.
const DATABASES: u64 = 4000;

pub(crate) struct Bench {
    pub(crate) gate: RedisSeatGate,
    pub(crate) url: String,
    operator: MultiplexedConnection,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(patient()).await
    }

    pub(crate) async fn with(settings: GateSettings) -> Self {
        let url = empty_database().await;
        Self {
            gate: RedisSeatGate::try_new(&url, settings).expect("a good url"),
            operator: connect(&url).await,
            url,
        }
    }

    /// What an operator's `redis-cli` says.
    pub(crate) async fn redis<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut operator = self.operator.clone();
        redis::cmd(words[0])
            .arg(&words[1..])
            .query_async(&mut operator)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn take(&self, reservation: ReservationId, count: i64) -> GateAnswer {
        self.gate
            .take(event(EVENT), reservation, seats(count))
            .await
    }

    pub(crate) async fn settle(&self, reservation: ReservationId) {
        self.gate.settle(event(EVENT), reservation).await;
    }

    pub(crate) async fn release(&self, reservation: ReservationId) {
        self.gate.release(event(EVENT), reservation).await;
    }

    pub(crate) async fn read(&self) -> GateReading {
        let readings = self.gate.read(&[event(EVENT)]).await;
        let mut readings = all(readings.expect("redis answers"));
        assert_eq!(readings.len(), 1);
        readings.pop().expect("one reading")
    }

    /// Tokens and leases as they stand.
    pub(crate) async fn standing(&self) -> (Option<i64>, u64) {
        let reading = self.read().await;
        (reading.tokens, reading.leases)
    }

    /// The clock that leases run by.
    pub(crate) async fn clock_ms(&self) -> i64 {
        let (seconds, micros): (i64, i64) = self.redis(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    }

    /// Waits until that clock has passed an instant.
    pub(crate) async fn clock_passes(&self, instant_ms: i64) {
        while self.clock_ms().await <= instant_ms {}
    }
}

/// The URL of an empty database that no other test uses.
pub(crate) async fn empty_database() -> String {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is not set: run through make test");
    let server = server_of(&url);
    let mut counter = connect(&format!("{server}/0")).await;
    let number: u64 = redis::cmd("INCR")
        .arg("test:next_database")
        .query_async(&mut counter)
        .await
        .expect("redis counts");
    let database = format!("{server}/{}", number % DATABASES + 1);
    let mut connection = connect(&database).await;
    redis::cmd("FLUSHDB")
        .exec_async(&mut connection)
        .await
        .expect("redis empties the database");
    database
}

/// The URL without the database.
fn server_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    match url[authority..].find('/') {
        Some(slash) => &url[..authority + slash],
        None => url,
    }
}

async fn connect(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(20)))
        .set_response_timeout(Some(Duration::from_secs(20)));
    Client::open(url)
        .expect("REDIS_URL is a url")
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .expect("redis is there")
}

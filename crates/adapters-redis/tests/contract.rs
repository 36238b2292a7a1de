//! The contracts of every seat gate and every rate limiter, on Redis
//! (`REDIS_URL`). Each promise has a logical database of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisRateLimiter, RedisSeatGate};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client};
use domain::ports::{RateLimiter, SeatGate};
use store_contract::{GateBackend, LimiterBackend, async_trait, gate_contract, limiter_contract};

/// A busy machine with many tests is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(20);

/// Leaves databases 0 (the counter) and the last ones of 4096 alone.
const DATABASES: u64 = 4000;

struct Redis {
    gate: RedisSeatGate,
    operator: MultiplexedConnection,
}

#[async_trait]
impl GateBackend for Redis {
    async fn start(lease_time: Duration) -> Self {
        let url = empty_database().await;
        Self {
            gate: gate(&url, lease_time),
            operator: connect(&url).await,
        }
    }

    /// Ends of leases are scores: all of them go to the beginning of time.
    async fn expire_leases(&self) {
        let mut operator = self.operator.clone();
        let leases: Vec<String> = redis::cmd("KEYS")
            .arg("{event:*:tokens}:leases")
            .query_async(&mut operator)
            .await
            .expect("redis lists");
        for key in leases {
            redis::cmd("ZUNIONSTORE")
                .arg(&[key.as_str(), "1", key.as_str(), "WEIGHTS", "0"])
                .exec_async(&mut operator)
                .await
                .expect("redis stores");
        }
    }

    fn gate(&self) -> &dyn SeatGate {
        &self.gate
    }
}

gate_contract!(Redis);

/// A limiter whose own clock can be set ahead. That of Redis cannot: the times in
/// its keys are put back instead.
struct Limiter {
    limiter: RedisRateLimiter,
    ahead_us: Arc<AtomicU64>,
    operator: MultiplexedConnection,
}

#[async_trait]
impl LimiterBackend for Limiter {
    async fn start() -> Self {
        let url = empty_database().await;
        let ahead_us = Arc::new(AtomicU64::new(0));
        let (start, ahead) = (Instant::now(), Arc::clone(&ahead_us));
        let clock = move || start.elapsed() + Duration::from_micros(ahead.load(Ordering::SeqCst));
        Self {
            limiter: RedisRateLimiter::with_clock(&gate(&url, PATIENCE), clock),
            ahead_us,
            operator: connect(&url).await,
        }
    }

    async fn pass(&self, time: Duration) {
        // A rest of a microsecond counts as a whole one.
        let time_us = u64::try_from(time.as_micros()).expect("not that long") + 1;
        let mut operator = self.operator.clone();
        let buckets: Vec<String> = redis::cmd("KEYS")
            .arg("{rate:*}:*")
            .query_async(&mut operator)
            .await
            .expect("redis lists");
        for bucket in buckets {
            redis::cmd("DECRBY")
                .arg(bucket)
                .arg(time_us)
                .exec_async(&mut operator)
                .await
                .expect("redis subtracts");
        }
        self.ahead_us.fetch_add(time_us, Ordering::SeqCst);
    }

    fn limiter(&self) -> &dyn RateLimiter {
        &self.limiter
    }
}

limiter_contract!(Limiter);

fn gate(url: &str, lease_ttl: Duration) -> RedisSeatGate {
    let settings = GateSettings {
        lease_ttl,
        response_timeout: PATIENCE,
        connect_timeout: PATIENCE,
        pool_size: 8,
        cool_down: Duration::from_secs(1),
    };
    RedisSeatGate::try_new(url, settings).expect("a good URL")
}

/// The URL of an empty database that no other test uses.
async fn empty_database() -> String {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL is not set: run through make test");
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let server = match url[authority..].find('/') {
        Some(slash) => &url[..authority + slash],
        None => url.as_str(),
    };
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

async fn connect(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    Client::open(url)
        .expect("REDIS_URL is a URL")
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .expect("redis is there")
}

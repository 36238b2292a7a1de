//! The contracts of every seat gate and every rate limiter, kept by a cluster. There
//! is one for all promises, so they take turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use adapters_redis::{GateSettings, RedisRateLimiter, RedisSeatGate};
use domain::ports::{RateLimiter, SeatGate};
use store_contract::{
    GateBackend, LimiterBackend, async_trait, gate_contract_in_one, limiter_contract_in_one,
};
use utsavam_tests::RedisCluster;

use crate::support::settings;

static CLUSTER: OnceLock<RedisCluster> = OnceLock::new();

fn cluster() -> &'static RedisCluster {
    CLUSTER.get().expect("it is started first")
}

struct Gate(RedisSeatGate);

#[async_trait]
impl GateBackend for Gate {
    async fn start(lease_ttl: Duration) -> Self {
        cluster().flush().await;
        let settings = GateSettings {
            lease_ttl,
            ..settings()
        };
        Self(RedisSeatGate::try_new(&cluster().url(), settings).expect("a good URL"))
    }

    /// Ends of leases are scores: all of them go to the beginning of time.
    async fn expire_leases(&self) {
        for node in 0..RedisCluster::NODES {
            let leases: Vec<String> = cluster()
                .ask(node, &["KEYS", "{event:*:tokens}:leases"])
                .await;
            for key in leases {
                let words = ["ZUNIONSTORE", &key, "1", &key, "WEIGHTS", "0"];
                let _: i64 = cluster().ask(node, &words).await;
            }
        }
    }

    fn gate(&self) -> &dyn SeatGate {
        &self.0
    }
}

/// A limiter whose own clock can be set ahead. That of Redis cannot: the times in
/// its keys are put back instead.
struct Limiter {
    limiter: RedisRateLimiter,
    ahead_us: Arc<AtomicU64>,
}

#[async_trait]
impl LimiterBackend for Limiter {
    async fn start() -> Self {
        cluster().flush().await;
        let gate = RedisSeatGate::try_new(&cluster().url(), settings()).expect("a good URL");
        let ahead_us = Arc::new(AtomicU64::new(0));
        let (start, ahead) = (Instant::now(), Arc::clone(&ahead_us));
        let clock = move || start.elapsed() + Duration::from_micros(ahead.load(Ordering::SeqCst));
        Self {
            limiter: RedisRateLimiter::with_clock(&gate, clock),
            ahead_us,
        }
    }

    async fn pass(&self, time: Duration) {
        // A rest of a microsecond counts as a whole one.
        let time_us = u64::try_from(time.as_micros()).expect("not that long") + 1;
        for node in 0..RedisCluster::NODES {
            let buckets: Vec<String> = cluster().ask(node, &["KEYS", "{rate:*}:*"]).await;
            for bucket in buckets {
                let words = ["DECRBY", &bucket, &time_us.to_string()];
                let _: i64 = cluster().ask(node, &words).await;
            }
        }
        self.ahead_us.fetch_add(time_us, Ordering::SeqCst);
    }

    fn limiter(&self) -> &dyn RateLimiter {
        &self.limiter
    }
}

gate_contract_in_one!(keep_the_contract_of_gates, Gate);
limiter_contract_in_one!(keep_the_contract_of_limiters, Limiter);

#[test]
fn a_cluster_keeps_the_contracts_of_gates_and_of_limiters() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let started = runtime.block_on(RedisCluster::start());
    CLUSTER.set(started).expect("once");
    keep_the_contract_of_gates();
    keep_the_contract_of_limiters();
}

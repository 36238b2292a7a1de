//! What settings are unless somebody says otherwise.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{
    BookingSettings, DAY, DatabaseSettings, ForwardedHeader, GateSettings, HttpSettings,
    IdempotencySettings, LogFormat, LogSettings, MetricsSettings, Networks, Pooler,
    ReconciliationSettings, RedisSettings, SqliteSettings,
};

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8000,
            workers: None,
            connections_max: at_least_one(20_000),
            in_flight_max: at_least_one(4_096),
            body_bytes_max: at_least_one(64 * 1024),
            body_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(30),
            cors_origins: Vec::new(),
            hsts_max_age: None,
            trusted_proxies: Networks::default(),
            forwarded_header: ForwardedHeader::default(),
        }
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            replica_url: None,
            replica_lag_max: Duration::from_secs(1),
            pooler: Pooler::None,
            pool_size: 16,
            acquire_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(2),
            lock_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            commit_timeout: Duration::from_secs(5),
            wait: Duration::from_secs(5),
            migrate_on_start: true,
        }
    }
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            readers: at_least_one(4),
            queue_max: at_least_one(4_096),
        }
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: None,
            pool_size: at_least_one(8),
            response_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_millis(250),
            cool_down: Duration::from_secs(1),
        }
    }
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(60),
            reconcile_interval: Duration::from_secs(1),
        }
    }
}

impl Default for ReconciliationSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
        }
    }
}

impl Default for BookingSettings {
    fn default() -> Self {
        Self {
            seats_max: 100,
            batch_max: at_least_one(512),
            batches_max: at_least_one(4),
            queue_max: at_least_one(4_096),
            queue_per_event_max: at_least_one(4_096),
        }
    }
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self { keep: 7 * DAY }
    }
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: None,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: "info,actix_server=warn,actix_http=off".to_owned(),
            format: LogFormat::default(),
        }
    }
}

pub(super) fn at_least_one(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}

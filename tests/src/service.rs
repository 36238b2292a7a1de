//! A whole service for one test: database, Redis, server and a client.

use crate::client::Client;
use crate::database::TestDatabase;
use crate::redis::TestRedis;
use crate::server::{ServerBuilder, TestServer};

/// Everything that a test needs, gone when the value is dropped.
pub struct Service {
    /// Somebody who talks to the server.
    pub client: Client,
    /// The server. Dropped before what it depends on.
    pub server: TestServer,
    /// Its Redis, which it uses unless it was built without.
    pub redis: TestRedis,
    /// Its database.
    pub database: TestDatabase,
}

/// How the server of a service shall be started.
pub struct ServiceBuilder {
    database: TestDatabase,
    redis: TestRedis,
    server: ServerBuilder,
}

impl Service {
    /// A service with ordinary settings.
    pub async fn start() -> Self {
        Self::builder().await.start().await
    }

    /// A service with Redis and settings to be chosen.
    pub async fn builder() -> ServiceBuilder {
        Self::on(TestDatabase::migrated().await).await
    }

    /// The same on a database that the test prepared.
    pub async fn on(database: TestDatabase) -> ServiceBuilder {
        let redis = TestRedis::new().await;
        let server = TestServer::builder(database.url()).redis(redis.url());
        ServiceBuilder {
            database,
            redis,
            server,
        }
    }

    /// A second server on the same database and Redis.
    pub async fn another_server(&self) -> TestServer {
        TestServer::builder(self.database.url())
            .redis(self.redis.url())
            .start()
            .await
    }

    /// Numbers that a refused request must leave as they are: rows and seats.
    pub async fn figures(&self) -> Vec<String> {
        let sql = self.database.sql().await;
        let mut rows = sql
            .rows(
                "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM events), \
                 (SELECT count(*) FROM bookings), \
                 (SELECT count(*) FROM bookings WHERE status = 'CONFIRMED'), \
                 (SELECT coalesce(sum(capacity), 0) FROM events), \
                 (SELECT coalesce(sum(seats_available), 0) FROM events)",
            )
            .await;
        rows.remove(0)
    }
}

impl ServiceBuilder {
    /// Sets a setting such as `http.workers`.
    #[must_use]
    pub fn setting(mut self, setting: &str, value: &str) -> Self {
        self.server = self.server.setting(setting, value);
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.server = self.server.env(name, value);
        self
    }

    /// Gives the server no Redis that answers.
    #[must_use]
    pub fn without_redis(mut self) -> Self {
        self.server = self.server.redis("redis://127.0.0.1:1/0");
        self
    }

    /// Leaves the gate alone for the length of a test, so that what is seen
    /// there was done by the call before.
    #[must_use]
    pub fn without_reconciliation(self) -> Self {
        self.setting("gate.reconcile_interval", "1h")
    }

    /// The database, for a proxy in front of it.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The Redis, for a proxy in front of it.
    pub fn redis(&self) -> &TestRedis {
        &self.redis
    }

    /// Starts the server.
    pub async fn start(self) -> Service {
        let server = self.server.start().await;
        Service {
            client: server.client(),
            server,
            redis: self.redis,
            database: self.database,
        }
    }
}

//! A whole service for one test: database, gate, server and a client.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::balancer::Balancer;
use crate::client::Client;
use crate::database::TestDatabase;
use crate::layout::Layout;
use crate::proxy::Proxy;
use crate::redis::TestRedis;
use crate::server::{ServerBuilder, TestServer};
use crate::store::Store;

/// A user who never registers.
const NOBODY: i64 = i64::MAX;

/// The most seats of one booking, unless the server is told otherwise.
const SEATS_MAX: i64 = 100;

/// Everything that a test needs, gone when the value is dropped.
pub struct Service {
    /// Somebody who talks to the server.
    pub client: Client,
    /// What the client talks to, if it is not the server.
    balancer: Option<Balancer>,
    /// The server. Dropped before what it depends on.
    pub server: TestServer,
    /// Those beside it.
    _others: Vec<TestServer>,
    /// Its database.
    pub database: TestDatabase,
    /// `None` when the gate is in the server.
    redis: Option<TestRedis>,
}

/// How the server of a service shall be started.
pub struct ServiceBuilder {
    database: TestDatabase,
    redis: Option<TestRedis>,
    server: ServerBuilder,
}

impl Service {
    /// A service with ordinary settings.
    pub async fn start() -> Self {
        Self::builder().await.start().await
    }

    /// A service that leaves the gate alone, so that what is seen there was done by the
    /// call before.
    pub async fn start_without_reconciliation() -> Self {
        let builder = Self::builder().await;
        builder.without_reconciliation().start().await
    }

    /// A service on the [chosen](Store::chosen) store, with a gate and settings
    /// to be chosen.
    pub async fn builder() -> ServiceBuilder {
        match Store::chosen() {
            Store::Postgres => Self::on(TestDatabase::migrated().await).await,
            Store::Embedded => {
                let database = TestDatabase::embedded();
                ServiceBuilder {
                    server: TestServer::builder(database.url()).without("REDIS_URL"),
                    database,
                    redis: None,
                }
            }
        }
    }

    /// A service with Redis on a PostgreSQL database that the test prepared.
    pub async fn on(database: TestDatabase) -> ServiceBuilder {
        let redis = TestRedis::new().await;
        let mut server = TestServer::builder(database.url()).redis(redis.url());
        if Layout::chosen() == Layout::Cluster {
            server = server.behind_a_balancer();
        }
        ServiceBuilder {
            database,
            redis: Some(redis),
            server,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        let balancer = self.balancer.as_ref();
        balancer.map_or_else(|| self.server.address(), Balancer::address)
    }

    /// Its Redis, which it uses unless it was built without.
    pub fn redis(&self) -> &TestRedis {
        self.redis.as_ref().expect("a service with Redis")
    }

    /// Panics unless the gate of the event has that many seats left to give.
    ///
    /// The gate in the server cannot be looked into, so somebody unknown asks
    /// for seats, which changes nothing: whom the gate lets pass is unknown to
    /// the store, and whom it does not is told that there are not enough seats.
    pub async fn assert_gate_holds(&self, event_id: i64, expected: i64) {
        if let Some(redis) = &self.redis {
            return redis.assert_tokens(event_id, expected).await;
        }
        // As far as one booking can see.
        if expected > 0 {
            let seats = expected.min(SEATS_MAX);
            let passed = self.client.book(NOBODY, event_id, seats).await;
            passed.problem(404, "user_not_found");
        }
        if expected < SEATS_MAX {
            let refused = self.client.book(NOBODY, event_id, expected + 1).await;
            refused.problem(409, "not_enough_seats");
        }
    }

    /// Whether the gate of the event has no seat left to give.
    pub async fn is_gate_empty(&self, event_id: i64) -> bool {
        match &self.redis {
            Some(redis) => redis.tokens(event_id).await.as_deref() == Some("0"),
            None => self.client.book(NOBODY, event_id, 1).await.status == 409,
        }
    }

    /// Panics if the event has a gate.
    pub async fn assert_no_gate(&self, event_id: i64) {
        match &self.redis {
            Some(redis) => assert_eq!(redis.tokens(event_id).await, None),
            None => {
                let passed = self.client.book(NOBODY, event_id, SEATS_MAX).await;
                assert_eq!(passed.status, 404, "{passed}");
            }
        }
    }

    /// A booking on a connection of its own, whose answer nobody has waited for yet.
    pub async fn send_booking(&self, user_id: i64, event_id: i64) -> TcpStream {
        let body = format!(r#"{{"user_id":{user_id},"event_id":{event_id}}}"#);
        let request = format!(
            "POST /bookings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address())
            .await
            .expect("the server listens");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the server reads");
        stream
    }

    /// A second server on the same database and Redis.
    pub async fn another_server(&self) -> TestServer {
        TestServer::builder(self.database.url())
            .redis(self.redis().url())
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

    /// Leads the server to its database over a line that the test can break.
    pub async fn database_over_a_line(self) -> (Self, Proxy) {
        let proxy = Proxy::before(self.database.url()).await;
        let builder = self.env("DATABASE_URL", &proxy.url());
        (builder, proxy)
    }

    /// The same over two lines, as if there were two servers: the first is named first.
    pub async fn database_over_two_lines(self) -> (Self, [Proxy; 2]) {
        let url = self.database.url();
        let (first, second) = (Proxy::before(url).await, Proxy::before(url).await);
        let both = format!("{},{}", first.address(), second.address());
        let both = crate::url::with_address(url, &both);
        (self.env("DATABASE_URL", &both), [first, second])
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
        self.redis.as_ref().expect("a service with Redis")
    }

    /// What the settings say about Redis: its URL, or nothing.
    pub fn redis_url(&self) -> &str {
        self.redis.as_ref().map_or("", TestRedis::url)
    }

    /// Starts the server, or those of the [chosen](Layout::chosen) layout.
    pub async fn start(mut self) -> Service {
        let server = self.server.start_one().await;
        let mut others = Vec::new();
        let mut balancer = None;
        if Layout::chosen() == Layout::Cluster {
            others.push(self.server.start_one().await);
            others.push(self.server.start_one().await);
            let all = [&server, &others[0], &others[1]].map(TestServer::address);
            balancer = Some(Balancer::before(all).await);
        }
        let client = match &balancer {
            Some(balancer) => balancer.client(),
            None => server.client(),
        };
        Service {
            client,
            balancer,
            server,
            _others: others,
            redis: self.redis,
            database: self.database,
        }
    }
}

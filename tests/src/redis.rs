//! A logical Redis database per test.

use deadpool_redis::redis::{self, FromRedisValue, aio::MultiplexedConnection};

use crate::url;

/// How many logical databases the tests take turns with; database 0 counts
/// the turns.
const DATABASES: u64 = 4000;

/// A logical database that no other running test uses.
pub struct TestRedis {
    url: String,
    connection: MultiplexedConnection,
}

impl TestRedis {
    /// The next logical database, emptied.
    pub async fn new() -> Self {
        let server = std::env::var("REDIS_URL")
            .expect("REDIS_URL names a Redis for the tests; `make test` starts one");
        let turns = Self::connect(url::with_path(&server, "0")).await;
        let turn: u64 = turns.ask(&["INCR", "test:next_database"]).await;
        let number = turn % DATABASES + 1;
        let own = Self::connect(url::with_path(&server, &number.to_string())).await;
        let _: String = own.ask(&["FLUSHDB"]).await;
        own
    }

    async fn connect(url: String) -> Self {
        let client = redis::Client::open(url.as_str()).expect("REDIS_URL is a Redis URL");
        let connection = client
            .get_multiplexed_async_connection()
            .await
            .unwrap_or_else(|error| panic!("Redis does not answer at {url}: {error}"));
        Self { url, connection }
    }

    /// The URL under which a server finds it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a command and reads its answer.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command
            .query_async(&mut self.connection.clone())
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// What `GET event:{id}:tokens` says; `None` when the key is missing.
    pub async fn tokens(&self, event_id: i64) -> Option<String> {
        self.ask(&["GET", &format!("event:{event_id}:tokens")])
            .await
    }

    /// Panics unless the bucket of the event holds that many tokens.
    pub async fn assert_tokens(&self, event_id: i64, expected: i64) {
        let tokens = self.tokens(event_id).await;
        assert_eq!(
            tokens.as_deref(),
            Some(expected.to_string().as_str()),
            "tokens of event {event_id}"
        );
    }
}

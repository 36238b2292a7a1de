//! In the place of the file of that name in `adapters-redis`: connections to the
//! simulated Redis.

use std::io;

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{Cmd, Pipeline, RedisError, RedisFuture, Value};
use tokio::sync::oneshot;

use crate::network::{self, Reached};
use crate::settings::{ConnectError, GateSettings};

pub(crate) use deadpool_redis::PoolError;

use crate::cluster::Seeds;

/// How it is reached.
pub(crate) enum Way {
    One(String, Pool),
    #[allow(dead_code, reason = "no cluster is here")]
    Many(Seeds),
}

/// Makes connections as they are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Pool;

#[allow(clippy::unnecessary_wraps, reason = "that of the server may fail")]
pub(crate) fn way(url: &str, _: &GateSettings) -> Result<Way, ConnectError> {
    Ok(Way::One(url.to_owned(), Pool))
}

impl Pool {
    pub(crate) async fn get(&self) -> Result<Connection, PoolError> {
        match network::connect().await {
            Reached::Redis { life } => Ok(Connection { life }),
            Reached::Nobody => Err(PoolError::Backend(broken())),
        }
    }

    #[allow(clippy::unused_self, reason = "that of the server counts")]
    pub(crate) fn available(&self) -> usize {
        1
    }

    #[allow(clippy::unused_self, reason = "that of the server has some")]
    pub(crate) fn clear(&self) {}
}

/// A connection to Redis in one of its lives.
pub(crate) struct Connection {
    life: u32,
}

pub(crate) type MultiplexedConnection = Connection;

impl Connection {
    pub(crate) fn take(self) -> MultiplexedConnection {
        self
    }
}

fn broken() -> RedisError {
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut commands = Pipeline::with_capacity(1);
        commands.add_command(command.clone());
        let answers = ask(self.life, commands, false);
        Box::pin(async move {
            let answer = answers.await.map_err(|_| broken())?.pop();
            answer.ok_or_else(broken)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        skipped: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        // Only the answers of a transaction have something before them.
        let answers = ask(self.life, commands.clone(), skipped > 0);
        Box::pin(async move { answers.await.map_err(|_| broken()) })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

fn ask(life: u32, commands: Pipeline, is_atomic: bool) -> oneshot::Receiver<Vec<Value>> {
    let (sender, answers) = oneshot::channel();
    network::send(life, commands, is_atomic, sender);
    answers
}

//! Finding the primary by asking Sentinels. All are asked at the same time, so one
//! that is out of reach costs nothing, and each connection asks anew: a connection
//! that breaks when the primary changes is followed by one to the new primary.

use std::io;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError,
    RedisResult, Value,
};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::url::{Sentinels, at_address};

/// Makes connections to the primary.
pub(crate) struct SentinelManager {
    sentinels: Sentinels,
    config: AsyncConnectionConfig,
}

/// Why one Sentinel did not lead to the primary.
#[derive(Debug, thiserror::Error)]
enum AstrayError {
    #[error("the sentinel at {0}: {1}")]
    Sentinel(ConnectionAddr, RedisError),
    #[error("the sentinel at {0} does not know the name")]
    Name(ConnectionAddr),
    #[error("the primary at {0}: {1}")]
    Primary(ConnectionAddr, RedisError),
}

/// What the log calls it, without credentials.
pub(crate) fn address(sentinels: &Sentinels) -> String {
    let hosts: Vec<_> = sentinels
        .sentinels
        .iter()
        .map(|sentinel| sentinel.addr().to_string())
        .collect();
    let database = sentinels.server.redis_settings().db();
    format!("{}/{}/{database}", hosts.join(","), sentinels.name)
}

impl SentinelManager {
    pub(crate) fn new(sentinels: Sentinels, config: AsyncConnectionConfig) -> Self {
        Self { sentinels, config }
    }

    /// To where one Sentinel says the primary is, if it is one. Sentinels that
    /// have not heard of a failover yet name one that was demoted or is dead.
    async fn primary_by(
        &self,
        sentinel: &ConnectionInfo,
    ) -> Result<MultiplexedConnection, AstrayError> {
        let asked = || sentinel.addr().clone();
        let (host, port) = self
            .ask(sentinel)
            .await
            .map_err(|error| AstrayError::Sentinel(asked(), error))?
            .ok_or_else(|| AstrayError::Name(asked()))?;
        let server = at_address(&self.sentinels.server, host, port);
        let named = server.addr().clone();
        self.connect_primary(server)
            .await
            .map_err(|error| AstrayError::Primary(named, error))
    }

    async fn ask(&self, sentinel: &ConnectionInfo) -> RedisResult<Option<(String, u16)>> {
        let mut asked = self.connect(sentinel.clone()).await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.sentinels.name)
            .query_async(&mut asked)
            .await
    }

    async fn connect_primary(&self, server: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let mut primary = self.connect(server).await?;
        check_role(&mut primary).await?;
        Ok(primary)
    }

    async fn connect(&self, info: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        Client::open(info)?
            .get_multiplexed_async_connection_with_config(&self.config)
            .await
    }
}

/// Fails unless it is a primary. The word for it is that of Redis.
async fn check_role(redis: &mut MultiplexedConnection) -> RedisResult<()> {
    let answer: Vec<Value> = redis::cmd("ROLE").query_async(redis).await?;
    let role: String = redis::from_redis_value(answer.into_iter().next().unwrap_or(Value::Nil))?;
    if role == "master" {
        Ok(())
    } else {
        Err((ErrorKind::Io, "the server is not the primary any more").into())
    }
}

impl managed::Manager for SentinelManager {
    type Type = MultiplexedConnection;
    type Error = RedisError;

    async fn create(&self) -> RedisResult<MultiplexedConnection> {
        let asked = self.sentinels.sentinels.iter();
        let mut asked: FuturesUnordered<_> = asked.map(|by| self.primary_by(by)).collect();
        // Of several reasons the last is that of whoever is silent, and seldom the one
        // that matters: a wrong certificate must not hide behind it.
        let mut reasons = Vec::new();
        while let Some(outcome) = asked.next().await {
            match outcome.map_err(|error| error.to_string()) {
                Ok(primary) => return Ok(primary),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        let reasons = reasons.join("; ");
        Err(io::Error::other(format!("no sentinel led to the primary: {reasons}")).into())
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisError> {
        check_role(connection).await.map_err(RecycleError::Backend)
    }
}

//! Finding the primary by asking Sentinels. All are asked at the same time, so one
//! that is out of reach costs nothing, and each connection asks anew: a connection
//! that breaks when the primary changes is followed by one to the new primary.

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult, Value,
};
use futures::future::select_ok;

use crate::url::{Sentinels, at_address};

/// Makes connections to the primary.
pub(crate) struct SentinelManager {
    sentinels: Sentinels,
    config: AsyncConnectionConfig,
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
    async fn primary_by(&self, sentinel: &ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let mut asked = self.connect(sentinel.clone()).await?;
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.sentinels.name)
            .query_async(&mut asked)
            .await?;
        let (host, port) = found.ok_or((
            ErrorKind::MasterNameNotFoundBySentinel,
            "a sentinel does not know the name",
        ))?;
        let server = at_address(&self.sentinels.server, host, port);
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
        let asked = asked.map(|sentinel| Box::pin(self.primary_by(sentinel)));
        let (primary, _) = select_ok(asked).await?;
        Ok(primary)
    }

    async fn recycle(
        &self,
        connection: &mut MultiplexedConnection,
        _: &Metrics,
    ) -> RecycleResult<RedisError> {
        check_role(connection).await.map_err(RecycleError::Backend)
    }
}

//! Connections to one Redis, as the link has them. The simulation puts connections
//! to a Redis of its own in the place of this file.

use deadpool_redis::Manager;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, Pipeline, RedisError, RedisFuture, Value,
    aio::ConnectionLike,
};

use crate::cluster::Seeds;
use crate::sentinel::{self, SentinelManager};
use crate::settings::{ConnectError, GateSettings};
use crate::url::{self, Place};

pub(crate) use deadpool::managed::PoolError as AnyPoolError;
pub(crate) use deadpool_redis::redis::aio::MultiplexedConnection;

/// Why there is no connection.
pub(crate) type PoolError = AnyPoolError<RedisError>;

/// Where Redis is, without credentials, and how it is reached.
pub(crate) enum Way {
    /// There is one, or one that counts.
    One(String, Pool),
    /// There are several, each with a part of the keys.
    Many(Seeds),
}

/// Makes connections as they are wanted.
#[derive(Clone)]
pub(crate) enum Pool {
    Server(deadpool_redis::Pool),
    Sentinel(deadpool::managed::Pool<SentinelManager>),
}

/// A connection that goes back to its pool.
pub(crate) enum Connection {
    Server(deadpool_redis::Connection),
    Sentinel(deadpool::managed::Object<SentinelManager>),
}

/// What a URL says. Connects to nobody.
pub(crate) fn way(url: &str, settings: &GateSettings) -> Result<Way, ConnectError> {
    Ok(match url::parse(url)? {
        Place::Server(info) => {
            let (address, pool) = pool(info, settings)?;
            Way::One(address, pool)
        }
        Place::Sentinel(sentinels) => {
            let address = sentinel::address(&sentinels);
            let manager = SentinelManager::new(sentinels, config(settings));
            let pool = deadpool::managed::Pool::builder(manager)
                .max_size(size(settings))
                .build()
                .expect(NO_TIMEOUTS);
            Way::One(address, Pool::Sentinel(pool))
        }
        Place::Cluster(seeds) => Way::Many(Seeds::new(seeds)),
    })
}

/// A pool for one server.
pub(crate) fn pool(
    info: ConnectionInfo,
    settings: &GateSettings,
) -> Result<(String, Pool), ConnectError> {
    let address = format!("{}/{}", info.addr(), info.redis_settings().db());
    let manager =
        Manager::new_with_config(info, config(settings)).map_err(|_| ConnectError::Url)?;
    let pool = deadpool_redis::Pool::builder(manager)
        .max_size(size(settings))
        .build()
        .expect(NO_TIMEOUTS);
    Ok((address, Pool::Server(pool)))
}

const NO_TIMEOUTS: &str = "only timeouts of the pool's own need a runtime, and it has none";

/// Room for the shared connections of the link and one beside it, which are made
/// here and leave.
fn size(settings: &GateSettings) -> usize {
    settings.pool_size + 2
}

fn config(settings: &GateSettings) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(Some(settings.response_timeout))
}

impl Pool {
    pub(crate) async fn get(&self) -> Result<Connection, PoolError> {
        Ok(match self {
            Self::Server(pool) => Connection::Server(pool.get().await?),
            Self::Sentinel(pool) => Connection::Sentinel(pool.get().await?),
        })
    }

    /// How many connections lie ready.
    pub(crate) fn available(&self) -> usize {
        match self {
            Self::Server(pool) => pool.status().available,
            Self::Sentinel(pool) => pool.status().available,
        }
    }

    /// Drops the connections that lie ready.
    pub(crate) fn clear(&self) {
        match self {
            Self::Server(pool) => drop(pool.retain(|_, _| false)),
            Self::Sentinel(pool) => drop(pool.retain(|_, _| false)),
        }
    }
}

impl Connection {
    /// Out of its pool, for good.
    pub(crate) fn take(self) -> MultiplexedConnection {
        match self {
            Self::Server(connection) => deadpool_redis::Connection::take(connection),
            Self::Sentinel(connection) => deadpool::managed::Object::take(connection),
        }
    }

    fn inner(&mut self) -> &mut MultiplexedConnection {
        match self {
            Self::Server(connection) => connection,
            Self::Sentinel(connection) => connection,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.inner().req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        skipped: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.inner().req_packed_commands(commands, skipped, count)
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Sentinel(connection) => connection.get_db(),
        }
    }
}

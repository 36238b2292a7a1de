//! Connections to Redis, as the link has them. The simulation puts connections to
//! a Redis of its own in the place of this file.

use deadpool_redis::Manager;
use deadpool_redis::redis::AsyncConnectionConfig;

use crate::settings::{ConnectError, GateSettings};
use crate::url;

pub(crate) use deadpool_redis::redis::aio::MultiplexedConnection;
pub(crate) use deadpool_redis::{Connection, Pool, PoolError};

/// Where Redis is, without credentials, and a pool that connects when it is
/// first used.
pub(crate) fn pool(url: &str, settings: &GateSettings) -> Result<(String, Pool), ConnectError> {
    let info = url::parse(url)?;
    let address = format!("{}/{}", info.addr(), info.redis_settings().db());
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(Some(settings.response_timeout));
    let manager = Manager::new_with_config(info, config).map_err(|_| ConnectError::Url)?;
    let pool = Pool::builder(manager)
        // Room for the shared connections of the link and one beside it, which
        // are made here and leave.
        .max_size(settings.pool_size + 2)
        .build()
        .expect("only timeouts of the pool's own need a runtime, and it has none");
    Ok((address, pool))
}

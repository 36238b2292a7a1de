//! What an operator may choose about the gate, and what is refused.

use std::path::PathBuf;
use std::time::Duration;

/// No setting makes sense beyond this; a lease must also end well before the
/// day after which Redis forgets an event's leases.
const DURATION_MAX: Duration = Duration::from_secs(60 * 60);

/// How the gate behaves. Each duration is between a millisecond and an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSettings {
    /// How long tokens stay leased to a booking that is neither settled nor
    /// released, by the clock of Redis. Longer than any booking takes in the
    /// store.
    pub lease_ttl: Duration,
    /// How long a call waits for its turn (its batch, or a free connection),
    /// and then for its answer.
    pub response_timeout: Duration,
    /// How much longer a call may take that has to connect first: for making
    /// the connection, greetings included.
    pub connect_timeout: Duration,
    /// How many connections there are at most besides the one that batches
    /// share, and so looks and checks at one time: at least 1.
    pub pool_size: usize,
    /// How long Redis is gone around after it failed, before it is tried
    /// again.
    pub cool_down: Duration,
}

impl GateSettings {
    pub(crate) fn check(&self) -> Result<(), ConnectError> {
        for (setting, value) in [
            ("lease_ttl", self.lease_ttl),
            ("response_timeout", self.response_timeout),
            ("connect_timeout", self.connect_timeout),
            ("cool_down", self.cool_down),
        ] {
            if value < Duration::from_millis(1) || value > DURATION_MAX {
                return Err(ConnectError::Duration { setting, value });
            }
        }
        if self.pool_size == 0 {
            return Err(ConnectError::NoConnections);
        }
        Ok(())
    }
}

/// Why a gate cannot be made. Says nothing of what is in the URL: there may be
/// a password anywhere in one that is mistyped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of Redis.
    #[error(
        "the redis url must look like redis://[user:password@]host[:port][/database], \
         redis+cluster://host[:port],host[:port] \
         or redis+sentinel://host[:port],host[:port]/name[/database], \
         with rediss instead of redis for TLS"
    )]
    Url,
    /// The URL asks for TLS with whomever.
    #[error(
        "the redis url asks not to verify who answers, which is not offered: leave out #insecure"
    )]
    Unverified,
    /// The URL names a database of a cluster.
    #[error("the redis url names a database, and a cluster has none but 0")]
    ClusterDatabase,
    /// The URL does not say what Sentinels call the primary.
    #[error(
        "the redis url must end with the name of the primary: redis+sentinel://host[:port]/name"
    )]
    SentinelName,
    /// The file of `sslrootcert` is of no use.
    #[error("the redis url names {} as sslrootcert: {reason}", path.display())]
    RootFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A duration is too short or too long.
    #[error("{setting} must be from 1 ms to 1 h, not {value:?}")]
    Duration {
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
    },
    /// The pool has no room.
    #[error("pool_size must be at least 1")]
    NoConnections,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: GateSettings = GateSettings {
        lease_ttl: Duration::from_secs(60),
        response_timeout: Duration::from_millis(250),
        connect_timeout: Duration::from_millis(250),
        pool_size: 8,
        cool_down: Duration::from_secs(1),
    };

    #[test]
    fn settings_that_can_work_are_allowed() {
        assert_eq!(GOOD.check(), Ok(()));
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused_by_name() {
        let endless = GateSettings {
            lease_ttl: Duration::from_secs(24 * 60 * 60),
            ..GOOD
        };
        let hasty = GateSettings {
            response_timeout: Duration::ZERO,
            ..GOOD
        };
        let alone = GateSettings {
            pool_size: 0,
            ..GOOD
        };
        for (settings, name) in [
            (endless, "lease_ttl"),
            (hasty, "response_timeout"),
            (alone, "pool_size"),
        ] {
            let message = settings.check().expect_err(name).to_string();
            assert!(message.starts_with(name), "{message}");
        }
    }
}

//! How much of the pool is in use, for whoever counts.

use std::time::Duration;

use super::Database;

/// The pool at one instant, and what was since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections there may be.
    pub connections_max: u32,
    /// Connections that are open, or being opened.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// Transactions that may be under way.
    pub transactions_max: usize,
    /// Transactions under way.
    pub transactions: usize,
    /// Connections that were opened.
    pub opened: u64,
    /// Times that somebody had to wait for a connection, and got one.
    pub waited: u64,
    /// Times that somebody waited for one in vain.
    pub timed_out: u64,
    /// How long all of them waited together.
    pub wait_time: Duration,
}

impl Database {
    /// How much of the pool is in use.
    pub fn pool_use(&self) -> PoolUse {
        let state = self.pool.state();
        let statistics = &state.statistics;
        let free = self.transactions.available_permits();
        PoolUse {
            connections_max: self.connections_max,
            connections: state.connections,
            idle: state.idle_connections,
            transactions_max: self.transactions_max,
            transactions: self.transactions_max.saturating_sub(free),
            opened: statistics.connections_created,
            waited: statistics.get_waited,
            timed_out: statistics.get_timed_out,
            wait_time: statistics.get_wait_time,
        }
    }
}

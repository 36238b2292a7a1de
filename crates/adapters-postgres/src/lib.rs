//! Utsavam's stores on PostgreSQL 15 or newer, with diesel and diesel-async.
//!
//! A store method is one transaction. It locks and reads the facts, asks a
//! rule of `domain`, and writes what the rule decided; constraints are the
//! backstop, never the mechanism. Locks are taken in one order everywhere:
//! idempotency keys by `(user_id, key)`, then events by id, then users by id,
//! then bookings, then the session's slot of the booking totals; where users log
//! in, the user, then sessions, then tokens. Isolation is READ COMMITTED.
//!
//! Transactions run in tasks of their own on the runtime that calls: whoever
//! stops waiting for an answer does not stop the work.

mod connect;
mod database;
mod error;
mod in_turn;
mod measured;
mod migrate;
mod one_row;
mod pool;
mod pooler;
mod prepared;
mod pulse;
mod replica;
mod rows;
mod schema;
mod servers;
mod shared_read;
mod store;
mod tls;
mod transaction;

pub use connect::{ConnectError, PgSettings};
pub use database::{Database, PoolUse};
pub use group_commit::{Limits, Load};
pub use measured::TransactionObserver;
pub use migrate::{MigrateError, Migrated, migrate, schema_is_current};
pub use pooler::Pooler;
pub use replica::{Replica, ReplicaUse};
pub use store::{
    PgAccountStore, PgApiKeyStore, PgArchive, PgAuditLog, PgBookingRecords, PgBookingStore,
    PgDemoStore, PgEventStore, PgMaintenance, PgProbe, PgReconciliation, PgReplicaCatalogue,
    PgReplicaReports, PgSalesControl, PgSalesReports, PgSessionStore, PgUserStore,
};

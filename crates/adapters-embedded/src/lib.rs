//! Utsavam with nothing else installed: its stores on SQLite, which is compiled
//! in, and a seat gate and a rate limiter in this process.
//!
//! A [`Database`] is one file (or the memory of this process) that one server
//! has to itself. A single thread writes, one transaction after the other, so
//! that what a transaction has read stays true until it is committed; some more
//! read beside it. A transaction reads the facts, asks a rule of `domain`, and
//! writes what the rule decided; constraints are the backstop, never the
//! mechanism. A store method has one to itself, but for bookings and
//! cancellations, and for entries of the audit log, which share one if they
//! arrive at the same time. `Ok` comes
//! after the commit has reached the disk (`synchronous = FULL`).
//!
//! | module | holds |
//! |---|---|
//! | `settings` | what an operator may choose, and reading `sqlite://…` |
//! | `files` | the folder, the file, and the lock against a second server |
//! | `session` | a connection and its transactions |
//! | `lane` | the threads and their bounded queues |
//! | `measured` | transactions by name, for metrics and traces |
//! | `backup` | a copy of a file that a server has open |
//! | `database` | opening, migrating, handing work to the threads |
//! | `store` | one file for each port |
//! | `gate` | the seat gate |
//! | `limiter` | the rate limiter |
//!
//! No async runtime runs in here: a port's future only waits for an answer, on
//! whatever runtime the caller has.

mod backup;
mod clock;
#[cfg(test)]
mod contract;
mod database;
mod error;
mod files;
mod gate;
mod lane;
mod limiter;
mod measured;
mod prepared;
mod rows;
mod session;
mod settings;
mod store;

pub use backup::{BackedUp, BackupError, back_up};
pub use database::{Database, JobsWaiting, OpenError};
pub use files::lock_of;
pub use gate::InProcessSeatGate;
pub use limiter::InProcessRateLimiter;
pub use measured::TransactionObserver;
pub use settings::{LocationError, SqliteLocation, SqliteSettings};
pub use store::{
    SqliteAccountStore, SqliteApiKeyStore, SqliteArchive, SqliteAuditLog, SqliteBookingRecords,
    SqliteBookingStore, SqliteDemoStore, SqliteEventStore, SqliteMaintenance, SqliteProbe,
    SqliteReconciliation, SqliteSalesControl, SqliteSalesReports, SqliteSessionStore,
    SqliteUserStore,
};

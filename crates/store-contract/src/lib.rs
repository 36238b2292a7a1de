//! What every store, every seat gate and every rate limiter must do, as one
//! suite of tests that any adapter runs in full.
//!
//! The docs of [`domain::ports`] are the contract; each promise in them is one
//! test here, named as a sentence. A runner shows, picks and parallelises
//! them like any other test.
//!
//! # Plugging in a store
//!
//! Depend on this crate in `[dev-dependencies]`, say how a fresh, empty store
//! comes to be in a [`Backend`], and let [`store_contract!`] write the tests.
//! This is a whole `tests/contract.rs`:
//!
//! ```
//! use domain::ports::*;
//! use store_contract::reference::MemoryStore;
//! use store_contract::{Backend, StoreSettings, async_trait, store_contract};
//!
//! struct Mine(MemoryStore);
//!
//! #[async_trait]
//! impl Backend for Mine {
//!     async fn start(settings: StoreSettings) -> Self {
//!         Mine(MemoryStore::keeping_keys(settings.keep_keys))
//!     }
//!     async fn level_times(&self) {
//!         self.0.level_times(); // UPDATE users SET created_at = …; the same for bookings
//!     }
//!     fn bookings(&self) -> &dyn BookingStore { &self.0 }
//!     fn records(&self) -> &dyn BookingRecords { &self.0 }
//!     fn events(&self) -> &dyn EventStore { &self.0 }
//!     fn catalogue(&self) -> &dyn EventCatalogue { &self.0 }
//!     fn users(&self) -> &dyn UserStore { &self.0 }
//!     fn sales(&self) -> &dyn SalesReports { &self.0 }
//!     fn control(&self) -> &dyn SalesControl { &self.0 }
//!     fn maintenance(&self) -> &dyn Maintenance { &self.0 }
//!     fn demo(&self) -> &dyn DemoStore { &self.0 }
//!     fn probe(&self) -> &dyn Probe { &self.0 }
//! }
//!
//! store_contract!(Mine);
//! # fn main() {
//! # store_contract::run_store::<Mine, _>(store_contract::promises::users::a_user_reads_back_as_registered);
//! # }
//! ```
//!
//! An adapter that runs on several engines (a file and memory, say) puts one
//! `store_contract!` into a module for each.
//!
//! # Plugging in the ports around users
//!
//! A store that keeps accounts, sessions, keys of services and the audit log
//! implements [`AccountsBackend`] for the same type and calls
//! [`accounts_contract!`] with it, beside `store_contract!` or in a module of
//! its own. `tests/reference.rs` of this crate does so. Lifetimes are tried by
//! [`AccountsBackend::age`], never by waiting, so that the store's own clock
//! decides.
//!
//! # Plugging in reconciliation
//!
//! Likewise with a [`ReconciliationBackend`] and [`reconciliation_contract!`]. The
//! promises are about stores that somebody has damaged: [`Damage`] says how, and
//! [`Damage::to_sql`] has it as statements for tables like ours.
//!
//! # Plugging in a seat gate
//!
//! The same with a [`GateBackend`] and [`gate_contract!`]:
//!
//! ```
//! use std::time::Duration;
//! use domain::ports::SeatGate;
//! use store_contract::reference::MemoryGate;
//! use store_contract::{GateBackend, async_trait, gate_contract};
//!
//! struct Mine(MemoryGate);
//!
//! #[async_trait]
//! impl GateBackend for Mine {
//!     async fn start(lease_time: Duration) -> Self {
//!         Mine(MemoryGate::leasing_for(lease_time))
//!     }
//!     async fn expire_leases(&self) {
//!         self.0.expire_leases(); // put the clock ahead, or the leases' ends back
//!     }
//!     fn gate(&self) -> &dyn SeatGate { &self.0 }
//! }
//!
//! gate_contract!(Mine);
//! # fn main() {
//! # store_contract::run_gate::<Mine, _>(store_contract::promises::gate::a_gate_that_was_never_opened_is_unknown);
//! # }
//! ```
//!
//! # Plugging in a rate limiter
//!
//! And with a [`LimiterBackend`] and [`limiter_contract!`]:
//!
//! ```
//! use std::time::Duration;
//! use domain::ports::RateLimiter;
//! use store_contract::reference::MemoryLimiter;
//! use store_contract::{LimiterBackend, async_trait, limiter_contract};
//!
//! struct Mine(MemoryLimiter);
//!
//! #[async_trait]
//! impl LimiterBackend for Mine {
//!     async fn start() -> Self {
//!         Mine(MemoryLimiter::default())
//!     }
//!     async fn pass(&self, time: Duration) {
//!         self.0.pass(time); // put the clock ahead
//!     }
//!     fn limiter(&self) -> &dyn RateLimiter { &self.0 }
//! }
//!
//! limiter_contract!(Mine);
//! # fn main() {
//! # store_contract::run_limiter::<Mine, _>(store_contract::promises::limiter::a_burst_is_granted_and_not_one_more);
//! # }
//! ```
//!
//! # Random operations
//!
//! `random::*` draw operations from a seed and compare every answer with a
//! small model. A failure prints the seed; run it again with
//! `UTSAVAM_SEED=<seed> cargo test …`. `UTSAVAM_STEPS` sets how many operations
//! a sequence has.
//!
//! # What the suite asks of a store beyond the ports
//!
//! - Times keep microseconds, from the year 0 to 9999, and places in lists
//!   within these years are accepted whatever their ids.
//! - An id of a user that was erased is not given to another one: it is what
//!   their bookings and the audit log still name.
//! - [`StoreError::Busy`](domain::ports::StoreError::Busy) may answer any call
//!   under load: the suite tries again. Any other trouble is a failure.

mod accounts_bench;
mod backend;
mod bench;
mod compare;
mod gate_bench;
mod macros;
mod paging;
mod parallel;
mod runner;
mod seed;
mod values;

#[doc(hidden)]
pub mod promises;
pub mod reference;

pub use async_trait::async_trait;
pub use backend::{
    AccountsBackend, Backend, Damage, GateBackend, LimiterBackend, ReconciliationBackend,
    StoreSettings,
};
pub use runner::{
    AccountsBench, Bench, GateBench, LimiterBench, ReconciliationBench, run_accounts, run_gate,
    run_gate_hasty, run_limiter, run_reconciliation, run_store, run_store_forgetful,
    run_store_with,
};

//! A store, a gate and a limiter in memory, small enough to be seen to be right: the
//! model that other adapters are compared with, and the first to run the suite.

mod accounts;
mod api_keys;
mod audit;
mod gate;
mod limiter;
mod memory;
mod model;
mod reconciliation;
mod sales_control;
mod sessions;

pub use gate::MemoryGate;
pub use limiter::MemoryLimiter;
pub use memory::MemoryStore;
pub(crate) use model::{Model, Stamp};

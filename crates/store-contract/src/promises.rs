//! The promises, one file per port or purpose. Each is a function that gets a
//! fresh backend and panics when the promise is broken; `macros` lists them.

pub mod account_drops;
pub mod account_races;
pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod bookings;
pub mod buyer_races;
pub mod catalogue;
pub mod deletion;
pub mod demo;
pub mod dropped;
pub mod erasure;
pub mod events;
pub mod forgetting;
pub mod gate;
pub mod gate_races;
pub mod hasty_leases;
pub mod idempotency;
pub mod leases;
pub mod limiter;
pub mod limiter_races;
pub mod maintenance;
pub mod password_tokens;
pub mod probe;
pub mod races;
pub mod random;
pub mod rebuilding;
pub mod reconciliation;
pub mod reconciliation_races;
pub mod records;
pub mod sales;
pub mod session_races;
pub mod sessions;
pub mod suspension;
pub mod users;

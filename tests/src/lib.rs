//! What the tests of the running program share: a database and a Redis of
//! their own, the server as a process, a client that speaks HTTP to it, and
//! ways to wait and to break connections. Assertions about single calls live
//! in the test binaries.
//!
//! Everything here panics when it cannot do its work: in a test that is the
//! report.

mod authority;
mod balancer;
mod client;
mod collector;
pub mod concurrency;
mod database;
mod encryption;
mod exposition;
pub mod faults;
mod layout;
pub mod ledger;
mod ports;
mod problem;
mod program;
mod proxy;
mod redis;
mod redis_cluster;
mod redis_sentinel;
mod server;
mod service;
mod sql;
mod store;
#[cfg(target_os = "linux")]
mod terminal;
mod url;
mod wait;

pub use authority::{Authority, Certificate};
pub use balancer::{Balancer, SERVERS};
pub use client::{Answer, Call, Client, FUTURE, PASSWORD, PAST, Person};
pub use collector::{Collector, Place, TraceSpan};
pub use database::TestDatabase;
pub use encryption::Encryption;
pub use exposition::{Exposition, Family, Sample};
pub use layout::Layout;
pub use ports::free_port;
pub use problem::{NOBODY_KNOWS, Problem};
pub use program::{Finished, Program};
pub use proxy::Proxy;
pub use redis::TestRedis;
pub use redis_cluster::RedisCluster;
pub use redis_sentinel::RedisBehindSentinel;
pub use server::{ADMIN_KEY, ServerBuilder, TestServer};
pub use service::{Service, ServiceBuilder};
pub use sql::Sql;
pub use store::Store;
#[cfg(target_os = "linux")]
pub use terminal::{Modes, Terminal};
pub use wait::eventually;

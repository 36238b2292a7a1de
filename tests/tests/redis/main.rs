//! The seat gate and the rate limiter on several Redis: a cluster, and a pair behind
//! a Sentinel. What they promise on one is promised by the crate's own tests; here
//! the same contracts are kept by a cluster, and nodes are lost.

mod cluster;
mod contract;
mod sentinel;
mod support;
mod tls;

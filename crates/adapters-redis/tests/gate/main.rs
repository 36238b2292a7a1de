//! The seat gate and the rate limiter against a real Redis (`REDIS_URL`): what
//! they promise when all is well, when operators change their keys, and when
//! Redis is in trouble. Each test has a logical database of its own, so they run
//! side by side.

mod batches;
mod blocks;
mod leases;
mod limiter;
mod operators;
mod rebuilding;
mod support;
mod tokens;
mod trouble;
mod untold;

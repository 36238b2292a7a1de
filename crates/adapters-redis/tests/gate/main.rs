//! The seat gate against a real Redis (`REDIS_URL`): what it promises when all
//! is well, when operators change its keys, and when Redis is in trouble. Each
//! test has a logical database of its own, so they run side by side.

mod batches;
mod blocks;
mod leases;
mod operators;
mod rebuilding;
mod support;
mod tokens;
mod trouble;
mod untold;

//! A simulation of bookings: histories of crashes, lost messages and odd clocks,
//! each from a seed, without any I/O.
//!
//! What runs is the product: the use cases and rules of `domain`, the batches of
//! `group-commit`, and the seat gate of `adapters-redis` with its Lua. That gate
//! is compiled here from its own files, beside a `pool` of connections to a
//! simulated Redis, no `cluster`, and `surroundings` whose clock, tasks and chance come from the
//! seed. Only what stands at the very ends is made for it: the keyspace of Redis
//! with the commands that the scripts call, rows with their locks, the network.
//!
//! | module | holds |
//! |---|---|
//! | `plan` | what is going to happen, drawn from the seed |
//! | `history` | runs a plan and says what was wrong |
//! | `process` | a server: its gate, its store, its calls |
//! | `watch` | what must be true, looked at after every step |
//! | `executor`, `surroundings` | tasks and timers in an order of the seed's |
//! | `pool`, `network`, `redis` | a Redis, and messages that get lost |
//! | `cluster` | that there is none |
//! | `database` | rows, locks, transactions, and the store on them |
//! | `shrink` | the fewest actions that still go wrong |

// The seat gate as it is, see `adapters-redis`.
#[path = "../../../crates/adapters-redis/src/blocks.rs"]
mod blocks;
#[allow(dead_code, reason = "the server looks at more of it")]
#[path = "../../../crates/adapters-redis/src/breaker.rs"]
mod breaker;
#[path = "../../../crates/adapters-redis/src/commands.rs"]
mod commands;
#[path = "../../../crates/adapters-redis/src/front.rs"]
mod front;
#[allow(dead_code, unreachable_pub, reason = "the server uses more of it")]
#[path = "../../../crates/adapters-redis/src/gate.rs"]
mod gate;
#[path = "../../../crates/adapters-redis/src/lane.rs"]
mod lane;
#[allow(dead_code, reason = "the rate limiter is not here")]
#[path = "../../../crates/adapters-redis/src/link.rs"]
mod link;
#[allow(dead_code, unreachable_code, reason = "no cluster is here")]
#[path = "../../../crates/adapters-redis/src/nodes.rs"]
mod nodes;
#[allow(dead_code, reason = "neither the rate limiter nor a cluster is here")]
#[path = "../../../crates/adapters-redis/src/scripts.rs"]
mod scripts;
#[allow(dead_code, unreachable_pub, reason = "nobody configures it here")]
#[path = "../../../crates/adapters-redis/src/settings.rs"]
mod settings;

mod block_sizes;
mod cluster;
mod database;
mod executor;
mod history;
mod network;
mod plan;
mod pool;
mod process;
mod redis;
mod shrink;
mod surroundings;
mod watch;

pub use history::{Outcome, run, run_only, trace};
pub use plan::{Plan, describe};
pub use redis::{GATE_SCRIPTS, SimulatedRedis};
pub use shrink::shrink;

//! Utsavam on Redis: the seat gate and the rate limiter.
//!
//! [`RedisSeatGate`] implements [`domain::ports::SeatGate`] with Lua scripts, and
//! [`domain::ports::Probe`]; [`RedisRateLimiter`] implements
//! [`domain::ports::RateLimiter`]. What many ask at the same time goes in one round
//! trip. Redis holds nothing that must
//! survive: whenever it is away, slow, flushed or wrong, the gate answers
//! "unknown" within a bounded time and the store decides alone.
//!
//! | module | holds |
//! |---|---|
//! | `gate` | the port's methods |
//! | `front` | who is granted here and now, and who goes to Redis |
//! | `blocks`, `block_sizes` | tokens that this process holds for many |
//! | `lane` | the queue: who waits, who goes together, who is told what |
//! | `commands` | a batch as calls of one script, and its answers |
//! | `limiter` | the rate limiter, with what this process decides of it by itself |
//! | `scripts` | the Lua of `src/lua`, its keys, arguments and answers |
//! | `link` | the way to Redis: connections, limits on waiting, going around |
//! | `nodes` | which Redis is asked of what |
//! | `cluster` | several Redis, each with a part of the keys |
//! | `sentinel` | finding the primary |
//! | `pool` | connections |
//! | `breaker` | when Redis is gone around and who tries it again |
//! | `settings` | what an operator may choose |
//! | `surroundings` | time, tasks and chance |
//! | `url` | where Redis is, and who is trusted to be it |
//!
//! The crate `utsavam-simulation` compiles most of these files once more, beside
//! a `pool`, a `cluster` and `surroundings` of its own.

mod block_sizes;
mod blocks;
mod breaker;
mod cluster;
mod commands;
mod front;
mod gate;
mod lane;
mod limiter;
mod link;
mod nodes;
mod pool;
mod scripts;
mod sentinel;
mod settings;
mod surroundings;
mod url;

pub use gate::RedisSeatGate;
pub use limiter::RedisRateLimiter;
pub use settings::{ConnectError, GateSettings};

//! Trying the promise that nothing is lost and nothing is sold twice: servers
//! and their dependencies are broken in every way that can be arranged, while
//! clients write down what they ask and what they are told. Afterwards a checker
//! holds that against the tables.

pub mod books;
pub mod check;
mod clock;
mod crowd;
pub mod history;
pub(crate) mod instances;
mod line;
mod load;
mod play;
mod report;
mod scenarios;
mod stage;
mod wall_clock;

pub use instances::{Environment, OwnPgBouncer, OwnPostgres, PoolMode};
pub use report::{Plan, Report};
pub use scenarios::{SCENARIOS, Scenario, balanced};
pub use wall_clock::WallClock;

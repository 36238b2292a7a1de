//! Trying the promise that nothing is lost and nothing is sold twice: servers
//! and their dependencies are broken in every way that can be arranged, while
//! clients write down what they ask and what they are told. Afterwards a checker
//! holds that against the tables.

pub mod books;
pub mod check;
pub mod history;

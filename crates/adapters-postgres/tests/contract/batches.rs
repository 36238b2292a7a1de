//! What callers may rely on because their commands share transactions, and
//! although they do.

mod faults;
mod keys;
mod pipeline;
mod settling;
mod sharing;
mod telling;
mod waiting;

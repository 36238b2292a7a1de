//! `GET /overview` on the address of the metrics: what figures cannot say, for
//! `utsavam top` and whoever else wants to look. Events by their ids and names, what is
//! paused, and which dependency answers.
//!
//! The store is asked only when somebody reads this, and then about little: whether it
//! answers, what is paused, and the names of events at the top that are not known yet.
//! What they have left is not asked but known from the batches.

mod look;
mod page;

pub(crate) use look::Overview;
pub(crate) use page::{EventRow, OverviewPage, Paused};

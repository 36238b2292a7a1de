//! `utsavam top`: a view of running servers at a terminal.
//!
//! Everything comes from the address of their metrics: counters and histograms from
//! `/metrics`, of which two readings some seconds apart make rates and quantiles, and
//! events and dependencies from `/overview`.
//!
//! | file | what |
//! |---|---|
//! | `source` | one server: where it is, one reading of it |
//! | `exposition` | reads Prometheus' text format |
//! | `interval` | what happened between two readings |
//! | `histogram` | quantiles |
//! | `figures`, `events` | what is shown, summed over servers |
//! | `watch` | one look at all servers |
//! | `view`, `text` | how it is shown |
//! | `screen` | the terminal, the keys, the end |

mod events;
mod exposition;
mod figures;
mod histogram;
mod interval;
mod screen;
mod source;
mod text;
mod view;
mod watch;

pub(crate) use screen::show;
pub(crate) use source::Source;
pub(crate) use view::plain;
pub(crate) use watch::Watch;

//! Group commit: concurrent commands for one key share one batch.
//!
//! Where everybody wants the same row, a transaction for each command holds the
//! row's lock through its round trips and its flush to disk. Commands that
//! arrive while a transaction is under way can share the next one instead:
//!
//! - the first command runs at once, nothing waits for a timer;
//! - what arrives for a key while a batch with that key is under way forms the
//!   next one, in the order of arrival;
//! - keys do not wait for one another, as long as there are slots: so many
//!   batches run at the same time. When all slots are taken, the next one that
//!   becomes free serves all keys that are waiting, up to a limit;
//! - everything is bounded: commands that wait for one key, commands that wait
//!   in all, commands and keys of a batch, batches at the same time. A command
//!   beyond a bound is refused at once.
//!
//! This crate decides who runs when and with whom, and nothing else: it knows
//! no database, spawns nothing and needs no runtime. Whoever makes a
//! [`GroupCommit`] says how to start a batch, on a task, a thread or at once:
//!
//! ```
//! use std::sync::Arc;
//! use group_commit::{GroupCommit, Limits, Slot};
//!
//! // Adds up numbers. A batch would be one transaction here.
//! fn start(slot: Slot<&'static str, u32, u32>) {
//!     std::thread::spawn(move || {
//!         let Some(mut batch) = slot.take() else { return };
//!         let mut sum = 0;
//!         for group in batch.take_groups() {
//!             for entry in group.entries {
//!                 let (number, reply) = entry.into_parts();
//!                 sum += number;
//!                 reply.send(sum);
//!             }
//!         }
//!     });
//! }
//!
//! let sums = GroupCommit::new(Limits::default(), start);
//! let first = sums.submit("a", 2, None).expect("room");
//! let second = sums.submit("a", 3, None).expect("room");
//! # futures::executor::block_on(async {
//! assert_eq!(first.await, Ok(2));
//! assert!(second.await.is_ok()); // 5 in the same batch, 3 in one of its own
//! # });
//! ```
//!
//! # Promises
//!
//! - **Order.** Commands of one key are handed out in the order in which they
//!   were submitted, and a key is part of at most one batch at a time.
//! - **Known not to have run.** [`NotRun`] is said only of a command that no
//!   batch ever got.
//! - **Isolation.** A batch that panics answers [`NotDone::Lost`] to those of
//!   its own commands that have no answer yet, and its keys and its slot go on.
//! - **Waiting is free to end.** A dropped [`Pending`] ends the wait; the command
//!   still runs. [`Pending::withdraw`] takes it back if it has not begun.
//! - **Draining.** After [`GroupCommit::close`] nothing new is taken, and
//!   [`GroupCommit::drained`] waits until all that was taken is done.
//!
//! # Inside
//!
//! `lanes` is the state machine: plain data, one lock around it, held for a few
//! instructions and never while a batch runs. Its unit tests explore the
//! interleavings of threads with shuttle, which needs the lock to be shuttle's:
//! hence `sync`.

mod batch;
mod group_commit;
mod lanes;
mod limits;
mod pending;
mod sync;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Entry, Group, Reply, Slot};
pub use group_commit::{GroupCommit, Load};
pub use limits::{Key, Limits};
pub use pending::{NotDone, NotRun, Pending};

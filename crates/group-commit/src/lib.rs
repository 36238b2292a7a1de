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
//! [`GroupCommit`] says how to start a batch, on a task or on a thread:
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
//! # Batches on tokio
//!
//! `examples/shared_transaction.rs` is a whole program.
//!
//! - `start` spawns a task with a [`Handle`](https://docs.rs/tokio/latest/tokio/runtime/struct.Handle.html)
//!   that was taken beforehand: commands may be submitted, and batches end, where
//!   there is no runtime, and `tokio::spawn` panics there.
//! - The task first gets what may take time, a connection for instance, and then
//!   calls [`Slot::take`]: what arrives meanwhile is part of the batch. If there
//!   is no connection it calls `take` all the same and answers that, because a
//!   slot that is dropped leaves everybody waiting.
//! - Answers go out after the commit. An answer that was sent before is a lie if
//!   the commit fails.
//! - The [`Batch`] lives until commit or rollback, and the groups in a variable
//!   that is declared after it, so that a panic drops them first.
//! - A caller's time limit is a deadline in [`GroupCommit::submit`] and a timer
//!   around the [`Pending`]: when it rings, [`Pending::withdraw`] says whether the
//!   command is out. If not, the answer is near.
//! - At shutdown: [`GroupCommit::close`], then [`GroupCommit::drained`] with a
//!   time limit, then the end of the runtime.
//!
//! # Promises
//!
//! - **Order.** Commands of one key are handed out in the order in which they
//!   were submitted, and a key is part of at most one batch at a time.
//! - **Known not to have run.** [`NotRun`] is said only of a command that no
//!   batch ever got, or that was put off by each that got it.
//! - **Isolation.** A batch that panics answers [`NotDone::Lost`] to those of
//!   its own commands that have no answer yet, and its keys and its slot go on.
//!   What a batch that panics had put off before, a later one runs.
//! - **Waiting is free to end.** A dropped [`Pending`] ends the wait; the command
//!   still runs. [`Pending::withdraw`] takes it back if it has not begun.
//! - **Draining.** After [`GroupCommit::close`] nothing new is taken, and
//!   [`GroupCommit::drained`] waits until all that was taken is done.
//!
//! # Inside
//!
//! `lanes` is the state machine: plain data, one lock around it, held for a few
//! instructions and never while a batch runs. No command is dropped and nobody is
//! woken under it, as both may run anything. Its unit tests explore the
//! interleavings of threads with shuttle, which needs the lock to be shuttle's:
//! hence `sync`. Others compare `lanes` with a model, operation by operation.
//! Tests that use chance print a seed when they fail; `GROUP_COMMIT_SEED=<seed>`
//! shows them the same operations again.
//!
//! How this compares with other crates that batch stands in
//! `docs/adr/0007-own-group-commit.md`.

mod batch;
mod group_commit;
mod lanes;
mod limits;
mod observer;
mod pending;
mod sync;
mod trace;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Entry, Group, Reply, Slot};
pub use group_commit::{GroupCommit, Load};
pub use limits::{Key, Limits};
pub use observer::Observer;
pub use pending::{NotDone, NotRun, Pending};
pub use trace::{TRACES, traced};

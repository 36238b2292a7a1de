//! The running side: a slot, the batch that it takes, and the commands in it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::Span;

use crate::group_commit::{Shared, now};
use crate::limits::Key;
use crate::pending::NotRun;
use crate::trace::Trace;

/// Leave to run one batch. Dropping it gives the slot back, and nobody starts
/// another in its place, because whoever drops one would drop that one too: what
/// was to run in it waits until a submission, the end of another batch,
/// [`close`](crate::GroupCommit::close) or
/// [`drained`](crate::GroupCommit::drained) asks for a slot. Whoever cannot run
/// anything right now takes the batch all the same and answers that.
#[must_use = "what is waiting may go on waiting if the slot is dropped"]
pub struct Slot<K: Key, C, A> {
    /// `None` once it was used.
    pub(crate) shared: Option<Arc<Shared<K, C, A>>>,
}

impl<K: Key, C, A> Slot<K, C, A> {
    /// What there is to do by now: the longer one waits with this, the larger
    /// the batch. `None` if others have done it.
    pub fn take(self) -> Option<Batch<K, C, A>> {
        self.take_at(now())
    }

    /// As [`take`](Self::take), for deadlines of a clock of one's own, which is
    /// at `taken_at`.
    pub fn take_at(mut self, taken_at: Instant) -> Option<Batch<K, C, A>> {
        let shared = self.shared.take()?;
        let taken = shared.take(taken_at);
        // From here on the batch exists, and its end gives everything back even
        // if a command that is dropped panics, or what starts the next batch.
        let mut batch = Batch {
            span: Span::none(),
            end: BatchEnd {
                keys: taken.groups.iter().map(|group| group.key.clone()).collect(),
                put_off: Vec::new(),
                alone: taken.alone,
                taken_at,
                shared,
            },
            groups: taken.groups,
        };
        if taken.start {
            batch.end.shared.start();
        }
        for entry in taken.expired {
            entry.reply.not_run(NotRun::Expired);
        }
        if batch.groups.is_empty() {
            return None;
        }
        batch.end.shared.tell_taken(&batch.groups, taken_at);
        batch.span = batch.end.shared.span(&mut batch.groups);
        Some(batch)
    }
}

impl<K: Key, C, A> Drop for Slot<K, C, A> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.give_back_slot();
        }
    }
}

/// Commands that run together. Dropping it, in a panic for instance, ends the
/// batch: its keys and its slot are free, and whoever has no answer yet is told
/// that it was lost. Hold it until the work is done: from then on the next batch
/// may have the same keys.
pub struct Batch<K: Key, C, A> {
    /// Before `end`, because fields are dropped in this order: those without an
    /// answer were part of this batch.
    groups: Vec<Group<K, C, A>>,
    span: Span,
    end: BatchEnd<K, C, A>,
}

/// What is given back when a batch ends. It is a field with a drop of its own so
/// that it happens even if a command that nobody answered panics when it goes.
struct BatchEnd<K: Key, C, A> {
    keys: Vec<K>,
    put_off: Vec<Group<K, C, A>>,
    alone: bool,
    taken_at: Instant,
    shared: Arc<Shared<K, C, A>>,
}

impl<K: Key, C, A> Batch<K, C, A> {
    /// Its commands by key, to be answered one by one.
    pub fn take_groups(&mut self) -> Vec<Group<K, C, A>> {
        std::mem::take(&mut self.groups)
    }

    /// In which its work is to be done, so that it is seen in traces; disabled if none
    /// of its commands is traced.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Whether it has one key and may take long: no more of them are under way
    /// than [`batches_alone_max`](crate::Limits::batches_alone_max) says. Always
    /// true for a key that was put off, otherwise if there is room for one more.
    pub fn is_alone(&self) -> bool {
        self.end.alone
    }

    /// Leaves a key's commands, all or some, for a later batch, in which the key
    /// is alone: as if this batch had never had them. For a key that would make
    /// the others wait. They wait ahead of those that came after them, whatever
    /// the limits say. A group of another batch is not taken, its commands are
    /// lost.
    pub fn put_off(&mut self, mut group: Group<K, C, A>) {
        if !group.entries.is_empty() && self.end.keys.contains(&group.key) {
            self.end.shared.wait_again(&mut group);
            self.end.put_off.push(group);
        }
    }
}

impl<K: Key, C, A> Drop for BatchEnd<K, C, A> {
    fn drop(&mut self) {
        let (keys, put_off) = (
            std::mem::take(&mut self.keys),
            std::mem::take(&mut self.put_off),
        );
        // A slot that found nothing to do was no batch.
        let was_batch = !keys.is_empty();
        self.shared.finish(keys, put_off, self.alone);
        if was_batch {
            self.shared.tell_ended(self.taken_at);
        }
    }
}

/// Commands of one key, in their order.
pub struct Group<K, C, A> {
    /// Their key.
    pub key: K,
    /// At least one.
    pub entries: Vec<Entry<C, A>>,
}

/// When a command came, and until when it makes sense.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// `None` where nobody observes.
    pub(crate) submitted: Option<Instant>,
    pub(crate) deadline: Option<Instant>,
}

/// A command and the way to answer it.
pub struct Entry<C, A> {
    pub(crate) command: C,
    pub(crate) reply: Reply<A>,
    pub(crate) times: Times,
    /// If whoever submitted it is traced. Apart, as hardly anybody is.
    pub(crate) trace: Option<Box<Trace>>,
    /// Counts all commands; rises within a key.
    pub(crate) number: u64,
}

impl<C, A> Entry<C, A> {
    /// What is to be done.
    pub fn command(&self) -> &C {
        &self.command
    }

    /// Until when it makes sense.
    pub fn deadline(&self) -> Option<Instant> {
        self.times.deadline
    }

    /// Answers it.
    pub fn answer(self, answer: A) {
        self.reply.send(answer);
    }

    /// The command and the way to answer it. It cannot be put off any more.
    pub fn into_parts(self) -> (C, Reply<A>) {
        (self.command, self.reply)
    }
}

/// The way to answer a command.
pub struct Reply<A>(pub(crate) oneshot::Sender<Result<A, NotRun>>);

impl<A> Reply<A> {
    /// Answers. Nobody may be waiting any more; that is fine.
    pub fn send(self, answer: A) {
        let _ = self.0.send(Ok(answer));
    }

    pub(crate) fn not_run(self, reason: NotRun) {
        let _ = self.0.send(Err(reason));
    }
}

impl<K: Key, C, A> fmt::Debug for Slot<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl<K: Key, C, A> fmt::Debug for Batch<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("keys", &self.end.keys.len())
            .finish_non_exhaustive()
    }
}

impl<K: fmt::Debug, C, A> fmt::Debug for Group<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("key", &self.key)
            .field("entries", &self.entries.len())
            .finish()
    }
}

impl<C: fmt::Debug, A> fmt::Debug for Entry<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("command", &self.command)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

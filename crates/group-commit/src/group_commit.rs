//! The front: what is shared, behind its lock, and who is told to start.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tracing::Span;

use crate::batch::{Entry, Group, Slot, Times};
use crate::lanes::{Lanes, Place, Taken};
use crate::limits::{Key, Limits};
use crate::observer::Observer;
use crate::pending::{NotRun, Pending};
use crate::sync::{Mutex, MutexGuard};
use crate::trace::{self, Trace};

/// Starts a batch somewhere: on a task or on a thread.
type Start<K, C, A> = Box<dyn Fn(Slot<K, C, A>) + Send + Sync>;

/// Queues of commands by key, and the slots in which they run. See the
/// [crate](crate) for what it promises. Cheap to clone; all clones are the same.
pub struct GroupCommit<K: Key, C, A> {
    shared: Arc<Shared<K, C, A>>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Commands that wait.
    pub waiting: usize,
    /// Batches under way, or about to begin.
    pub batches: usize,
}

/// What all handles have in common.
pub(crate) struct Shared<K: Key, C, A> {
    lanes: Mutex<Lanes<K, C, A>>,
    start: Start<K, C, A>,
    observer: Option<Arc<dyn Observer>>,
    /// Rung when nothing is left to do.
    idle: Notify,
}

impl<K: Key, C, A> GroupCommit<K, C, A> {
    /// `start` is called, on the thread that submits a command or ends a batch,
    /// for each batch that may begin. It should return soon, having arranged that
    /// [`Slot::take`] is called elsewhere and what it gives is run.
    ///
    /// `start` must not run the batch itself: the end of a batch starts the next
    /// one, so that under load batch would nest in batch until the stack is full.
    /// It must not panic, as it is called when a batch that panicked is dropped.
    /// And it must not own a clone of what it is given to: neither would ever be
    /// freed.
    pub fn new(limits: Limits, start: impl Fn(Slot<K, C, A>) + Send + Sync + 'static) -> Self {
        Self::observed(limits, None, start)
    }

    /// As [`new`](Self::new), with somebody, perhaps, who is told of each batch.
    /// That costs a look at the clock for each command and one for each batch. Only
    /// then is there a name for what is seen of them in traces.
    pub fn observed(
        limits: Limits,
        observer: Option<Arc<dyn Observer>>,
        start: impl Fn(Slot<K, C, A>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                lanes: Mutex::new(Lanes::new(limits)),
                start: Box::new(start),
                observer,
                idle: Notify::new(),
            }),
        }
    }

    /// Queues a command behind those of its key. If its deadline passes before
    /// a batch takes it, it is dropped and answered [`NotRun::Expired`] when its
    /// turn comes; whoever cannot wait for that calls [`Pending::withdraw`].
    ///
    /// # Errors
    /// Too much is waiting, or the end has come. The command did not run.
    pub fn submit(
        &self,
        key: K,
        command: C,
        deadline: Option<Instant>,
    ) -> Result<Pending<K, C, A>, NotRun> {
        let times = Times {
            submitted: self.shared.observer.is_some().then(now),
            deadline,
        };
        let trace = self.shared.queue().and_then(Trace::begin);
        let submitted = {
            let mut lanes = self.shared.lock();
            // Apart from `submit`, so that what is refused is dropped when the
            // lock is free again: a command may do anything when it goes.
            lanes.check(&key)?;
            lanes.submit(key, command, times, trace)
        };
        if submitted.start {
            self.shared.start();
        }
        Ok(Pending {
            answer: submitted.answer,
            place: submitted.place,
            shared: self.shared.clone(),
        })
    }

    /// Takes no more commands. Those that were taken run.
    pub fn close(&self) {
        let start = {
            let mut lanes = self.shared.lock();
            lanes.close();
            // No submission will ask for the slot any more that somebody dropped.
            lanes.take_slot()
        };
        if start {
            self.shared.start();
        }
    }

    /// Waits until nothing is waiting and nothing is under way.
    pub async fn drained(&self) {
        loop {
            let idle = self.shared.idle.notified();
            let mut idle = std::pin::pin!(idle);
            // Before looking, so that an end in between is not missed.
            idle.as_mut().enable();
            let start = {
                let mut lanes = self.shared.lock();
                if lanes.is_idle() {
                    return;
                }
                // For what a slot that was dropped has left behind.
                lanes.take_slot()
            };
            if start {
                self.shared.start();
            }
            idle.await;
        }
    }

    /// How much there is to do right now.
    pub fn load(&self) -> Load {
        let lanes = self.shared.lock();
        Load {
            waiting: lanes.waiting(),
            batches: lanes.slots(),
        }
    }
}

impl<K: Key, C, A> Shared<K, C, A> {
    /// No method of [`Lanes`] panics halfway through a change.
    fn lock(&self) -> MutexGuard<'_, Lanes<K, C, A>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(self: &Arc<Self>) {
        (self.start)(Slot {
            shared: Some(self.clone()),
        });
    }

    pub(crate) fn take(&self, now: Instant) -> Taken<K, C, A> {
        self.lock().take(now)
    }

    fn queue(&self) -> Option<&'static str> {
        self.observer.as_ref().map(|observer| observer.queue())
    }

    /// What traces show of a batch, see [`trace::batch`].
    pub(crate) fn span(&self, groups: &mut [Group<K, C, A>]) -> Span {
        let Some(queue) = self.queue() else {
            return Span::none();
        };
        let commands = groups.iter().map(|group| group.entries.len()).sum();
        let entries = groups.iter_mut().flat_map(|group| &mut group.entries);
        let traces = entries.filter_map(|entry| entry.trace.as_deref_mut());
        trace::batch(queue, commands, traces)
    }

    /// Notes that these commands wait again.
    pub(crate) fn wait_again(&self, group: &mut Group<K, C, A>) {
        let Some(queue) = self.queue() else { return };
        let traces = group.entries.iter_mut();
        let traces = traces.filter_map(|entry| entry.trace.as_deref_mut());
        traces.for_each(|trace| trace.wait_again(queue));
    }

    pub(crate) fn tell_taken(&self, groups: &[Group<K, C, A>], taken_at: Instant) {
        let Some(observer) = &self.observer else {
            return;
        };
        let count = groups.iter().map(|group| group.entries.len()).sum();
        let mut entries = groups.iter().flat_map(|group| &group.entries);
        let waited = |entry: &Entry<C, A>| {
            let submitted = entry.times.submitted.unwrap_or(taken_at);
            taken_at.saturating_duration_since(submitted)
        };
        let mut waited = (0..count).map(|_| entries.next().map(waited).unwrap_or_default());
        observer.taken(&mut waited);
    }

    pub(crate) fn tell_ended(&self, taken_at: Instant) {
        if let Some(observer) = &self.observer {
            observer.ended(taken_at.elapsed());
        }
    }

    pub(crate) fn finish(
        self: &Arc<Self>,
        keys: Vec<K>,
        put_off: Vec<Group<K, C, A>>,
        alone: bool,
    ) {
        let start = self.lock().finish(keys, put_off, alone);
        if start {
            self.start();
        } else {
            self.tell_if_idle();
        }
    }

    pub(crate) fn give_back_slot(&self) {
        self.lock().give_back_slot();
        self.tell_if_idle();
    }

    pub(crate) fn withdraw(&self, place: &Place<K>) -> bool {
        // Dropped outside of the lock: a command may do anything when it goes.
        let entry = self.lock().withdraw(place);
        let withdrawn = entry.is_some();
        if let Some(entry) = entry {
            entry.reply.not_run(NotRun::Expired);
            self.tell_if_idle();
        }
        withdrawn
    }

    fn tell_if_idle(&self) {
        if self.lock().is_idle() {
            self.idle.notify_waiters();
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "deadlines and waits are of this process: nobody else's clock knows them"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl<K: Key, C, A> Clone for GroupCommit<K, C, A> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<K: Key, C, A> fmt::Debug for GroupCommit<K, C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCommit")
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

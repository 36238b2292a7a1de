//! Tasks and timers of one history, on one thread. Which of the tasks that could go on
//! does so next is drawn from the seed; time stands still while one can.
//!
//! A task belongs to a process, or to the world around all of them. A process that
//! crashes loses its tasks between two polls, wherever they are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whose a task is: a process in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) process: usize,
    pub(crate) life: u32,
}

/// The world outlives all processes.
pub(crate) const WORLD: Owner = Owner {
    process: PROCESSES_MAX,
    life: 0,
};

pub(crate) const PROCESSES_MAX: usize = 3;

type Work = Pin<Box<dyn Future<Output = ()>>>;

struct Slot {
    /// `None` while it is polled, and when the slot is free.
    work: Option<Work>,
    owner: Owner,
    waker: Arc<TaskWaker>,
}

struct TaskWaker {
    slot: usize,
    is_ready: AtomicBool,
}

enum Timed {
    Wake(Waker),
    Call(Box<dyn FnOnce()>),
}

/// When something is due, and in which order what is due at the same time.
type Due = (u64, u64);

thread_local! {
    static SLOTS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
    static FREE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static READY: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static TIMED: RefCell<BTreeMap<Due, Timed>> = const { RefCell::new(BTreeMap::new()) };
    static NOW_US: Cell<u64> = const { Cell::new(0) };
    static SEQUENCE: Cell<u64> = const { Cell::new(0) };
    static CURRENT: Cell<Owner> = const { Cell::new(WORLD) };
    static LIVES: Cell<[u32; PROCESSES_MAX]> = const { Cell::new([0; PROCESSES_MAX]) };
}

/// Microseconds since the history began.
pub(crate) fn now_us() -> u64 {
    NOW_US.get()
}

/// Who is being polled.
pub(crate) fn current_owner() -> Owner {
    CURRENT.get()
}

/// The process in the life that it has now.
pub(crate) fn living(process: usize) -> Owner {
    let life = LIVES.get()[process];
    Owner { process, life }
}

fn is_alive(owner: Owner) -> bool {
    owner == WORLD || LIVES.get()[owner.process] == owner.life
}

/// Does something in the name of a process.
pub(crate) fn as_owner<T>(owner: Owner, work: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(owner);
    let result = work();
    CURRENT.set(before);
    result
}

/// Begins a task, unless its process is gone.
pub(crate) fn spawn(owner: Owner, work: impl Future<Output = ()> + 'static) {
    if !is_alive(owner) {
        return;
    }
    let free = FREE.with_borrow_mut(Vec::pop);
    let slot = SLOTS.with_borrow_mut(|slots| {
        let slot = free.unwrap_or(slots.len());
        if slot == slots.len() {
            slots.push(Slot {
                work: None,
                owner,
                waker: Arc::new(TaskWaker {
                    slot,
                    is_ready: AtomicBool::new(false),
                }),
            });
        }
        slots[slot].work = Some(Box::pin(work));
        slots[slot].owner = owner;
        Arc::clone(&slots[slot].waker)
    });
    slot.wake();
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            READY.with_borrow_mut(|ready| ready.push(self.slot));
        }
    }
}

/// Does something after so many microseconds.
pub(crate) fn after(delay_us: u64, call: impl FnOnce() + 'static) {
    let due = next_due(now_us() + delay_us);
    TIMED.with_borrow_mut(|timed| timed.insert(due, Timed::Call(Box::new(call))));
}

fn next_due(at_us: u64) -> Due {
    let sequence = SEQUENCE.get();
    SEQUENCE.set(sequence + 1);
    (at_us, sequence)
}

/// Whether some task can go on now.
pub(crate) fn has_ready() -> bool {
    READY.with_borrow(|ready| !ready.is_empty())
}

/// When the next timer is due, if any is.
pub(crate) fn next_timer_us() -> Option<u64> {
    TIMED.with_borrow(|timed| timed.first_key_value().map(|((at_us, _), _)| *at_us))
}

/// Polls one of the tasks that can go on.
pub(crate) fn poll_one() {
    let slot = READY.with_borrow_mut(|ready| ready.swap_remove(fastrand::usize(..ready.len())));
    let taken = SLOTS.with_borrow_mut(|slots| {
        let slot = &mut slots[slot];
        slot.waker.is_ready.store(false, Ordering::Relaxed);
        let work = slot.work.take()?;
        Some((work, slot.owner, Waker::from(Arc::clone(&slot.waker))))
    });
    // Woken after its end.
    let Some((mut work, owner, waker)) = taken else {
        return;
    };
    let polled = as_owner(owner, || {
        work.as_mut().poll(&mut Context::from_waker(&waker))
    });
    match polled {
        Poll::Pending => SLOTS.with_borrow_mut(|slots| slots[slot].work = Some(work)),
        Poll::Ready(()) => {
            drop(work);
            FREE.with_borrow_mut(|free| free.push(slot));
        }
    }
}

/// Lets the clock go on to what is due next, and does that.
pub(crate) fn pass_time() {
    let Some(((at_us, _), timed)) = TIMED.with_borrow_mut(BTreeMap::pop_first) else {
        return;
    };
    NOW_US.set(now_us().max(at_us));
    match timed {
        Timed::Wake(waker) => waker.wake(),
        Timed::Call(call) => call(),
    }
}

/// Ends a life of a process: what it was doing stops wherever it is.
pub(crate) fn crash(process: usize) {
    let mut lives = LIVES.get();
    lives[process] += 1;
    LIVES.set(lives);
    drop_tasks(|owner| owner.process == process);
}

/// Forgets everything, for the next history.
pub(crate) fn reset() {
    let mut lives = LIVES.get();
    lives.iter_mut().for_each(|life| *life += 1);
    LIVES.set(lives);
    drop_tasks(|_| true);
    // What is dropped may have begun something of the world's.
    drop_tasks(|_| true);
    drop(TIMED.take());
    READY.with_borrow_mut(Vec::clear);
    SLOTS.with_borrow_mut(Vec::clear);
    FREE.with_borrow_mut(Vec::clear);
    LIVES.set([0; PROCESSES_MAX]);
    NOW_US.set(0);
    SEQUENCE.set(0);
}

fn drop_tasks(is_over: impl Fn(Owner) -> bool) {
    for slot in 0..SLOTS.with_borrow(Vec::len) {
        let work = SLOTS.with_borrow_mut(|slots| {
            let slot = &mut slots[slot];
            is_over(slot.owner).then(|| slot.work.take()).flatten()
        });
        if let Some(work) = work {
            drop(work);
            FREE.with_borrow_mut(|free| free.push(slot));
        }
    }
}

/// Waits for a time of the history.
pub(crate) struct Sleep {
    at_us: u64,
    due: Option<Due>,
}

/// Waits so many microseconds; with none it still lets others go first.
pub(crate) fn sleep_us(us: u64) -> Sleep {
    sleep_until_us(now_us() + us)
}

pub(crate) fn sleep_until_us(at_us: u64) -> Sleep {
    Sleep { at_us, due: None }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.due.is_some_and(|_| now_us() >= self.at_us) {
            return Poll::Ready(());
        }
        let due = match self.due {
            Some(due) => due,
            None => next_due(self.at_us),
        };
        self.due = Some(due);
        let wake = Timed::Wake(context.waker().clone());
        TIMED.with_borrow_mut(|timed| timed.insert(due, wake));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(due) = self.due {
            TIMED.with_borrow_mut(|timed| timed.remove(&due));
        }
    }
}

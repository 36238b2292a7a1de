//! What the code of others may do wrong, and what goes on nevertheless. Slots
//! are handed to the test, which takes them when it wants.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Instant;

use futures::FutureExt;
use group_commit::{Group, GroupCommit, Limits, Load, NotDone, NotRun, Slot};

const IDLE: Load = Load {
    waiting: 0,
    batches: 0,
};

type Slots<C> = mpsc::Receiver<Slot<u8, C, ()>>;

fn bench<C: Send + 'static>() -> (GroupCommit<u8, C, ()>, Slots<C>) {
    let (give, slots) = mpsc::channel();
    let start = move |slot| {
        // Whoever does not look at the slots any more has dropped them.
        let _ = give.send(slot);
    };
    (GroupCommit::new(Limits::default(), start), slots)
}

/// Does something when it is dropped.
struct OnDrop(Box<dyn Fn() + Send>);

impl OnDrop {
    fn nothing() -> Self {
        Self(Box::new(|| {}))
    }

    /// Without the message that a panic prints.
    fn panic() -> Self {
        Self(Box::new(|| resume_unwind(Box::new("a command panics"))))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_batch_ends_though_a_command_panics_as_it_is_dropped() {
    let (commands, slots) = bench();
    let panics = commands.submit(0, OnDrop::panic(), None).expect("room");
    let beside = commands.submit(0, OnDrop::nothing(), None).expect("room");
    let batch = slots.try_recv().expect("a slot").take().expect("a batch");
    let ended = catch_unwind(AssertUnwindSafe(|| drop(batch)));
    assert!(ended.is_err(), "the command did not panic");
    assert_eq!(panics.now_or_never(), Some(Err(NotDone::Lost)));
    assert_eq!(beside.now_or_never(), Some(Err(NotDone::Lost)));
    assert_eq!(commands.load(), IDLE);
    // Key and slot are free.
    let next = commands.submit(0, OnDrop::nothing(), None).expect("room");
    let mut batch = slots.try_recv().expect("a slot").take().expect("a batch");
    batch.take_groups().remove(0).entries.remove(0).answer(());
    assert_eq!(next.now_or_never(), Some(Ok(())));
}

#[test]
fn a_batch_ends_though_an_expired_command_panics_as_it_is_dropped() {
    let (commands, slots) = bench();
    let passed = Some(Instant::now());
    let expired = commands.submit(0, OnDrop::panic(), passed).expect("room");
    let beside = commands.submit(0, OnDrop::nothing(), None).expect("room");
    let slot = slots.try_recv().expect("a slot");
    let taken = catch_unwind(AssertUnwindSafe(|| slot.take()));
    assert!(taken.is_err(), "the command did not panic");
    assert_eq!(expired.now_or_never(), Some(Err(NotRun::Expired.into())));
    assert_eq!(beside.now_or_never(), Some(Err(NotDone::Lost)));
    assert_eq!(commands.load(), IDLE);
}

#[test]
fn a_batch_ends_though_the_next_one_cannot_be_started() {
    let (give, slots) = mpsc::channel();
    let limits = Limits {
        keys_per_batch_max: std::num::NonZeroUsize::MIN,
        ..Limits::default()
    };
    let starts = std::sync::atomic::AtomicUsize::new(0);
    let commands: GroupCommit<u8, u32, ()> = GroupCommit::new(limits, move |slot| {
        let count = starts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if count == 1 {
            resume_unwind(Box::new("no thread can be started"));
        }
        let _ = give.send(slot);
    });
    let first = commands.submit(0, 0, None).expect("room");
    let submitted = catch_unwind(AssertUnwindSafe(|| commands.submit(1, 1, None)));
    assert!(submitted.is_err(), "it was started");
    let batch = slots.try_recv().expect("a slot").take().expect("a batch");
    let next = slots.try_recv().expect("a slot for what is left").take();
    drop(batch);
    assert_eq!(first.now_or_never(), Some(Err(NotDone::Lost)));
    drop(next.expect("a batch"));
    assert_eq!(commands.load(), IDLE);
}

#[test]
fn a_command_that_is_dropped_may_ask_for_the_load() {
    let (commands, slots) = bench();
    let (tell, told) = mpsc::channel();
    let nosy = || {
        let (commands, tell) = (commands.clone(), tell.clone());
        OnDrop(Box::new(move || {
            let _ = tell.send(commands.load());
        }))
    };
    let passed = Some(Instant::now());
    let withdrawn = commands.submit(0, nosy(), None).expect("room");
    let expired = commands.submit(0, nosy(), passed).expect("room");
    let lost = commands.submit(0, nosy(), None).expect("room");
    assert!(withdrawn.withdraw());
    drop(slots.try_recv().expect("a slot").take().expect("a batch"));
    commands.close();
    assert!(commands.submit(0, nosy(), None).is_err(), "it is closed");
    // Each before its batch, or the slot of it, counted as over.
    let batches: Vec<usize> = told.try_iter().map(|load: Load| load.batches).collect();
    assert_eq!(batches, [1, 1, 1, 0]);
    assert_eq!(withdrawn.now_or_never(), Some(Err(NotRun::Expired.into())));
    assert_eq!(expired.now_or_never(), Some(Err(NotRun::Expired.into())));
    assert_eq!(lost.now_or_never(), Some(Err(NotDone::Lost)));
}

#[test]
fn a_group_of_another_batch_cannot_be_put_off() {
    let (commands, slots) = bench();
    let pending = commands.submit(0, 0, None).expect("room");
    let mut batch = slots.try_recv().expect("a slot").take().expect("a batch");
    let of_other_key = commands.submit(1, 1, None).expect("room");
    let entries = batch.take_groups().remove(0).entries;
    batch.put_off(Group { key: 1, entries });
    drop(batch);
    assert_eq!(pending.now_or_never(), Some(Err(NotDone::Lost)));
    let mut batch = slots.try_recv().expect("a slot").take().expect("a batch");
    let entries = batch.take_groups().remove(0).entries;
    let ran: Vec<i32> = entries.iter().map(|entry| *entry.command()).collect();
    assert_eq!(ran, [1]);
    drop((entries, batch));
    assert_eq!(of_other_key.now_or_never(), Some(Err(NotDone::Lost)));
    assert_eq!(commands.load(), IDLE);
}

#[test]
fn the_end_comes_though_every_slot_is_dropped_where_it_begins() {
    let commands = GroupCommit::new(Limits::default(), |slot: Slot<u8, u32, ()>| drop(slot));
    let pending = commands.submit(0, 0, None).expect("room");
    commands.close();
    let mut drained = Box::pin(commands.drained());
    assert!(drained.as_mut().now_or_never().is_none(), "0 is left");
    assert!(pending.withdraw());
    assert!(drained.now_or_never().is_some(), "nothing is left");
    assert_eq!(commands.load(), IDLE);
}

#[test]
fn the_end_comes_when_the_last_slot_is_dropped() {
    let (commands, slots) = bench();
    let pending = commands.submit(0, 0, None).expect("room");
    assert!(pending.withdraw());
    let mut drained = Box::pin(commands.drained());
    assert!(drained.as_mut().now_or_never().is_none(), "a slot is out");
    drop(slots.try_recv().expect("a slot"));
    assert!(drained.now_or_never().is_some(), "nothing is left");
}

#[test]
fn a_burst_for_one_key_asks_for_one_slot() {
    let (commands, slots) = bench();
    let pending = [0, 1, 2].map(|command| commands.submit(0, command, None).expect("room"));
    let slot = slots.try_recv().expect("a slot");
    assert!(slots.try_recv().is_err(), "a slot that would find nothing");
    drop(slot.take().expect("a batch"));
    for pending in pending {
        assert_eq!(pending.now_or_never(), Some(Err(NotDone::Lost)));
    }
}

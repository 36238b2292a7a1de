//! Real batches on a runtime with several threads. A batch tells what it got and
//! waits until the test lets it go on, so that nothing depends on time.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use futures::FutureExt;
use group_commit::{Batch, GroupCommit, Limits, Load, NotDone, NotRun, Pending, Slot};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Commands are numbers, answered with themselves.
type Commands = GroupCommit<u8, u32, u32>;

const IDLE: Load = Load {
    waiting: 0,
    batches: 0,
};

/// How a batch goes on.
enum Go {
    Answer,
    Panic,
}

/// A batch that waits for the test.
struct Held {
    got: Vec<(u8, Vec<u32>)>,
    go: oneshot::Sender<Go>,
}

impl Held {
    fn go(self, how: Go) {
        assert!(self.go.send(how).is_ok(), "the batch was gone");
    }
}

struct Bench {
    commands: Commands,
    batches: mpsc::UnboundedReceiver<Held>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (tell, batches) = mpsc::unbounded_channel();
        let runtime = Handle::current();
        let commands = GroupCommit::new(limits, move |slot: Slot<u8, u32, u32>| {
            let tell = tell.clone();
            runtime.spawn(async move {
                if let Some(batch) = slot.take() {
                    run_held(batch, tell).await;
                }
            });
        });
        Self { commands, batches }
    }

    fn submit(&self, key: u8, command: u32) -> Pending<u8, u32, u32> {
        self.commands
            .submit(key, command, None)
            .expect("there is room")
    }

    fn submit_all(&self, key: u8, commands: Range<u32>) -> Vec<Pending<u8, u32, u32>> {
        commands.map(|command| self.submit(key, command)).collect()
    }

    /// The next batch that began.
    async fn next(&mut self) -> Held {
        // Only so that a batch that never begins fails the test.
        tokio::time::timeout(Duration::from_secs(10), self.batches.recv())
            .await
            .expect("a batch begins")
            .expect("the bench is there")
    }

    /// Lets the next batch answer; what it got.
    async fn let_go(&mut self) -> Vec<(u8, Vec<u32>)> {
        let mut held = self.next().await;
        let got = std::mem::take(&mut held.got);
        held.go(Go::Answer);
        got
    }
}

async fn run_held(mut batch: Batch<u8, u32, u32>, tell: mpsc::UnboundedSender<Held>) {
    let groups = batch.take_groups();
    let got = groups
        .iter()
        .map(|group| {
            let commands = group.entries.iter().map(|entry| *entry.command());
            (group.key, commands.collect())
        })
        .collect();
    let (go, gone) = oneshot::channel();
    let told = tell.send(Held { got, go });
    assert!(told.is_ok(), "a batch began after the end of its test");
    match gone.await {
        Ok(Go::Answer) => {}
        // Without the message that a panic prints.
        Ok(Go::Panic) | Err(_) => resume_unwind(Box::new("told to")),
    }
    for entry in groups.into_iter().flat_map(|group| group.entries) {
        let command = *entry.command();
        entry.answer(command);
    }
}

fn limit(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("limits of tests are above 0")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_command_runs_at_once_and_alone() {
    let mut bench = Bench::new(Limits::default());
    for command in [1, 2] {
        let pending = bench.submit(0, command);
        assert_eq!(bench.let_go().await, [(0, vec![command])]);
        assert_eq!(pending.await, Ok(command));
        bench.commands.drained().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_arrives_during_a_batch_forms_the_next_one_in_order() {
    let mut bench = Bench::new(Limits::default());
    let first = bench.submit(0, 0);
    let held = bench.next().await;
    let rest = bench.submit_all(0, 1..101);
    held.go(Go::Answer);
    assert_eq!(first.await, Ok(0));
    assert_eq!(bench.let_go().await, [(0, (1..101).collect())]);
    for (pending, command) in rest.into_iter().zip(1..) {
        assert_eq!(pending.await, Ok(command));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_queue_that_is_longer_than_a_batch_runs_in_several() {
    let mut bench = Bench::new(Limits {
        commands_per_batch_max: limit(10),
        ..Limits::default()
    });
    let first = bench.submit(0, 0);
    let held = bench.next().await;
    let rest = bench.submit_all(0, 1..26);
    held.go(Go::Answer);
    for commands in [1..11, 11..21, 21..26] {
        assert_eq!(bench.let_go().await, [(0, commands.collect())]);
    }
    for pending in rest {
        assert!(pending.await.is_ok());
    }
    assert_eq!(first.await, Ok(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_run_side_by_side_up_to_the_limit() {
    let mut bench = Bench::new(Limits {
        batches_max: limit(3),
        keys_per_batch_max: limit(1),
        ..Limits::default()
    });
    let pending: Vec<_> = (0..5).map(|key| bench.submit(key, key.into())).collect();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(bench.next().await);
    }
    let load = bench.commands.load();
    assert_eq!((load.batches, load.waiting), (3, 2));
    assert!(bench.batches.try_recv().is_err(), "a fourth batch began");
    held.pop().expect("three are held").go(Go::Answer);
    held.push(bench.next().await);
    assert_eq!(bench.commands.load().batches, 3);
    for held in held {
        held.go(Go::Answer);
    }
    bench.let_go().await;
    for (pending, command) in pending.into_iter().zip(0..) {
        assert_eq!(pending.await, Ok(command));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_waited_for_a_slot_share_the_next_one() {
    let mut bench = Bench::new(Limits {
        batches_max: limit(1),
        keys_per_batch_max: limit(3),
        ..Limits::default()
    });
    let mut pending = bench.submit_all(0, 0..1);
    let held = bench.next().await;
    for key in [3, 1, 2, 4] {
        pending.push(bench.submit(key, key.into()));
    }
    held.go(Go::Answer);
    assert_eq!(
        bench.let_go().await,
        [(3, vec![3]), (1, vec![1]), (2, vec![2])]
    );
    assert_eq!(bench.let_go().await, [(4, vec![4])]);
    for pending in pending {
        assert!(pending.await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_refuses_at_once() {
    let mut bench = Bench::new(Limits {
        waiting_per_key_max: limit(2),
        waiting_max: limit(3),
        batches_max: limit(1),
        ..Limits::default()
    });
    let first = bench.submit(0, 0);
    let held = bench.next().await;
    let of_key = bench.submit_all(0, 1..3);
    let refused = bench.commands.submit(0, 3, None);
    assert_eq!(refused.err(), Some(NotRun::Full), "for the key");
    let of_other_key = bench.submit(1, 4);
    let refused = bench.commands.submit(2, 5, None);
    assert_eq!(refused.err(), Some(NotRun::Full), "in all");
    held.go(Go::Answer);
    // Key 1 could have run all the time, key 0 only now.
    assert_eq!(bench.let_go().await, [(1, vec![4]), (0, vec![1, 2])]);
    assert_eq!(first.await, Ok(0));
    for pending in of_key {
        assert!(pending.await.is_ok());
    }
    assert_eq!(of_other_key.await, Ok(4));
    let again = bench.submit(0, 6);
    assert_eq!(bench.let_go().await, [(0, vec![6])]);
    assert_eq!(again.await, Ok(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_whose_deadline_passed_in_the_queue_never_runs() {
    let mut bench = Bench::new(Limits::default());
    let first = bench.submit(0, 0);
    let held = bench.next().await;
    let now = Instant::now();
    let in_time = now + Duration::from_secs(3_600);
    let submit = |command, deadline| {
        let submitted = bench.commands.submit(0, command, Some(deadline));
        submitted.expect("there is room")
    };
    let passed = [submit(1, now), submit(2, now)];
    let in_time = submit(3, in_time);
    held.go(Go::Answer);
    assert_eq!(bench.let_go().await, [(0, vec![3])]);
    for pending in passed {
        assert_eq!(pending.await, Err(NotRun::Expired.into()));
    }
    assert_eq!((first.await, in_time.await), (Ok(0), Ok(3)));
    // Where nothing else waits, no batch begins.
    let alone = bench.commands.submit(1, 4, Some(now));
    let alone = alone.expect("there is room");
    assert_eq!(alone.await, Err(NotRun::Expired.into()));
    bench.commands.drained().await;
    assert!(bench.batches.try_recv().is_err(), "an empty batch began");
}

#[test]
fn deadlines_may_be_of_a_clock_of_ones_own() {
    let (slots, waiting) = std::sync::mpsc::channel();
    let commands: Commands = GroupCommit::new(Limits::default(), move |slot| {
        slots.send(slot).expect("the test waits");
    });
    let deadline = Instant::now() + Duration::from_secs(3_600);
    for (now, expired) in [
        (deadline - Duration::from_millis(1), false),
        (deadline, true),
    ] {
        let pending = commands.submit(0, 1, Some(deadline)).expect("room");
        let slot = waiting.recv().expect("a slot");
        let groups = slot.take_at(now).map(|mut batch| batch.take_groups());
        assert_eq!(groups.is_none(), expired);
        let mut entries = groups.iter().flatten().flat_map(|group| &group.entries);
        assert!(entries.all(|entry| entry.deadline() == Some(deadline)));
        drop(groups);
        let told = pending.now_or_never();
        let as_expected = if expired {
            Err(NotRun::Expired.into())
        } else {
            // The batch was dropped without an answer.
            Err(NotDone::Lost)
        };
        assert_eq!(told, Some(as_expected));
    }
}

#[test]
fn a_batch_of_one_key_may_take_long_while_there_is_room_for_one_more() {
    let limits = Limits {
        batches_alone_max: limit(1),
        ..Limits::default()
    };
    let (slots, waiting) = std::sync::mpsc::channel();
    let commands: Commands = GroupCommit::new(limits, move |slot| {
        slots.send(slot).expect("the test waits");
    });
    let take = |keys: &[u8]| {
        for key in keys {
            drop(commands.submit(*key, 1, None).expect("room"));
        }
        let slot: Slot<u8, u32, u32> = waiting.recv().expect("a slot");
        slot.take().expect("something to do")
    };
    let first = take(&[0]);
    assert!(first.is_alone());
    let second = take(&[1]);
    assert!(!second.is_alone(), "there is a batch that may take long");
    drop(first);
    assert!(!take(&[2, 3]).is_alone(), "two keys share it");
    // What the second of the two keys was given has nothing to do.
    assert!(waiting.recv().expect("a slot").take().is_none());
    assert!(take(&[0]).is_alone(), "the first one has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_withdrawn_command_never_runs() {
    let mut bench = Bench::new(Limits::default());
    let first = bench.submit(0, 0);
    let held = bench.next().await;
    assert!(!first.withdraw(), "a batch has it");
    let mut pending = bench.submit_all(0, 1..4);
    let withdrawn = pending.remove(1);
    assert!(withdrawn.withdraw());
    assert_eq!(withdrawn.await, Err(NotRun::Expired.into()));
    held.go(Go::Answer);
    assert_eq!(bench.let_go().await, [(0, vec![1, 3])]);
    assert_eq!(first.await, Ok(0));
    for pending in pending {
        assert!(pending.await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_panics_hurts_no_other() {
    let mut bench = Bench::new(Limits::default());
    let hurt = bench.submit(0, 0);
    let panics = bench.next().await;
    let beside = bench.submit(1, 1);
    let held = bench.next().await;
    let behind = bench.submit(0, 2);
    panics.go(Go::Panic);
    assert_eq!(hurt.await, Err(NotDone::Lost));
    assert_eq!(bench.let_go().await, [(0, vec![2])]);
    assert_eq!(behind.await, Ok(2));
    held.go(Go::Answer);
    assert_eq!(beside.await, Ok(1));
    bench.commands.drained().await;
    assert_eq!(bench.commands.load(), IDLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_stops_waiting_leaves_command_and_neighbours_alone() {
    let mut bench = Bench::new(Limits::default());
    drop(bench.submit(0, 0));
    let held = bench.next().await;
    let mut pending = bench.submit_all(0, 1..4);
    drop(pending.remove(1));
    held.go(Go::Answer);
    let held = bench.next().await;
    assert_eq!(held.got, [(0, vec![1, 2, 3])]);
    drop(pending.remove(0));
    held.go(Go::Answer);
    assert_eq!(pending.remove(0).await, Ok(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_end_waits_for_what_was_taken_and_takes_no_more() {
    let mut bench = Bench::new(Limits::default());
    let under_way = bench.submit(0, 0);
    let held = bench.next().await;
    let waiting = bench.submit(0, 1);
    bench.commands.close();
    let refused = bench.commands.submit(1, 2, None);
    assert_eq!(refused.err(), Some(NotRun::Closed));
    let commands = bench.commands.clone();
    let mut drained = Box::pin(commands.drained());
    assert!(drained.as_mut().now_or_never().is_none(), "0 is under way");
    held.go(Go::Answer);
    let held = bench.next().await;
    assert!(drained.as_mut().now_or_never().is_none(), "1 is under way");
    held.go(Go::Answer);
    drained.await;
    assert_eq!(under_way.now_or_never(), Some(Ok(0)));
    assert_eq!(waiting.now_or_never(), Some(Ok(1)));
    assert_eq!(bench.commands.load(), IDLE);
}

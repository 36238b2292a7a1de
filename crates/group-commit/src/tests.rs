//! Interleavings of threads, explored with shuttle: who submits, who withdraws
//! and who runs batches are its threads, and it switches between them wherever
//! the lock is taken. A lost wake-up is a deadlock, which shuttle reports.

mod model;
mod seed;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures::FutureExt;
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use crate::{Batch, GroupCommit, Limits, Load, NotDone, NotRun, Slot};

/// Commands are numbers, answered with themselves. Key 0 or 1, mostly.
type Commands = GroupCommit<u8, u32, u32>;

const IDLE: Load = Load {
    waiting: 0,
    batches: 0,
};

/// Tries a scenario under many schedules: any, and such with few switches at the
/// worst places.
fn explore(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, 1_000);
    shuttle::check_pct(scenario, 1_000, 3);
}

/// Never held across a switch, so that the standard lock does.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn limit(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("limits of tests are above 0")
}

/// Two batches at a time, each of one key.
fn narrow() -> Limits {
    Limits {
        keys_per_batch_max: limit(1),
        batches_max: limit(2),
        ..Limits::default()
    }
}

/// Runs batches, each on a thread, and looks whether they may.
#[derive(Default)]
struct Runner {
    threads: Mutex<Vec<JoinHandle<()>>>,
    keys_under_way: Mutex<BTreeSet<u8>>,
    batches: AtomicUsize,
    put_off: AtomicBool,
    /// In the order in which they ran.
    ran: Mutex<Vec<u32>>,
}

impl Runner {
    fn commands(
        self: &Arc<Self>,
        limits: Limits,
        run: impl Fn(&Runner, Batch<u8, u32, u32>) + Send + Sync + Copy + 'static,
    ) -> Commands {
        let runner = self.clone();
        GroupCommit::new(limits, move |slot: Slot<u8, u32, u32>| {
            let this = runner.clone();
            let batches_max = limits.batches_max.get();
            let thread = thread::spawn(move || {
                let Some(batch) = slot.take() else { return };
                let others = this.batches.fetch_add(1, Ordering::Relaxed);
                assert!(others < batches_max, "more batches at a time than allowed");
                run(&this, batch);
            });
            lock(&runner.threads).push(thread);
        })
    }

    /// Takes what is to run, and notes that its keys are under way.
    fn begin(&self, batch: &mut Batch<u8, u32, u32>) -> Vec<crate::Group<u8, u32, u32>> {
        let groups = batch.take_groups();
        for group in &groups {
            assert!(!group.entries.is_empty(), "a key without a command");
            let alone = lock(&self.keys_under_way).insert(group.key);
            assert!(alone, "two batches have the same key");
        }
        thread::yield_now();
        groups
    }

    fn answer(&self, group: crate::Group<u8, u32, u32>) {
        for entry in group.entries {
            let (command, reply) = entry.into_parts();
            lock(&self.ran).push(command);
            thread::yield_now();
            reply.send(command);
        }
        lock(&self.keys_under_way).remove(&group.key);
    }

    /// What comes after this may run beside whoever comes next.
    fn end(&self, batch: Batch<u8, u32, u32>) {
        self.batches.fetch_sub(1, Ordering::Relaxed);
        drop(batch);
    }

    fn run(&self, mut batch: Batch<u8, u32, u32>) {
        for group in self.begin(&mut batch) {
            self.answer(group);
        }
        self.end(batch);
    }

    /// Waits until no batch is left.
    fn join(&self) {
        loop {
            let Some(thread) = lock(&self.threads).pop() else {
                return;
            };
            thread.join().expect("the batch did not panic");
        }
    }

    fn ran(&self) -> Vec<u32> {
        lock(&self.ran).clone()
    }

    fn sorted(&self) -> Vec<u32> {
        let mut ran = self.ran();
        ran.sort_unstable();
        ran
    }
}

fn submit(commands: &Commands, key: u8, command: u32) -> crate::Pending<u8, u32, u32> {
    commands.submit(key, command, None).expect("there is room")
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("the thread did not panic");
    }
}

#[test]
fn commands_of_a_key_run_in_order_and_in_one_batch_at_a_time() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(Limits::default(), Runner::run);
        let threads = (0..3_u32).map(|thread| {
            let commands = commands.clone();
            thread::spawn(move || {
                // The two of them are in order, whatever the others do.
                let key = u8::from(thread == 2);
                let first = submit(&commands, key, 2 * thread);
                let second = submit(&commands, key, 2 * thread + 1);
                assert_eq!(block_on(second), Ok(2 * thread + 1));
                assert_eq!(first.now_or_never(), Some(Ok(2 * thread)));
            })
        });
        join_all(threads.collect());
        runner.join();
        let ran = runner.ran();
        for thread in 0..3 {
            let of_thread = ran.iter().filter(|command| **command / 2 == thread);
            let in_order = of_thread.copied().eq([2 * thread, 2 * thread + 1]);
            assert!(in_order, "{ran:?}");
        }
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn no_more_batches_than_allowed_run_at_a_time() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(narrow(), Runner::run);
        let threads = (0..4_u8).map(|key| {
            let commands = commands.clone();
            thread::spawn(move || {
                let answer = block_on(submit(&commands, key, key.into()));
                assert_eq!(answer, Ok(key.into()));
            })
        });
        join_all(threads.collect());
        runner.join();
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn a_command_either_runs_once_or_is_told_that_it_did_not() {
    explore(|| {
        let passed = Instant::now();
        let runner = Arc::new(Runner::default());
        let limits = Limits {
            waiting_per_key_max: limit(2),
            waiting_max: limit(3),
            commands_per_batch_max: limit(2),
            ..Limits::default()
        };
        let commands = runner.commands(limits, Runner::run);
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..3_u32).map(|thread| {
            let (commands, outcomes) = (commands.clone(), outcomes.clone());
            thread::spawn(move || {
                for command in [2 * thread, 2 * thread + 1] {
                    let key = u8::from(thread == 2);
                    let deadline = (command % 3 == 1).then_some(passed);
                    let outcome = match commands.submit(key, command, deadline) {
                        Ok(pending) => block_on(pending),
                        Err(not_run) => Err(not_run.into()),
                    };
                    lock(&outcomes).push((command, outcome));
                }
            })
        });
        join_all(threads.collect());
        runner.join();
        let ran = runner.sorted();
        for (command, outcome) in lock(&outcomes).iter() {
            let times = ran.iter().filter(|run| *run == command).count();
            let right = match outcome {
                Ok(answer) => answer == command && times == 1,
                Err(NotDone::NotRun(NotRun::Full)) => times == 0,
                Err(NotDone::NotRun(NotRun::Expired)) => times == 0 && command % 3 == 1,
                Err(_) => false,
            };
            assert!(right, "command {command} ran {times} times: {outcome:?}");
        }
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn a_command_is_either_withdrawn_or_runs() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(narrow(), Runner::run);
        let neighbour = submit(&commands, 0, 1);
        let pending = submit(&commands, 0, 2);
        let last = submit(&commands, 0, 3);
        let withdrawn = pending.withdraw();
        assert!(!withdrawn || !pending.withdraw(), "withdrawn twice");
        let expected = if withdrawn {
            Err(NotRun::Expired.into())
        } else {
            Ok(2)
        };
        assert_eq!(block_on(pending), expected);
        assert_eq!(block_on(neighbour), Ok(1));
        assert_eq!(block_on(last), Ok(3));
        runner.join();
        let expected: &[u32] = if withdrawn { &[1, 3] } else { &[1, 2, 3] };
        assert_eq!(runner.ran(), expected);
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn a_batch_that_breaks_off_loses_its_own_commands_and_no_others() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        // Shuttle knows no panic that does not end the test: a batch that is
        // dropped on the way does the same.
        let commands = runner.commands(narrow(), |runner, mut batch| {
            let groups = runner.begin(&mut batch);
            for group in groups {
                if group.entries.iter().any(|entry| *entry.command() == 13) {
                    lock(&runner.keys_under_way).remove(&group.key);
                    break;
                }
                runner.answer(group);
            }
            runner.end(batch);
        });
        let threads = [(0, 13), (0, 1), (1, 2)].map(|(key, command)| {
            let commands = commands.clone();
            thread::spawn(move || {
                let answer = block_on(submit(&commands, key, command));
                let right = match command {
                    13 => answer == Err(NotDone::Lost),
                    // It may be in the same batch.
                    1 => answer == Ok(1) || answer == Err(NotDone::Lost),
                    _ => answer == Ok(command),
                };
                assert!(right, "command {command}: {answer:?}");
            })
        });
        join_all(threads.into());
        assert_eq!(block_on(submit(&commands, 0, 4)), Ok(4), "the key goes on");
        runner.join();
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn a_key_that_is_put_off_runs_later_alone_and_in_order() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(Limits::default(), |runner, mut batch| {
            let groups = runner.begin(&mut batch);
            let alone = groups.len() == 1;
            for mut group in groups {
                let was_put_off = runner.put_off.load(Ordering::Relaxed);
                if group.key == 1 && !alone && !was_put_off {
                    // In two parts.
                    runner.put_off.store(true, Ordering::Relaxed);
                    let rest = group.entries.split_off(group.entries.len() / 2);
                    lock(&runner.keys_under_way).remove(&1);
                    batch.put_off(group);
                    batch.put_off(crate::Group {
                        key: 1,
                        entries: rest,
                    });
                } else {
                    let first_again = group.key == 1 && was_put_off;
                    if first_again {
                        runner.put_off.store(false, Ordering::Relaxed);
                        assert!(alone, "it shares a batch again");
                    }
                    runner.answer(group);
                }
            }
            runner.end(batch);
        });
        let other = commands.clone();
        let other = thread::spawn(move || {
            assert_eq!(block_on(submit(&other, 0, 1)), Ok(1));
            assert_eq!(block_on(submit(&other, 0, 2)), Ok(2));
        });
        let pending = [10, 11, 12].map(|command| submit(&commands, 1, command));
        let withdrawn = pending[1].withdraw();
        let answers = pending.map(block_on);
        join_all(vec![other]);
        runner.join();
        assert_eq!([&answers[0], &answers[2]], [&Ok(10), &Ok(12)]);
        let mut ran = runner.ran();
        ran.retain(|command| *command >= 10);
        let expected: &[u32] = if withdrawn { &[10, 12] } else { &[10, 11, 12] };
        assert_eq!(ran, expected);
        assert_eq!(answers[1].is_ok(), !withdrawn);
        assert_eq!(commands.load(), IDLE);
    });
}

#[test]
fn whoever_waits_for_the_end_sees_all_answers() {
    explore(|| {
        let passed = Instant::now();
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(narrow(), Runner::run);
        let taken = Arc::new(Mutex::new(Vec::new()));
        let threads = (0..3_u32).map(|thread| {
            let (commands, taken) = (commands.clone(), taken.clone());
            thread::spawn(move || {
                let deadline = (thread == 1).then_some(passed);
                match commands.submit(u8::from(thread == 2), thread, deadline) {
                    Ok(pending) => lock(&taken).push(pending),
                    Err(not_run) => assert_eq!(not_run, NotRun::Closed),
                }
            })
        });
        let threads = threads.collect();
        let other = commands.clone();
        let other = thread::spawn(move || block_on(other.drained()));
        commands.close();
        block_on(commands.drained());
        assert_eq!(commands.load(), IDLE);
        // One that is in the list was submitted in time, and so before the end.
        for pending in lock(&taken).drain(..) {
            assert!(pending.now_or_never().is_some(), "drained without answer");
        }
        assert_eq!(commands.submit(0, 9, None).err(), Some(NotRun::Closed));
        join_all(threads);
        other.join().expect("two can wait for the end");
        runner.join();
    });
}

#[test]
fn a_command_runs_though_nobody_waits_for_it() {
    explore(|| {
        let runner = Arc::new(Runner::default());
        let commands = runner.commands(narrow(), Runner::run);
        let threads = (0..3_u32).map(|thread| {
            let commands = commands.clone();
            thread::spawn(move || drop(submit(&commands, u8::from(thread == 2), thread)))
        });
        join_all(threads.collect());
        commands.close();
        block_on(commands.drained());
        assert_eq!(runner.sorted(), [0, 1, 2]);
        runner.join();
    });
}

/// How the commands that a dropped slot left behind are found again.
fn after_a_dropped_slot(next: impl Fn(&Commands) + Send + Sync + Copy + 'static) {
    explore(move || {
        let runner = Arc::new(Runner::default());
        let dropped = AtomicUsize::new(0);
        let run = runner.clone();
        let commands: Commands = GroupCommit::new(narrow(), move |slot| {
            let run = run.clone();
            let drop_it = dropped.fetch_add(1, Ordering::Relaxed) == 0;
            let thread = thread::spawn(move || {
                if drop_it {
                    drop(slot);
                } else if let Some(batch) = slot.take() {
                    run.run(batch);
                }
            });
            lock(&runner.threads).push(thread);
        });
        let left_behind = submit(&commands, 0, 1);
        thread::yield_now();
        next(&commands);
        assert_eq!(block_on(left_behind), Ok(1));
    });
}

#[test]
fn the_next_submission_asks_for_the_slot_that_was_dropped() {
    after_a_dropped_slot(|commands| {
        while commands.load().batches > 0 {
            thread::yield_now();
        }
        assert_eq!(block_on(submit(commands, 0, 2)), Ok(2));
    });
}

#[test]
fn closing_asks_for_the_slot_that_was_dropped() {
    after_a_dropped_slot(|commands| {
        while commands.load().batches > 0 {
            thread::yield_now();
        }
        commands.close();
    });
}

#[test]
fn waiting_for_the_end_asks_for_the_slot_that_was_dropped() {
    after_a_dropped_slot(|commands| {
        while commands.load().batches > 0 {
            thread::yield_now();
        }
        block_on(commands.drained());
    });
}

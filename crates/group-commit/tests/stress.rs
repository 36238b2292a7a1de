//! Everything at once on a runtime with several threads: callers who stop
//! waiting, withdraw or have no time, batches that panic or put a key off. What
//! ran stands in a ledger, which is compared with what the callers were told.

#[path = "../src/tests/seed.rs"]
mod seed;

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fastrand::Rng;
use group_commit::{Batch, Group, GroupCommit, Limits, NotDone, NotRun, Slot};
use seed::Seed;
use tokio::runtime::Handle;

const CALLERS: usize = 8;
const COMMANDS_PER_CALLER: usize = 1_000;
const KEYS: usize = 5;

/// Whose command it is, and his how manieth.
type Command = (usize, usize);
type Commands = GroupCommit<usize, Command, Command>;

/// What ran for each key, in order. A batch locks the pages of its keys as long
/// as it works on them; whoever finds one locked has a key that another has.
type Ledger = [tokio::sync::Mutex<Vec<Command>>; KEYS];

/// What a caller knows of a command in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    NotRun,
    Lost,
    /// The caller did not wait.
    Nothing,
}

/// Runs a batch, as long as it goes well.
async fn run(mut batch: Batch<usize, Command, Command>, ledger: Arc<Ledger>, mut chance: Rng) {
    let groups = batch.take_groups();
    let groups_count = groups.len();
    for Group { key, mut entries } in groups {
        let mut page = ledger[key].try_lock().expect("one batch has the key");
        if groups_count > 1 && chance.u8(0..8) == 0 {
            batch.put_off(Group { key, entries });
            continue;
        }
        if chance.u8(0..16) == 0 {
            let rest = entries.split_off(entries.len() / 2);
            batch.put_off(Group { key, entries: rest });
        }
        for entry in entries {
            let command = *entry.command();
            page.push(command);
            if chance.u8(0..64) == 0 {
                resume_unwind(Box::new("a batch panics"));
            }
            if chance.u8(0..4) == 0 {
                tokio::task::yield_now().await;
            }
            entry.answer(command);
        }
    }
}

async fn call(commands: Commands, caller: usize, mut chance: Rng) -> Vec<(usize, Told)> {
    let mut told = Vec::with_capacity(COMMANDS_PER_CALLER);
    let mut under_way = Vec::new();
    for number in 0..COMMANDS_PER_CALLER {
        let key = chance.usize(0..KEYS);
        let deadline = (chance.u8(0..16) == 0).then(Instant::now);
        match commands.submit(key, (caller, number), deadline) {
            Err(not_run) => {
                assert_eq!(not_run, NotRun::Full);
                told.push((key, Told::NotRun));
            }
            Ok(pending) => {
                told.push((key, Told::Nothing));
                match chance.u8(0..16) {
                    0 => drop(pending),
                    1 if pending.withdraw() => {
                        assert_eq!(pending.await, Err(NotRun::Expired.into()));
                        told[number].1 = Told::NotRun;
                    }
                    _ => under_way.push((number, pending)),
                }
            }
        }
        // Sometimes one waits for all, mostly one goes on.
        if chance.u8(0..8) == 0 {
            for (number, pending) in under_way.drain(..) {
                told[number].1 = answered((caller, number), pending.await);
            }
        }
    }
    for (number, pending) in under_way {
        told[number].1 = answered((caller, number), pending.await);
    }
    told
}

fn answered(command: Command, answer: Result<Command, NotDone>) -> Told {
    match answer {
        Ok(answer) => {
            assert_eq!(answer, command, "the answer of another");
            Told::Done
        }
        Err(NotDone::NotRun(not_run)) => {
            assert_eq!(not_run, NotRun::Expired);
            Told::NotRun
        }
        Err(NotDone::Lost) => Told::Lost,
    }
}

/// Compares the ledger with what a caller was told.
fn compare(ledger: &[Vec<Command>], caller: usize, told: &[(usize, Told)]) {
    for (key, page) in ledger.iter().enumerate() {
        let mut numbers = page
            .iter()
            .filter(|command| command.0 == caller)
            .map(|command| command.1);
        assert!(
            numbers.clone().is_sorted_by(|a, b| a < b),
            "caller {caller}, key {key}: twice or out of order"
        );
        assert!(numbers.all(|number| told[number].0 == key), "another key");
    }
    for (number, (key, told)) in told.iter().enumerate() {
        let ran = ledger[*key].contains(&(caller, number));
        let right = match told {
            Told::Done => ran,
            Told::NotRun => !ran,
            Told::Lost | Told::Nothing => true,
        };
        assert!(right, "caller {caller}, {number}: {told:?}, ran: {ran}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_ledger_agrees_with_what_callers_were_told() {
    let seed = Seed::new();
    let ledger: Arc<Ledger> = Arc::default();
    let limits = Limits {
        commands_per_batch_max: NonZeroUsize::new(16).expect("above 0"),
        keys_per_batch_max: NonZeroUsize::new(3).expect("above 0"),
        batches_max: NonZeroUsize::new(3).expect("above 0"),
        batches_alone_max: NonZeroUsize::new(2).expect("above 0"),
        waiting_per_key_max: NonZeroUsize::new(30).expect("above 0"),
        waiting_max: NonZeroUsize::new(80).expect("above 0"),
    };
    let (runtime, shared) = (Handle::current(), ledger.clone());
    let chances = Mutex::new(seed.chance(CALLERS as u64));
    let commands = GroupCommit::new(limits, move |slot: Slot<usize, Command, Command>| {
        let ledger = shared.clone();
        let chance = chances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fork();
        runtime.spawn(async move {
            if let Some(batch) = slot.take() {
                run(batch, ledger, chance).await;
            }
        });
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let chance = seed.chance(caller as u64);
            tokio::spawn(call(commands.clone(), caller, chance))
        })
        .collect();
    let mut told = Vec::new();
    for caller in callers {
        told.push(caller.await.expect("the caller did not panic"));
    }
    commands.close();
    commands.drained().await;
    let load = commands.load();
    assert_eq!((load.waiting, load.batches), (0, 0));
    let mut pages = Vec::new();
    for page in ledger.iter() {
        pages.push(page.lock().await.clone());
    }
    for (caller, told) in told.iter().enumerate() {
        compare(&pages, caller, told);
    }
    let all: Vec<Told> = told.into_iter().flatten().map(|(_, told)| told).collect();
    for kind in [Told::Done, Told::NotRun, Told::Lost, Told::Nothing] {
        assert!(all.contains(&kind), "nothing of {kind:?} was tried");
    }
}

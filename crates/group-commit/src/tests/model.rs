//! Random sequences of operations on the state machine, beside a model that
//! knows nothing but a list of what waits, in the order in which it came.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::limit;
use super::seed::Seed;
use crate::batch::{Group, Times};
use crate::lanes::{Lanes, Place};
use crate::{Limits, NotRun};

const SEQUENCES: u64 = 2_000;
const KEYS: u8 = 4;

/// A command that waits: its name, its key, and the second at which it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    command: u32,
    key: u8,
    deadline: Option<u64>,
}

/// The state machine, what it should do, and what it gave out.
struct Bench {
    lanes: Lanes<u8, u32, ()>,
    limits: Limits,
    start: Instant,
    /// Seconds since `start`.
    now: u64,
    next_command: u32,
    waiting: Vec<Waiting>,
    /// Keys in the order in which they became ready.
    turns: Vec<u8>,
    put_off: BTreeSet<u8>,
    /// Keys of batches that they asked for.
    alone: Vec<u8>,
    places: Vec<(Waiting, Place<u8>)>,
    batches: Vec<Vec<Group<u8, u32, ()>>>,
    slots_untaken: usize,
    /// Whether a slot was given back since the last one was taken.
    given_back: bool,
    closed: bool,
}

impl Bench {
    fn new(chance: &mut Rng) -> Self {
        let limits = Limits {
            commands_per_batch_max: limit(chance.usize(1..=6)),
            keys_per_batch_max: limit(chance.usize(1..=3)),
            batches_max: limit(chance.usize(1..=3)),
            batches_alone_max: limit(chance.usize(1..=3)),
            waiting_per_key_max: limit(chance.usize(1..=6)),
            waiting_max: limit(chance.usize(1..=12)),
        };
        #[allow(clippy::disallowed_methods, reason = "an instant to count from")]
        let start = Instant::now();
        Self {
            lanes: Lanes::new(limits),
            limits,
            start,
            now: 0,
            next_command: 0,
            waiting: Vec::new(),
            turns: Vec::new(),
            put_off: BTreeSet::new(),
            alone: Vec::new(),
            places: Vec::new(),
            batches: Vec::new(),
            slots_untaken: 0,
            given_back: false,
            closed: false,
        }
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    fn step(&mut self, chance: &mut Rng) {
        match chance.u8(0..100) {
            0..45 => self.submit(chance),
            45..65 if self.slots_untaken > 0 => self.take(),
            65..80 if !self.batches.is_empty() => self.finish(chance),
            80..90 => self.withdraw(chance),
            90..93 if self.slots_untaken > 0 => self.give_back(),
            93..99 => self.now += 1,
            99 if chance.u8(0..4) == 0 => {
                self.closed = true;
                self.lanes.close();
                let start = self.lanes.take_slot();
                self.started(start);
            }
            _ => {}
        }
        self.check();
    }

    fn check(&self) {
        self.lanes.assert_invariants();
        assert_eq!(self.lanes.waiting(), self.waiting.len());
        let slots = self.slots_untaken + self.batches.len();
        assert_eq!(self.lanes.slots(), slots);
        let served = self.may_run() == 0
            || self.slots_untaken > 0
            || slots == self.limits.batches_max.get()
            || self.given_back;
        assert!(served, "keys {:?} wait and nobody comes", self.turns);
        let idle = self.waiting.is_empty() && slots == 0;
        assert_eq!(self.lanes.is_idle(), idle);
    }

    fn started(&mut self, start: bool) {
        if start {
            self.slots_untaken += 1;
            self.given_back = false;
            assert!(self.slots_untaken <= self.may_run(), "a slot for nothing");
        }
    }

    /// How many keys could begin now, each in a batch of its own.
    fn may_run(&self) -> usize {
        let alone = self.turns.iter().filter(|key| self.put_off.contains(key));
        let alone = alone.count();
        let room = self.limits.batches_alone_max.get() - self.alone.len();
        self.turns.len() - alone + alone.min(room)
    }

    fn under_way(&self, key: u8) -> bool {
        self.batches.iter().flatten().any(|group| group.key == key)
    }

    /// A key has its turn when something waits for it and nobody has it.
    fn turn(&mut self, key: u8) {
        let waits = self.waiting.iter().any(|waiting| waiting.key == key);
        if waits && !self.under_way(key) && !self.turns.contains(&key) {
            self.turns.push(key);
        }
    }

    fn submit(&mut self, chance: &mut Rng) {
        let key = chance.u8(0..KEYS);
        let deadline = chance.bool().then(|| self.now + chance.u64(0..4));
        let of_key = self.waiting.iter().filter(|waiting| waiting.key == key);
        let expected = if self.closed {
            Err(NotRun::Closed)
        } else if self.waiting.len() >= self.limits.waiting_max.get()
            || of_key.count() >= self.limits.waiting_per_key_max.get()
        {
            Err(NotRun::Full)
        } else {
            Ok(())
        };
        assert_eq!(self.lanes.check(&key), expected);
        if expected.is_err() {
            return;
        }
        let waiting = Waiting {
            command: self.next_command,
            key,
            deadline,
        };
        self.next_command += 1;
        let deadline = deadline.map(|deadline| self.at(deadline));
        let submitted = self.lanes.submit(
            key,
            waiting.command,
            Times {
                deadline,
                ..Times::default()
            },
            None,
        );
        self.waiting.push(waiting);
        self.places.push((waiting, submitted.place));
        self.turn(key);
        self.started(submitted.start);
    }

    /// What a batch should get: a key that was put off if one may run, or keys in
    /// turn, and of each what came first.
    fn expected(&mut self) -> (Vec<(u8, Vec<u32>)>, Vec<u32>) {
        let (mut groups, mut expired) = (Vec::new(), Vec::new());
        let mut room = self.limits.commands_per_batch_max.get();
        if self.alone.len() < self.limits.batches_alone_max.get() {
            let (put_off, turns) = (self.put_off.clone(), self.turns.clone());
            for key in turns.into_iter().filter(|key| put_off.contains(key)) {
                let commands = self.expected_of(key, room, &mut expired);
                self.put_off.remove(&key);
                if !commands.is_empty() {
                    self.alone.push(key);
                    return (vec![(key, commands)], expired);
                }
            }
        }
        let turns = self.turns.clone();
        for key in turns
            .into_iter()
            .filter(|key| !self.put_off.contains(key))
            .collect::<Vec<_>>()
        {
            if room == 0 || groups.len() == self.limits.keys_per_batch_max.get() {
                break;
            }
            let commands = self.expected_of(key, room, &mut expired);
            room -= commands.len();
            if !commands.is_empty() {
                groups.push((key, commands));
            }
        }
        if let [(key, _)] = groups.as_slice()
            && self.alone.len() < self.limits.batches_alone_max.get()
        {
            self.alone.push(*key);
        }
        (groups, expired)
    }

    fn expected_of(&mut self, key: u8, room: usize, expired: &mut Vec<u32>) -> Vec<u32> {
        self.turns.retain(|other| *other != key);
        let mut commands = Vec::new();
        self.waiting.retain(|waiting| {
            if waiting.key != key || commands.len() == room {
                return true;
            }
            let passed = waiting.deadline.is_some_and(|second| second <= self.now);
            let list = if passed { &mut *expired } else { &mut commands };
            list.push(waiting.command);
            false
        });
        commands
    }

    fn take(&mut self) {
        self.slots_untaken -= 1;
        let expected = self.expected();
        let taken = self.lanes.take(self.at(self.now));
        let groups = taken.groups.iter().map(|group| {
            let commands = group.entries.iter().map(|entry| *entry.command());
            (group.key, commands.collect())
        });
        let expired = taken.expired.iter().map(|entry| *entry.command());
        assert_eq!((groups.collect(), expired.collect()), expected);
        for group in &taken.groups {
            assert!(!self.under_way(group.key), "two batches have one key");
        }
        self.batches.push(taken.groups);
        self.started(taken.start);
    }

    /// Ends a batch that did some of its work and put some off, in pieces.
    fn finish(&mut self, chance: &mut Rng) {
        let batch = self.batches.swap_remove(chance.usize(..self.batches.len()));
        let keys: Vec<u8> = batch.iter().map(|group| group.key).collect();
        let alone = self.end_alone(&keys);
        let mut put_off = Vec::new();
        for mut group in batch {
            if chance.u8(0..3) > 0 {
                continue;
            }
            // Those before are done, those behind come back, in two pieces.
            let mut behind = group
                .entries
                .split_off(chance.usize(..=group.entries.len()));
            let last = behind.split_off(chance.usize(..=behind.len()));
            for entries in [behind, last] {
                if !entries.is_empty() {
                    let key = group.key;
                    put_off.push(Group { key, entries });
                }
            }
        }
        chance.shuffle(&mut put_off);
        for entry in put_off.iter().flat_map(|group| &group.entries) {
            let (waiting, _) = self.places[*entry.command() as usize];
            self.waiting.push(waiting);
            self.put_off.insert(waiting.key);
        }
        // Commands are counted, so that this is the order in which they came.
        self.waiting.sort_by_key(|waiting| waiting.command);
        let start = self.lanes.finish(keys.clone(), put_off, alone);
        for key in keys {
            self.turn(key);
        }
        self.started(start);
    }

    fn end_alone(&mut self, keys: &[u8]) -> bool {
        let index = self.alone.iter().position(|key| keys.contains(key));
        index.map(|index| self.alone.remove(index)).is_some()
    }

    fn withdraw(&mut self, chance: &mut Rng) {
        let Some((waiting, place)) = chance.choice(&self.places) else {
            return;
        };
        let (waiting, entry) = (*waiting, self.lanes.withdraw(place));
        let index = self.waiting.iter().position(|other| *other == waiting);
        assert_eq!(entry.is_some(), index.is_some(), "{waiting:?}");
        if let (Some(entry), Some(index)) = (entry, index) {
            assert_eq!(*entry.command(), waiting.command);
            self.waiting.remove(index);
            if !self.waiting.iter().any(|other| other.key == waiting.key) {
                self.turns.retain(|key| *key != waiting.key);
                if !self.under_way(waiting.key) {
                    self.put_off.remove(&waiting.key);
                }
            }
        }
    }

    fn give_back(&mut self) {
        self.slots_untaken -= 1;
        self.given_back = true;
        self.lanes.give_back_slot();
    }

    /// Everything that waits runs if slots are taken and batches end.
    fn drain(&mut self) {
        loop {
            let start = self.lanes.take_slot();
            self.started(start);
            if self.slots_untaken > 0 {
                self.take();
            } else if let Some(batch) = self.batches.pop() {
                let keys: Vec<u8> = batch.iter().map(|group| group.key).collect();
                drop(batch);
                let alone = self.end_alone(&keys);
                let start = self.lanes.finish(keys.clone(), Vec::new(), alone);
                for key in keys {
                    self.turn(key);
                }
                self.started(start);
            } else {
                break;
            }
            self.check();
        }
        assert!(self.lanes.is_idle(), "{:?} never run", self.waiting);
    }
}

#[test]
fn the_state_machine_does_what_the_model_does() {
    let seed = Seed::new();
    for sequence in 0..SEQUENCES {
        let mut chance = seed.chance(sequence);
        let mut bench = Bench::new(&mut chance);
        for _ in 0..chance.usize(1..120) {
            bench.step(&mut chance);
        }
        bench.drain();
    }
}

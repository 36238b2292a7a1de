//! The state machine: who waits, who runs, what comes next. Plain data without
//! lock, clock or I/O; the lock is its holder's.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::batch::{Entry, Group, Reply, Times};
use crate::limits::{Key, Limits};
use crate::pending::NotRun;
use crate::trace::Trace;

/// All queues.
///
/// Invariants:
/// - a key has a lane if and only if commands wait for it or a batch has it;
/// - `ready` and `ready_alone` hold, once each, the keys that no batch has and for
///   which commands wait; those that ask for a batch of their own are in the latter;
/// - `waiting` is the number of entries in all lanes;
/// - numbers rise along a lane;
/// - unless a slot was given back unused since, a slot is untaken or all slots
///   are given out while there is a key that may run.
pub(crate) struct Lanes<K, C, A> {
    limits: Limits,
    lanes: HashMap<K, Lane<C, A>>,
    ready: VecDeque<K>,
    ready_alone: VecDeque<K>,
    /// Batches under way that count as those that may take long.
    alone: usize,
    waiting: usize,
    /// Slots given out: batches under way or about to be taken.
    slots: usize,
    /// Those of them that were not asked yet for what there is to do.
    slots_untaken: usize,
    next_number: u64,
    closed: bool,
}

struct Lane<C, A> {
    entries: VecDeque<Entry<C, A>>,
    under_way: bool,
    /// Asks for a batch of its own.
    alone: bool,
}

/// Where a waiting command is found again.
pub(crate) struct Place<K> {
    key: K,
    number: u64,
}

/// What a submission comes to.
pub(crate) struct Submitted<K, A> {
    pub(crate) place: Place<K>,
    pub(crate) answer: oneshot::Receiver<Result<A, NotRun>>,
    /// Whether a slot was taken, in which a batch is to be started.
    pub(crate) start: bool,
}

/// What a slot was given.
pub(crate) struct Taken<K, C, A> {
    /// Empty if there was nothing to do. The slot is given out until `finish`
    /// even then: `expired` is still to be answered.
    pub(crate) groups: Vec<Group<K, C, A>>,
    /// Their deadline passed while they waited.
    pub(crate) expired: Vec<Entry<C, A>>,
    /// Whether it has one key, and counts as one that may take long.
    pub(crate) alone: bool,
    /// Whether another slot was taken for what is still waiting.
    pub(crate) start: bool,
}

impl<K: Key, C, A> Lanes<K, C, A> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            ready_alone: VecDeque::new(),
            alone: 0,
            waiting: 0,
            slots: 0,
            slots_untaken: 0,
            next_number: 0,
            closed: false,
        }
    }

    /// Whether a command for this key may be submitted.
    pub(crate) fn check(&self, key: &K) -> Result<(), NotRun> {
        if self.closed {
            return Err(NotRun::Closed);
        }
        let waiting_for_key = self.lanes.get(key).map_or(0, |lane| lane.entries.len());
        if self.waiting >= self.limits.waiting_max.get()
            || waiting_for_key >= self.limits.waiting_per_key_max.get()
        {
            return Err(NotRun::Full);
        }
        Ok(())
    }

    /// Queues a command, after a `check` under the same lock.
    pub(crate) fn submit(
        &mut self,
        key: K,
        command: C,
        times: Times,
        trace: Option<Box<Trace>>,
    ) -> Submitted<K, A> {
        let number = self.next_number;
        let (reply, answer) = oneshot::channel();
        let entry = Entry {
            command,
            reply: Reply(reply),
            times,
            trace,
            number,
        };
        match self.lanes.get_mut(&key) {
            // Unless a batch has the key, it is ready already.
            Some(lane) => lane.entries.push_back(entry),
            None => {
                let lane = Lane {
                    entries: VecDeque::from([entry]),
                    under_way: false,
                    alone: false,
                };
                self.lanes.insert(key.clone(), lane);
                self.ready.push_back(key.clone());
            }
        }
        self.next_number += 1;
        self.waiting += 1;
        Submitted {
            place: Place { key, number },
            answer,
            start: self.take_slot(),
        }
    }

    /// Takes a slot if there is something to do in it. More untaken slots than
    /// keys that may run would find nothing: each takes a key at least.
    pub(crate) fn take_slot(&mut self) -> bool {
        let alone = self.ready_alone.len().min(self.room_alone());
        let start = self.slots_untaken < self.ready.len() + alone
            && self.slots < self.limits.batches_max.get();
        self.slots += usize::from(start);
        self.slots_untaken += usize::from(start);
        start
    }

    /// How many more keys may have a batch of their own.
    fn room_alone(&self) -> usize {
        let alone_max = self.limits.batches_alone_max.get();
        alone_max.saturating_sub(self.alone)
    }

    /// Gives a slot its batch: a key that was put off, if one may run, or commands
    /// of the keys that have waited longest.
    pub(crate) fn take(&mut self, now: Instant) -> Taken<K, C, A> {
        self.slots_untaken -= 1;
        let mut groups = Vec::new();
        let mut expired = Vec::new();
        let mut room = self.limits.commands_per_batch_max.get();
        while groups.is_empty()
            && self.room_alone() > 0
            && let Some(key) = self.ready_alone.pop_front()
        {
            groups.extend(self.take_key(key, room, now, &mut expired));
        }
        let was_put_off = !groups.is_empty();
        while !was_put_off
            && room > 0
            && groups.len() < self.limits.keys_per_batch_max.get()
            && let Some(key) = self.ready.pop_front()
        {
            if let Some(group) = self.take_key(key, room, now, &mut expired) {
                room -= group.entries.len();
                groups.push(group);
            }
        }
        let alone = groups.len() == 1 && self.room_alone() > 0;
        self.alone += usize::from(alone);
        Taken {
            groups,
            expired,
            alone,
            start: self.take_slot(),
        }
    }

    /// Takes a ready key's commands, `None` if all of them had expired.
    fn take_key(
        &mut self,
        key: K,
        room: usize,
        now: Instant,
        expired: &mut Vec<Entry<C, A>>,
    ) -> Option<Group<K, C, A>> {
        let lane = self.lanes.get_mut(&key)?;
        let before = lane.entries.len();
        let entries = lane.take(room, now, expired);
        self.waiting -= before - lane.entries.len();
        if entries.is_empty() {
            // `take` stops early only when full.
            self.lanes.remove(&key);
            return None;
        }
        lane.alone = false;
        lane.under_way = true;
        Some(Group { key, entries })
    }

    /// Ends a batch: lets go of its keys, puts those commands back that it did
    /// not run, at the head of their queues, and frees its slot. Says whether a
    /// slot was taken for what is waiting.
    pub(crate) fn finish(
        &mut self,
        keys: Vec<K>,
        put_off: Vec<Group<K, C, A>>,
        alone: bool,
    ) -> bool {
        for group in put_off {
            let Some(lane) = self.lanes.get_mut(&group.key) else {
                continue;
            };
            self.waiting += group.entries.len();
            lane.alone = true;
            // To the head by their numbers, as a key may come back in several
            // groups. Sorting costs little more than one look at each.
            lane.entries.extend(group.entries);
            lane.entries
                .make_contiguous()
                .sort_by_key(|entry| entry.number);
        }
        for key in keys {
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            lane.under_way = false;
            if lane.entries.is_empty() {
                self.lanes.remove(&key);
            } else if lane.alone {
                self.ready_alone.push_back(key);
            } else {
                self.ready.push_back(key);
            }
        }
        self.alone -= usize::from(alone);
        self.slots -= 1;
        self.take_slot()
    }

    /// Takes a slot back that was not used.
    pub(crate) fn give_back_slot(&mut self) {
        self.slots_untaken -= 1;
        self.slots -= 1;
    }

    /// Takes a command out of its queue, if it is still there. Numbers rise
    /// along a queue.
    pub(crate) fn withdraw(&mut self, place: &Place<K>) -> Option<Entry<C, A>> {
        let lane = self.lanes.get_mut(&place.key)?;
        let index = lane
            .entries
            .binary_search_by_key(&place.number, |entry| entry.number)
            .ok()?;
        let entry = lane.entries.remove(index)?;
        self.waiting -= 1;
        if lane.entries.is_empty() && !lane.under_way {
            let ready = match lane.alone {
                true => &mut self.ready_alone,
                false => &mut self.ready,
            };
            ready.retain(|key| *key != place.key);
            self.lanes.remove(&place.key);
        }
        Some(entry)
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.slots == 0
    }

    /// Checks what is said of [`Lanes`], apart from slots that were given back.
    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        let mut waiting = 0;
        for (key, lane) in &self.lanes {
            waiting += lane.entries.len();
            assert!(lane.under_way || !lane.entries.is_empty(), "empty lane");
            let in_order = lane.entries.iter().is_sorted_by_key(|entry| entry.number);
            assert!(in_order, "numbers do not rise along a lane");
            let turns = |ready: &VecDeque<K>| ready.iter().filter(|ready| *ready == key).count();
            let expected = match lane.alone {
                _ if lane.under_way => (0, 0),
                true => (0, 1),
                false => (1, 0),
            };
            let turns = (turns(&self.ready), turns(&self.ready_alone));
            assert_eq!(turns, expected, "turns of a key");
        }
        assert_eq!(waiting, self.waiting, "waiting");
        let mut ready = self.ready.iter().chain(&self.ready_alone);
        let with_lane = ready.all(|key| self.lanes.contains_key(key));
        assert!(with_lane, "a key is ready but nothing waits for it");
        assert!(self.slots_untaken <= self.slots, "untaken slots");
        assert!(self.slots <= self.limits.batches_max.get(), "slots");
        let alone_max = self.limits.batches_alone_max.get();
        assert!(self.alone <= alone_max, "keys alone");
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }
}

impl<C, A> Lane<C, A> {
    /// The first commands whose time has not passed, `room` at most.
    fn take(
        &mut self,
        room: usize,
        now: Instant,
        expired: &mut Vec<Entry<C, A>>,
    ) -> Vec<Entry<C, A>> {
        let mut entries = Vec::with_capacity(room.min(self.entries.len()));
        while entries.len() < room {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            if entry.times.deadline.is_some_and(|deadline| deadline <= now) {
                expired.push(entry);
            } else {
                entries.push(entry);
            }
        }
        entries
    }
}

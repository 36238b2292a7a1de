//! The state machine: who waits, who runs, what comes next. Plain data without
//! lock, clock or I/O; the lock is its holder's.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::batch::{Entry, Group, Reply};
use crate::limits::{Key, Limits};
use crate::pending::NotRun;

/// All queues.
///
/// Invariants:
/// - a key has a lane if and only if commands wait for it or a batch has it;
/// - `ready` holds, once each, the keys that no batch has and for which commands
///   wait;
/// - `waiting` is the number of entries in all lanes;
/// - numbers rise along a lane;
/// - unless a slot was given back unused since, a slot is untaken or all slots
///   are given out while `ready` holds something.
pub(crate) struct Lanes<K, C, A> {
    limits: Limits,
    lanes: HashMap<K, Lane<C, A>>,
    ready: VecDeque<K>,
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
    /// Whether another slot was taken for what is still waiting.
    pub(crate) start: bool,
}

impl<K: Key, C, A> Lanes<K, C, A> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
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
        deadline: Option<Instant>,
    ) -> Submitted<K, A> {
        let number = self.next_number;
        let (reply, answer) = oneshot::channel();
        let entry = Entry {
            command,
            reply: Reply(reply),
            deadline,
            number,
        };
        match self.lanes.get_mut(&key) {
            // Unless a batch has the key, it is in `ready` already.
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
    /// ready keys would find nothing: each takes a key at least.
    pub(crate) fn take_slot(&mut self) -> bool {
        let start =
            self.slots_untaken < self.ready.len() && self.slots < self.limits.batches_max.get();
        self.slots += usize::from(start);
        self.slots_untaken += usize::from(start);
        start
    }

    /// Gives a slot its batch: commands of the keys that have waited longest.
    pub(crate) fn take(&mut self, now: Instant) -> Taken<K, C, A> {
        self.slots_untaken -= 1;
        let mut groups = Vec::new();
        let mut expired = Vec::new();
        let mut room = self.limits.commands_per_batch_max.get();
        while room > 0 && groups.len() < self.limits.keys_per_batch_max.get() {
            let Some(key) = self.ready.pop_front() else {
                break;
            };
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if lane.alone && !groups.is_empty() {
                self.ready.push_front(key);
                break;
            }
            let before = lane.entries.len();
            let entries = lane.take(room, now, &mut expired);
            self.waiting -= before - lane.entries.len();
            if entries.is_empty() {
                // All of them had expired: `take` stops early only when full.
                self.lanes.remove(&key);
                continue;
            }
            room -= entries.len();
            let alone = std::mem::take(&mut lane.alone);
            lane.under_way = true;
            groups.push(Group { key, entries });
            if alone {
                break;
            }
        }
        Taken {
            groups,
            expired,
            start: self.take_slot(),
        }
    }

    /// Ends a batch: lets go of its keys, puts those commands back that it did
    /// not run, at the head of their queues, and frees its slot. Says whether a
    /// slot was taken for what is waiting.
    pub(crate) fn finish(&mut self, keys: Vec<K>, put_off: Vec<Group<K, C, A>>) -> bool {
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
            } else {
                self.ready.push_back(key);
            }
        }
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
            self.lanes.remove(&place.key);
            self.ready.retain(|key| *key != place.key);
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
            let turns = self.ready.iter().filter(|ready| *ready == key).count();
            assert_eq!(turns, usize::from(!lane.under_way), "turns of a key");
        }
        assert_eq!(waiting, self.waiting, "waiting");
        let with_lane = self.ready.iter().all(|key| self.lanes.contains_key(key));
        assert!(with_lane, "a key is ready but nothing waits for it");
        assert!(self.slots_untaken <= self.slots, "untaken slots");
        assert!(self.slots <= self.limits.batches_max.get(), "slots");
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
            if entry.deadline.is_some_and(|deadline| deadline <= now) {
                expired.push(entry);
            } else {
                entries.push(entry);
            }
        }
        entries
    }
}

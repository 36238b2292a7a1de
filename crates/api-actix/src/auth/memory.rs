//! Things that are remembered for a while, and never more than so many.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks among which keys are spread, so that workers seldom meet at one.
const SHELVES: usize = 16;

/// Fewer things than this on a shelf are never searched for old ones.
const FORGET_FROM: usize = 64;

/// A bounded memory. What is older than it keeps things is not there.
pub(super) struct Memory<K, V> {
    shelves: [Mutex<Shelf<K, V>>; SHELVES],
    hasher: RandomState,
    keeps: Duration,
    shelf_max: usize,
}

/// Some of the things, each with the time as of which it is known.
struct Shelf<K, V> {
    things: HashMap<K, (V, Instant)>,
    /// With how many things the next search for old ones begins.
    forget_at: usize,
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// Remembers about so many things at most, each for that time.
    pub(super) fn new(many: usize, keeps: Duration) -> Self {
        let shelf = || Shelf {
            things: HashMap::new(),
            forget_at: FORGET_FROM,
        };
        Self {
            shelves: std::array::from_fn(|_| Mutex::new(shelf())),
            hasher: RandomState::new(),
            keeps,
            shelf_max: many.div_ceil(SHELVES),
        }
    }

    /// What is remembered under that key.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let shelf = self.shelf(key);
        let (value, known_at) = shelf.things.get(key)?;
        self.is_fresh(*known_at, now).then(|| value.clone())
    }

    /// Remembers what was known at that time.
    pub(super) fn insert(&self, key: K, value: V, known_at: Instant) {
        self.insert_if(key, value, known_at, || true);
    }

    /// Remembers what was known at that time if it is still wanted, which is asked
    /// while nobody else can read or clear that key.
    pub(super) fn insert_if(
        &self,
        key: K,
        value: V,
        known_at: Instant,
        is_wanted: impl FnOnce() -> bool,
    ) {
        let mut shelf = self.shelf(&key);
        if is_wanted() {
            if shelf.things.len() >= shelf.forget_at.min(self.shelf_max) {
                self.forget_old(&mut shelf, known_at);
            }
            shelf.things.insert(key, (value, known_at));
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for shelf in &self.shelves {
            lock(shelf).things.clear();
        }
    }

    /// Makes room, so much that the work is a little for each thing that is new:
    /// where few are old, all are forgotten.
    fn forget_old(&self, shelf: &mut Shelf<K, V>, now: Instant) {
        shelf
            .things
            .retain(|_, (_, known_at)| self.is_fresh(*known_at, now));
        if shelf.things.len() > self.shelf_max / 2 {
            shelf.things.clear();
        }
        shelf.things.shrink_to(2 * shelf.things.len());
        shelf.forget_at = (2 * shelf.things.len()).max(FORGET_FROM);
    }

    fn is_fresh(&self, known_at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(known_at) < self.keeps
    }

    fn shelf(&self, key: &K) -> MutexGuard<'_, Shelf<K, V>> {
        lock(&self.shelves[self.hasher.hash_one(key) as usize % SHELVES])
    }
}

/// Nothing that is done under the lock panics halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPS: Duration = Duration::from_secs(2);

    #[test]
    fn nothing_is_remembered_for_longer_than_it_may_be() {
        let memory = Memory::new(100, KEEPS);
        let then = Instant::now();
        memory.insert(7, 7, then);
        let moment = Duration::from_nanos(1);
        assert_eq!(memory.get(&7, then + KEEPS - moment), Some(7));
        assert_eq!(memory.get(&7, then + KEEPS), None);
        assert_eq!(memory.get(&8, then), None);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_not_remembered() {
        let memory = Memory::new(100, KEEPS);
        let now = Instant::now();
        memory.insert_if(7, 7, now, || false);
        assert_eq!(memory.get(&7, now), None);
        memory.insert(7, 7, now);
        memory.clear();
        assert_eq!(memory.get(&7, now), None);
    }

    #[test]
    fn the_memory_has_an_end_and_what_is_new_finds_room() {
        let memory = Memory::new(SHELVES * 200, KEEPS);
        let now = Instant::now();
        let remembered = |memory: &Memory<u32, u32>| -> usize {
            let shelves = memory.shelves.iter();
            shelves.map(|shelf| lock(shelf).things.len()).sum()
        };
        for key in 0..100_000 {
            memory.insert(key, key, now);
            assert_eq!(memory.get(&key, now), Some(key));
        }
        assert!(remembered(&memory) <= SHELVES * 200);
        // All of it is old by then.
        for key in 0..10_000 {
            memory.insert(key, key, now + (key + 1) * KEEPS);
        }
        assert!(remembered(&memory) <= SHELVES * FORGET_FROM);
    }
}

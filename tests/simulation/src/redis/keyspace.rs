//! The data of the simulated Redis: keys, what is stored there, and until when.

/// Something stored under a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored {
    Text(Vec<u8>),
    /// By score and then by member.
    Sorted(Vec<(f64, Vec<u8>)>),
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// Of another type than any that the gate uses.
    List(Vec<Vec<u8>>),
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: Vec<u8>,
    stored: Stored,
    /// Milliseconds since 1970.
    leaves_at_ms: Option<u64>,
}

/// All keys. There are few, so they are looked through.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Keyspace {
    entries: Vec<Entry>,
    /// Microseconds since 1970.
    pub(crate) now_us: u64,
}

impl Keyspace {
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    fn index(&mut self, key: &[u8]) -> Option<usize> {
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        let leaves_at_ms = self.entries[index].leaves_at_ms;
        if leaves_at_ms.is_some_and(|at| at <= self.now_ms()) {
            self.entries.swap_remove(index);
            return None;
        }
        Some(index)
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&mut Stored> {
        let index = self.index(key)?;
        Some(&mut self.entries[index].stored)
    }

    /// Stores it, for good.
    pub(crate) fn put(&mut self, key: &[u8], stored: Stored) {
        self.remove(key);
        self.entries.push(Entry {
            key: key.to_vec(),
            stored,
            leaves_at_ms: None,
        });
    }

    /// What is there, or else what `make` makes.
    pub(crate) fn get_or_put(&mut self, key: &[u8], make: fn() -> Stored) -> &mut Stored {
        let index = match self.index(key) {
            Some(index) => index,
            None => {
                self.put(key, make());
                self.entries.len() - 1
            }
        };
        &mut self.entries[index].stored
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let index = self.index(key);
        if let Some(index) = index {
            self.entries.swap_remove(index);
        }
        index.is_some()
    }

    /// When a key leaves: `None` if there is none, `Some(None)` for one that stays.
    pub(crate) fn leaves_at_ms(&mut self, key: &[u8]) -> Option<Option<u64>> {
        let index = self.index(key)?;
        Some(self.entries[index].leaves_at_ms)
    }

    pub(crate) fn leave_at_ms(&mut self, key: &[u8], at_ms: Option<u64>) -> bool {
        match self.index(key) {
            Some(index) => {
                self.entries[index].leaves_at_ms = at_ms;
                true
            }
            None => false,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

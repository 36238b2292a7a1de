//! Buckets by name, never more than so many. Knows no clock and no lock; both
//! are its holder's.

use std::collections::HashMap;

use domain::model::LimitSubject;
use domain::rules::TokenBucket;

/// Fewer buckets than this are never searched for full ones.
const FORGET_FROM: usize = 64;

/// Whose bucket it is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) policy: &'static str,
    pub(super) subject: LimitSubject,
}

#[derive(Debug)]
pub(super) struct Shard {
    buckets: HashMap<Key, TokenBucket>,
    buckets_max: usize,
    /// With how many buckets the next search for full ones begins.
    forget_at: usize,
}

impl Shard {
    pub(super) fn new(buckets_max: usize) -> Self {
        Self {
            buckets: HashMap::new(),
            buckets_max,
            forget_at: FORGET_FROM.min(buckets_max),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The bucket of that name, a full one if there is none.
    pub(super) fn bucket(&mut self, key: Key, now_us: u64) -> &mut TokenBucket {
        if self.buckets.len() >= self.forget_at && !self.buckets.contains_key(&key) {
            self.forget(now_us);
        }
        self.buckets.entry(key).or_default()
    }

    /// Makes room, so much that the work is a little for each bucket that is
    /// new: full ones cost nothing to forget; if they are few, a quarter of the
    /// others goes too, those that lack least.
    fn forget(&mut self, now_us: u64) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now_us));
        if self.buckets.len() > self.buckets_max / 4 * 3 {
            self.forget_soonest_full(self.buckets.len() / 4);
        }
        self.buckets.shrink_to(2 * self.buckets.len());
        self.forget_at =
            (2 * self.buckets.len()).clamp(FORGET_FROM.min(self.buckets_max), self.buckets_max);
    }

    fn forget_soonest_full(&mut self, count: usize) {
        let mut times: Vec<_> = self.buckets.values().map(TokenBucket::full_at_us).collect();
        let (_, &mut last_us, _) = times.select_nth_unstable(count);
        let mut left = count;
        self.buckets.retain(|_, bucket| {
            let stays = left == 0 || bucket.full_at_us() > last_us;
            left -= usize::from(!stays);
            stays
        });
    }
}

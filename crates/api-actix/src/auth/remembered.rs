//! What the store said of secrets that were good, for a short while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::model::SecretDigest;
use domain::ports::StoreError;

use super::memory::Memory;

/// Remembers by secret. Cheap to clone; clones remember together.
pub(super) struct Remembered<V>(Arc<Inner<V>>);

struct Inner<V> {
    good: Memory<SecretDigest, V>,
    /// Goes up whenever all is forgotten: what the store said before is not
    /// remembered after.
    forgotten: AtomicU64,
}

impl<V: Clone> Remembered<V> {
    pub(super) fn new(many: usize, time: Duration) -> Self {
        Self(Arc::new(Inner {
            good: Memory::new(many, time),
            forgotten: AtomicU64::new(0),
        }))
    }

    /// What is remembered of a secret, or else what the store says. What is not
    /// good is not remembered: guesses would fill the memory.
    ///
    /// # Errors
    /// As asking the store.
    pub(super) async fn find<F>(
        &self,
        secret: SecretDigest,
        ask: impl FnOnce(SecretDigest) -> F,
    ) -> Result<Option<V>, StoreError>
    where
        F: Future<Output = Result<Option<V>, StoreError>>,
    {
        let Inner { good, forgotten } = &*self.0;
        let now = Instant::now();
        if let Some(good) = good.get(&secret, now) {
            return Ok(Some(good));
        }
        let before = forgotten.load(Ordering::SeqCst);
        let found = ask(secret).await?;
        if let Some(value) = found.clone() {
            // As of before it was asked. Whoever forgets counts first and clears
            // then, so either this sees the count or that clears this.
            good.insert_if(secret, value, now, || {
                forgotten.load(Ordering::SeqCst) == before
            });
        }
        Ok(found)
    }

    /// Something was ended here: the store is asked anew about everything.
    pub(super) fn forget(&self) {
        self.0.forgotten.fetch_add(1, Ordering::SeqCst);
        self.0.good.clear();
    }
}

impl<V> Clone for Remembered<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    const SECRET: fn() -> SecretDigest = || SecretDigest::from_bytes([7; 32]);

    fn remembered() -> Remembered<u8> {
        Remembered::new(10, Duration::from_secs(60))
    }

    async fn find(remembered: &Remembered<u8>, says: Option<u8>) -> Option<u8> {
        let found = remembered.find(SECRET(), |_| ready(Ok(says))).await;
        found.expect("no trouble")
    }

    #[tokio::test]
    async fn what_is_good_is_remembered_until_it_is_forgotten() {
        let remembered = remembered();
        assert_eq!(find(&remembered, None).await, None);
        assert_eq!(find(&remembered, Some(1)).await, Some(1));
        assert_eq!(find(&remembered, None).await, Some(1));
        remembered.forget();
        assert_eq!(find(&remembered, None).await, None);
    }

    #[tokio::test]
    async fn what_was_asked_before_it_was_forgotten_is_not_remembered_after() {
        let remembered = remembered();
        let ask = async |_| {
            remembered.forget();
            Ok(Some(1))
        };
        let found = remembered.find(SECRET(), ask).await;
        assert_eq!(found.expect("no trouble"), Some(1));
        assert_eq!(find(&remembered, None).await, None);
    }
}

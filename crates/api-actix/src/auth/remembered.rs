//! What the store said of secrets that were good, for a short while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::model::SecretDigest;
use domain::ports::StoreError;
use moka::sync::Cache;

/// Remembers by secret. Cheap to clone; clones remember together.
#[derive(Clone)]
pub(super) struct Remembered<V: Clone + Send + Sync + 'static> {
    good: Cache<SecretDigest, V>,
    /// Goes up whenever all is forgotten: what the store said before is not
    /// remembered after.
    forgotten: Arc<AtomicU64>,
}

impl<V: Clone + Send + Sync + 'static> Remembered<V> {
    pub(super) fn new(many: u64, time: Duration) -> Self {
        let good = Cache::builder().max_capacity(many).time_to_live(time);
        Self {
            good: good.build(),
            forgotten: Arc::default(),
        }
    }

    /// What is remembered of a secret, or else what the store says. What is not
    /// good is not remembered: guesses would fill the memory.
    ///
    /// # Errors
    /// As asking the store.
    pub(super) async fn find(
        &self,
        secret: SecretDigest,
        ask: impl Future<Output = Result<Option<V>, StoreError>>,
    ) -> Result<Option<V>, StoreError> {
        if let Some(good) = self.good.get(&secret) {
            return Ok(Some(good));
        }
        let before = self.forgotten.load(Ordering::SeqCst);
        let found = ask.await?;
        if let Some(good) = &found {
            self.good.insert(secret, good.clone());
            if self.forgotten.load(Ordering::SeqCst) != before {
                self.good.invalidate(&secret);
            }
        }
        Ok(found)
    }

    /// Something was ended here: the store is asked anew about everything.
    pub(super) fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.good.invalidate_all();
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
        let found = remembered.find(SECRET(), ready(Ok(says))).await;
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
        let ask = async {
            remembered.forget();
            Ok(Some(1))
        };
        let found = remembered.find(SECRET(), ask).await;
        assert_eq!(found.expect("no trouble"), Some(1));
        assert_eq!(find(&remembered, None).await, None);
    }
}

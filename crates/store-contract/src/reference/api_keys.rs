//! Keys of services in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::model::{ApiKey, ApiKeyId, Listing, NewApiKey, Page, SecretDigest, Timeline};
use domain::ports::{ApiKeyError, ApiKeyStore, StoreError};

use super::memory::{MemoryStore, listing};

/// All keys with their secrets, revoked ones too.
pub(super) type ApiKeys = BTreeMap<ApiKeyId, (ApiKey, SecretDigest)>;

impl MemoryStore {
    /// Gives every key one and the same time.
    pub fn level_key_times(&self) {
        let mut state = self.state();
        let now = state.now();
        for (key, _) in state.api_keys.values_mut() {
            key.created_at = now;
        }
    }
}

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn create(&self, key: NewApiKey) -> Result<ApiKey, StoreError> {
        let mut state = self.state();
        let stamp = state.stamp();
        let made = ApiKey {
            id: ApiKeyId::try_new(stamp.id).expect("positive"),
            name: key.name,
            scopes: key.scopes,
            created_at: stamp.at,
            rotated_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        let kept = (made.clone(), key.secret);
        state.api_keys.insert(made.id, kept);
        Ok(made)
    }

    async fn list(&self, page: Page<Timeline>) -> Result<Listing<ApiKey>, StoreError> {
        let state = self.state();
        let keys = state.api_keys.values().map(|(key, _)| key.clone());
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by_key(|key| Reverse((key.created_at, key.id)));
        Ok(listing(keys, page, |entry, after| entry < after))
    }

    async fn rotate(&self, key_id: ApiKeyId, secret: SecretDigest) -> Result<ApiKey, ApiKeyError> {
        let mut state = self.state();
        let now = state.now();
        match state.api_keys.get_mut(&key_id) {
            Some((key, kept)) if key.revoked_at.is_none() => {
                key.rotated_at = Some(now);
                *kept = secret;
                Ok(key.clone())
            }
            _ => Err(ApiKeyError::KeyNotFound(key_id)),
        }
    }

    async fn revoke(&self, key_id: ApiKeyId) -> Result<(), ApiKeyError> {
        let mut state = self.state();
        let now = state.now();
        let key = state.api_keys.get_mut(&key_id);
        let (key, _) = key.ok_or(ApiKeyError::KeyNotFound(key_id))?;
        key.revoked_at.get_or_insert(now);
        Ok(())
    }

    async fn find(&self, secret: SecretDigest) -> Result<Option<ApiKey>, StoreError> {
        let state = self.state();
        let mut keys = state.api_keys.values();
        let found = keys.find(|(key, kept)| *kept == secret && key.revoked_at.is_none());
        Ok(found.map(|(key, _)| key.clone()))
    }

    async fn record_use(&self, key_ids: Vec<ApiKeyId>) -> Result<(), StoreError> {
        let mut state = self.state();
        let now = state.now();
        for key_id in key_ids {
            if let Some((key, _)) = state.api_keys.get_mut(&key_id) {
                key.last_used_at = Some(now);
            }
        }
        Ok(())
    }
}

//! From what a request shows to who is calling.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::model::{ApiKey, ApiKeyId, Principal, SecretDigest, Session};
use domain::ports::StoreError;
use moka::sync::Cache;

use super::Credential;
use super::admin_keys::AdminKeys;
use crate::wiring::Stores;

/// How long a session or key that was good is taken to be good: so long a
/// suspension, a logout elsewhere or a revocation may take to have its effect.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// How many of each are remembered; beyond that the store is asked more often.
const REMEMBERED_MAX: u64 = 100_000;

/// How often a key's last use is recorded.
const USE_RECORDED_EVERY: Duration = Duration::from_secs(60);

/// Why it is not known who is calling.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIdentified {
    /// The access token is unknown, too old, or of a session that has ended.
    #[error("the access token is not good, or not any more")]
    AccessToken,
    /// The key is unknown or revoked.
    #[error("the API key is not good, or not any more")]
    ApiKey,
    /// The admin key is wrong.
    #[error("the admin key is wrong")]
    AdminKey,
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows who shows what. Cheap to clone; clones remember together.
#[derive(Clone)]
pub(crate) struct Identities {
    admin_keys: AdminKeys,
    sessions: Cache<SecretDigest, Session>,
    api_keys: Cache<SecretDigest, ApiKey>,
    used: Cache<ApiKeyId, ()>,
    /// Goes up whenever something was ended here: what the store said before is
    /// not remembered after.
    ended: Arc<AtomicU64>,
}

impl Identities {
    pub(crate) fn new<'k>(admin_keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self {
            admin_keys: AdminKeys::new(admin_keys),
            sessions: remembering(GOOD_FOR),
            api_keys: remembering(GOOD_FOR),
            used: remembering(USE_RECORDED_EVERY),
            ended: Arc::default(),
        }
    }

    /// Who shows this credential.
    ///
    /// # Errors
    /// See [`NotIdentified`].
    pub(crate) async fn identify(
        &self,
        stores: &Stores,
        credential: Credential<'_>,
    ) -> Result<Principal, NotIdentified> {
        match credential {
            Credential::AdminKey(key) if self.admin_keys.contain(key) => Ok(Principal::Admin),
            Credential::AdminKey(_) => Err(NotIdentified::AdminKey),
            Credential::AccessToken(token) => {
                let digest = token.ok_or(NotIdentified::AccessToken)?.digest();
                let session = self.session(stores, digest).await?;
                let session = session.ok_or(NotIdentified::AccessToken)?;
                Ok(Principal::User {
                    user_id: session.user_id,
                    session_id: session.id,
                })
            }
            Credential::ApiKey(key) => {
                let digest = key.ok_or(NotIdentified::ApiKey)?.digest();
                let key = self.api_key(stores, digest).await?;
                let key = key.ok_or(NotIdentified::ApiKey)?;
                self.record_use(stores, key.id).await;
                Ok(Principal::Service {
                    key_id: key.id,
                    scopes: key.scopes,
                })
            }
        }
    }

    /// Asks the store about a session anew when it is shown again: it was
    /// ended here.
    pub(crate) fn forget_sessions(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.sessions.invalidate_all();
    }

    /// As [`forget_sessions`](Self::forget_sessions), for keys.
    pub(crate) fn forget_api_keys(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.api_keys.invalidate_all();
    }

    /// What is not good is not remembered: guesses would fill the memory.
    async fn session(
        &self,
        stores: &Stores,
        access: SecretDigest,
    ) -> Result<Option<Session>, StoreError> {
        if let Some(session) = self.sessions.get(&access) {
            return Ok(Some(session));
        }
        let before = self.ended.load(Ordering::SeqCst);
        let found = stores.sessions.find(access).await?;
        if let Some(session) = found {
            self.sessions.insert(access, session);
            if self.ended.load(Ordering::SeqCst) != before {
                self.sessions.invalidate(&access);
            }
        }
        Ok(found)
    }

    async fn api_key(
        &self,
        stores: &Stores,
        secret: SecretDigest,
    ) -> Result<Option<ApiKey>, StoreError> {
        if let Some(key) = self.api_keys.get(&secret) {
            return Ok(Some(key));
        }
        let before = self.ended.load(Ordering::SeqCst);
        let found = stores.api_keys.find(secret).await?;
        if let Some(key) = &found {
            self.api_keys.insert(secret, key.clone());
            if self.ended.load(Ordering::SeqCst) != before {
                self.api_keys.invalidate(&secret);
            }
        }
        Ok(found)
    }

    /// That it was used is good to know, and no reason to refuse anything.
    async fn record_use(&self, stores: &Stores, key_id: ApiKeyId) {
        if self.used.contains_key(&key_id) {
            return;
        }
        self.used.insert(key_id, ());
        if let Err(error) = stores.api_keys.record_use(vec![key_id]).await {
            tracing::debug!(%error, %key_id, "the use of a key was not recorded");
        }
    }
}

fn remembering<K, V>(time: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(REMEMBERED_MAX)
        .time_to_live(time)
        .build()
}

//! From what a request shows to who is calling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::model::{ApiKey, ApiKeyId, Principal, Session};
use domain::ports::StoreError;

use super::Credential;
use super::admin_keys::AdminKeys;
use super::memory::Memory;
use super::remembered::Remembered;
use crate::wiring::Stores;

/// How long a session or key that was good is taken to be good: so long a
/// suspension, a logout elsewhere or a revocation may take to have its effect.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// How many of each are remembered; beyond that the store is asked more often.
const REMEMBERED_MAX: usize = 100_000;

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
    sessions: Remembered<Session>,
    api_keys: Remembered<ApiKey>,
    used: Arc<Memory<ApiKeyId, ()>>,
}

impl Identities {
    pub(crate) fn new<'k>(admin_keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self {
            admin_keys: AdminKeys::new(admin_keys),
            sessions: Remembered::new(REMEMBERED_MAX, GOOD_FOR),
            api_keys: Remembered::new(REMEMBERED_MAX, GOOD_FOR),
            used: Arc::new(Memory::new(REMEMBERED_MAX, USE_RECORDED_EVERY)),
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
                let token = token.ok_or(NotIdentified::AccessToken)?;
                let session = self
                    .sessions
                    .find(token, |token| stores.sessions.find(token));
                let session = session.await?.ok_or(NotIdentified::AccessToken)?;
                Ok(Principal::User {
                    user_id: session.user_id,
                    session_id: session.id,
                })
            }
            Credential::ApiKey(key) => {
                let key = key.ok_or(NotIdentified::ApiKey)?;
                let key = self.api_keys.find(key, |key| stores.api_keys.find(key));
                let key = key.await?.ok_or(NotIdentified::ApiKey)?;
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
        self.sessions.forget();
    }

    /// As [`forget_sessions`](Self::forget_sessions), for keys.
    pub(crate) fn forget_api_keys(&self) {
        self.api_keys.forget();
    }

    /// That it was used is good to know, and no reason to refuse anything.
    async fn record_use(&self, stores: &Stores, key_id: ApiKeyId) {
        let now = Instant::now();
        if self.used.get(&key_id, now).is_some() {
            return;
        }
        self.used.insert(key_id, (), now);
        if let Err(error) = stores.api_keys.record_use(vec![key_id]).await {
            tracing::debug!(%error, %key_id, "the use of a key was not recorded");
        }
    }
}

//! Accounts as promises use them: short calls that fail the test on trouble.

use std::time::Duration;

use domain::model::{Account, SecretDigest, Session, SessionSecrets, UserId};
use domain::ports::{AccountStore, ApiKeyStore, AuditLog, BeginSessionError, SessionStore};

use crate::AccountsBench;
use crate::parallel::patiently;

/// How long secrets are good unless a promise is about their end.
pub(crate) const ACCESS_LASTS: Duration = Duration::from_secs(15 * 60);
/// See [`ACCESS_LASTS`].
pub(crate) const REFRESH_LASTS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl AccountsBench {
    pub(crate) fn accounts(&self) -> &dyn AccountStore {
        self.backend().accounts()
    }

    pub(crate) fn sessions(&self) -> &dyn SessionStore {
        self.backend().sessions()
    }

    pub(crate) fn api_keys(&self) -> &dyn ApiKeyStore {
        self.backend().api_keys()
    }

    pub(crate) fn audit(&self) -> &dyn AuditLog {
        self.backend().audit()
    }

    pub(crate) async fn age(&self, by: Duration) {
        self.backend().age(by).await;
    }

    pub(crate) async fn account(&self, user_id: UserId) -> Account {
        self.accounts().find(user_id).await.expect("the account")
    }

    pub(crate) async fn suspend(&self, user_id: UserId) -> Account {
        patiently(|| self.accounts().suspend(user_id))
            .await
            .expect("suspended")
    }

    pub(crate) async fn erase(&self, user_id: UserId) {
        patiently(|| self.accounts().erase(user_id))
            .await
            .expect("erased");
    }

    /// Begins a session with secrets that nobody else has.
    pub(crate) async fn begin(&self, user_id: UserId) -> (Session, SessionSecrets) {
        let secrets = self.secrets();
        let session = self.try_begin(user_id, secrets).await;
        (session.expect("a session"), secrets)
    }

    pub(crate) async fn try_begin(
        &self,
        user_id: UserId,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError> {
        patiently(|| self.sessions().begin(user_id, secrets)).await
    }

    /// Secrets that nobody else has.
    pub(crate) fn secrets(&self) -> SessionSecrets {
        SessionSecrets {
            access: self.secret(),
            access_lasts: ACCESS_LASTS,
            refresh: self.secret(),
            refresh_lasts: REFRESH_LASTS,
        }
    }

    /// A secret that nobody else has. Digests of two secrets may begin or end
    /// alike, so these differ in their middle only.
    pub(crate) fn secret(&self) -> SecretDigest {
        let mut bytes = [0xa5; 32];
        bytes[12..20].copy_from_slice(&self.next().to_be_bytes());
        SecretDigest::from_bytes(bytes)
    }
}

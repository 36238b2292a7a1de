//! Accounts and sessions as promises use them: short calls that fail the test
//! on trouble.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::model::{
    Account, AccountFilter, Email, Listing, Page, PageLimit, PasswordHash, SecretDigest, Session,
    SessionId, SessionSecrets, Timeline, UserId,
};
use domain::ports::{
    AccountStore, ApiKeyStore, AuditLog, BeginSessionError, RedeemError, RefreshError,
    SessionStore, SetPasswordError,
};

use crate::AccountsBench;
use crate::compare::assert_matches;
use crate::paging::walk;
use crate::parallel::patiently;
use crate::values::new_user;

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

    /// The store's clock. Somebody registers for that.
    pub(crate) async fn clock(&self) -> DateTime<Utc> {
        let email = format!("clock{}@example.com", self.next());
        self.register(new_user(&email, None)).await.created_at
    }

    pub(crate) async fn account(&self, user_id: UserId) -> Account {
        self.accounts().find(user_id).await.expect("the account")
    }

    pub(crate) async fn account_page(
        &self,
        filter: &AccountFilter,
        page: Page<Timeline>,
    ) -> Listing<Account> {
        let listing = self.accounts().search(filter.clone(), page).await;
        listing.expect("the accounts")
    }

    /// All accounts that fit.
    pub(crate) async fn search(&self, filter: &AccountFilter) -> Vec<Account> {
        walk(PageLimit::MAX, |page| self.account_page(filter, page)).await
    }

    /// What the password of the user with that address hashes to.
    pub(crate) async fn password_of(&self, email: &Email) -> Option<PasswordHash> {
        let credentials = self.accounts().credentials(email).await;
        let credentials = credentials.expect("an answer").expect("credentials");
        credentials.password
    }

    /// What the password of that user hashes to, which they must have.
    pub(crate) async fn proof(&self, user_id: UserId) -> PasswordHash {
        let credentials = self.accounts().credentials_of(user_id).await;
        credentials
            .expect("credentials")
            .password
            .expect("a password")
    }

    /// Logs in and sets another password. The session is the only one that is left.
    pub(crate) async fn set_password(
        &self,
        user_id: UserId,
        password: PasswordHash,
    ) -> (Session, SessionSecrets) {
        let expected = self.proof(user_id).await;
        let (session, secrets) = self.begin(user_id).await;
        let set = self.try_set_password(user_id, expected, password, session.id);
        set.await.expect("a new password");
        (session, secrets)
    }

    pub(crate) async fn try_set_password(
        &self,
        user_id: UserId,
        expected: PasswordHash,
        password: PasswordHash,
        keep: SessionId,
    ) -> Result<(), SetPasswordError> {
        patiently(|| {
            let (expected, password) = (expected.clone(), password.clone());
            self.accounts()
                .set_password(user_id, expected, password, keep)
        })
        .await
    }

    /// A password token that lasts as long.
    pub(crate) async fn token(&self, user_id: UserId, lasts: Duration) -> SecretDigest {
        let token = self.secret();
        let issued = self
            .accounts()
            .issue_password_token(user_id, token, lasts)
            .await;
        issued.expect("a token");
        token
    }

    pub(crate) async fn redeem(
        &self,
        token: SecretDigest,
        password: PasswordHash,
    ) -> Result<UserId, RedeemError> {
        patiently(|| {
            self.accounts()
                .redeem_password_token(token, password.clone())
        })
        .await
    }

    pub(crate) async fn suspend(&self, user_id: UserId) -> Account {
        patiently(|| self.accounts().suspend(user_id))
            .await
            .expect("suspended")
    }

    pub(crate) async fn reinstate(&self, user_id: UserId) -> Account {
        patiently(|| self.accounts().reinstate(user_id))
            .await
            .expect("reinstated")
    }

    pub(crate) async fn erase(&self, user_id: UserId) {
        patiently(|| self.accounts().erase(user_id))
            .await
            .expect("erased");
    }

    /// Begins a session with secrets that nobody else has, for a user who has a
    /// password.
    pub(crate) async fn begin(&self, user_id: UserId) -> (Session, SessionSecrets) {
        let (proof, secrets) = (self.proof(user_id).await, self.secrets());
        let session = self.try_begin(user_id, proof, secrets).await;
        (session.expect("a session"), secrets)
    }

    pub(crate) async fn try_begin(
        &self,
        user_id: UserId,
        proof: PasswordHash,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError> {
        patiently(|| self.sessions().begin(user_id, proof.clone(), secrets)).await
    }

    pub(crate) async fn try_refresh(
        &self,
        refresh: SecretDigest,
        secrets: SessionSecrets,
    ) -> Result<Session, RefreshError> {
        patiently(|| self.sessions().refresh(refresh, secrets)).await
    }

    /// Exchanges a refresh secret for new secrets.
    pub(crate) async fn refresh(&self, refresh: SecretDigest) -> (Session, SessionSecrets) {
        let secrets = self.secrets();
        let session = self.try_refresh(refresh, secrets).await;
        (session.expect("refreshed"), secrets)
    }

    /// The session with that access secret, if it is good.
    pub(crate) async fn session(&self, access: SecretDigest) -> Option<Session> {
        self.sessions().find(access).await.expect("an answer")
    }

    pub(crate) async fn end(&self, session_id: SessionId) {
        patiently(|| self.sessions().end(session_id))
            .await
            .expect("ended");
    }

    /// Fails unless neither of these secrets is good. The refresh secret must
    /// not have been exchanged.
    pub(crate) async fn assert_ended(&self, secrets: SessionSecrets) {
        assert_eq!(self.session(secrets.access).await, None, "ended");
        let refused = self.try_refresh(secrets.refresh, self.secrets()).await;
        assert_matches!(refused, Err(RefreshError::Unknown));
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

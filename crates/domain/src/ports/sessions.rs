//! Sessions: logins that last.

use async_trait::async_trait;

use super::StoreError;
use crate::model::{PasswordHash, SecretDigest, Session, SessionId, SessionSecrets, UserId};

/// Why no session began.
#[derive(Debug, thiserror::Error)]
pub enum BeginSessionError {
    /// Nobody is registered under that id, or they were erased.
    #[error("user {0} not found")]
    UserNotFound(UserId),
    /// The password that was checked is not theirs any more.
    #[error("the password of user {0} was changed meanwhile")]
    PasswordChanged(UserId),
    /// An admin suspended them.
    #[error("user {0} is suspended")]
    UserSuspended(UserId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// There is no such secret, or its session has ended.
    #[error("the refresh token is not good, or not any more")]
    Unknown,
    /// The secret was exchanged before: somebody has a copy. Its session has
    /// ended with this call at the latest.
    #[error("the refresh token of user {0} was used twice")]
    Reused(UserId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps sessions. Only digests of their secrets are stored.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Begins a session. Where a user has more than a hundred that have not
    /// ended, the one that was begun or refreshed longest ago ends.
    ///
    /// `proof` is the hash that a password was found to fit. Checking takes long,
    /// and a change of the password ends all sessions that were begun with the old
    /// one: so that none begins later, `proof` must still be what is stored.
    ///
    /// # Errors
    /// An adapter MUST return, in this order of precedence,
    /// [`BeginSessionError::UserNotFound`] for an unknown or erased user,
    /// [`BeginSessionError::PasswordChanged`] unless `proof` is the very hash that
    /// is stored, and [`BeginSessionError::UserSuspended`] for a suspended user.
    async fn begin(
        &self,
        user_id: UserId,
        proof: PasswordHash,
        secrets: SessionSecrets,
    ) -> Result<Session, BeginSessionError>;

    /// Replaces both secrets of the session whose refresh secret this is. The
    /// access secret that is replaced is good no more. Of any number of
    /// parallel calls with one secret at most one succeeds.
    ///
    /// # Errors
    /// An adapter MUST return [`RefreshError::Reused`] for a secret that was
    /// exchanged before in a session of a user who still exists, whether that
    /// session has ended since or not, until
    /// [`forget_ended`](Self::forget_ended) has forgotten it; and end that
    /// session, so that none of its secrets is good. It MUST return
    /// [`RefreshError::Unknown`] for every other secret that is not good:
    /// unknown, too old, of a session that has ended. A refusal makes no secret
    /// good.
    async fn refresh(
        &self,
        refresh: SecretDigest,
        secrets: SessionSecrets,
    ) -> Result<Session, RefreshError>;

    /// The session whose access secret this is, if it is good: not too old, of
    /// a session that has not ended, of a user who is neither suspended nor erased.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn find(&self, access: SecretDigest) -> Result<Option<Session>, StoreError>;

    /// Ends a session; one that has ended stays ended, and one that never was
    /// is none of this.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn end(&self, session_id: SessionId) -> Result<(), StoreError>;

    /// Forgets sessions and secrets whose time is over, `sessions_max` at most.
    /// A session's is over when its refresh secret is too old, and may be when
    /// it has ended; that of a secret that was exchanged is when it would be
    /// too old if it had not been. Returns how many sessions went; 0 means that
    /// none is left.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn forget_ended(&self, sessions_max: usize) -> Result<usize, StoreError>;
}

//! Accounts: looking after those who are registered.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::model::{
    Account, AccountFilter, BookingId, Credentials, Email, Listing, Page, PasswordHash,
    SecretDigest, SessionId, Timeline, UserId, UserName,
};

/// Why something could not be done to an account.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody is registered under that id, or they were erased.
    #[error("user {0} not found")]
    UserNotFound(UserId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password was not set by somebody who knew the one before.
#[derive(Debug, thiserror::Error)]
pub enum SetPasswordError {
    /// Nobody is registered under that id, or they were erased.
    #[error("user {0} not found")]
    UserNotFound(UserId),
    /// The session that asks for it is none of the user's, or has ended.
    #[error("session {0} has ended")]
    SessionEnded(SessionId),
    /// The password that was checked is not theirs any more.
    #[error("the password of user {0} was changed meanwhile")]
    PasswordChanged(UserId),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a password was not set with a token.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// There is no such token, it was used, its time is over, or its user is
    /// suspended or erased.
    #[error("the token is not good, or not any more")]
    Unknown,
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps accounts. The boundary of consistency is one user with everything
/// they can log in with.
///
/// Users who were erased do not exist for any method, except where it says so.
/// Times are those of the store's clock.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// One account.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn find(&self, user_id: UserId) -> Result<Account, AccountError>;

    /// Accounts that fit, newest first, equal times by falling id.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn search(
        &self,
        filter: AccountFilter,
        page: Page<Timeline>,
    ) -> Result<Listing<Account>, StoreError>;

    /// What a login with that address is checked against; `None` for an unknown
    /// address. A suspended user has credentials: beginning a session is what
    /// is refused.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn credentials(&self, email: &Email) -> Result<Option<Credentials>, StoreError>;

    /// The same by id.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn credentials_of(&self, user_id: UserId) -> Result<Credentials, AccountError>;

    /// Changes what a user is called; `None` takes the name away.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn rename(
        &self,
        user_id: UserId,
        name: Option<UserName>,
    ) -> Result<Account, AccountError>;

    /// Sets a password in the place of the one that was checked, on behalf of a
    /// session, and ends all other sessions of the user. Password tokens of theirs
    /// are good no more.
    ///
    /// Checking a password takes long, and it may be changed meanwhile: so that
    /// nobody undoes that on the strength of the old one, the hash that was checked
    /// must be the one that is stored when the new one is.
    ///
    /// # Errors
    /// An adapter MUST return, in this order of precedence,
    /// [`SetPasswordError::UserNotFound`] for an unknown user,
    /// [`SetPasswordError::SessionEnded`] for a session that has ended, is somebody
    /// else's or never was, and for every one of a suspended user, and
    /// [`SetPasswordError::PasswordChanged`] unless `expected` is the very hash that
    /// is stored. Of any number of parallel calls with one `expected` at most one
    /// succeeds, unless it sets that hash again. A refusal changes nothing.
    async fn set_password(
        &self,
        user_id: UserId,
        expected: PasswordHash,
        password: PasswordHash,
        keep: SessionId,
    ) -> Result<(), SetPasswordError>;

    /// Makes a token with which a password can be set once, and ends those that
    /// were made before. Returns until when it is good. One that is issued to a
    /// suspended user is good once they are reinstated, if its time is not over.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn issue_password_token(
        &self,
        user_id: UserId,
        token: SecretDigest,
        lasts: Duration,
    ) -> Result<DateTime<Utc>, AccountError>;

    /// Sets a password, whatever the one before, ends all sessions and password
    /// tokens of the user, and uses the token up. Of any number of parallel calls with one
    /// token exactly one succeeds.
    ///
    /// # Errors
    /// An adapter MUST return [`RedeemError::Unknown`] for a token that is not
    /// good.
    async fn redeem_password_token(
        &self,
        token: SecretDigest,
        password: PasswordHash,
    ) -> Result<UserId, RedeemError>;

    /// Suspends a user and ends all their sessions: they can neither book nor
    /// log in, and no booking is made for them after this has returned. Doing it
    /// again changes nothing, the time neither.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn suspend(&self, user_id: UserId) -> Result<Account, AccountError>;

    /// Ends a suspension, if there is one. Sessions that it ended stay ended.
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn reinstate(&self, user_id: UserId) -> Result<Account, AccountError>;

    /// Erases a user: address, name, password, password token, sessions and
    /// idempotency keys, which are texts of their own, are gone, the address may be
    /// registered anew, and nothing can be booked for them. No port knows them any more, except that their bookings stay as
    /// they are, with an owner of whom only the id is left: shown under
    /// [`Email::of_erased`] and without a name. A request that they made under
    /// an idempotency key is not answered as before, but refused like any other.
    /// Bookings to be cancelled are named by [`bookings_of_erased`](Self::bookings_of_erased).
    ///
    /// # Errors
    /// An adapter MUST return [`AccountError::UserNotFound`] for an unknown user.
    async fn erase(&self, user_id: UserId) -> Result<(), AccountError>;

    /// Confirmed bookings of erased users, `bookings_max` at most, for events
    /// that have neither started nor been deleted. An empty answer means that
    /// none is left.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn bookings_of_erased(&self, bookings_max: usize) -> Result<Vec<BookingId>, StoreError>;
}

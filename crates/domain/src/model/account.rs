//! Accounts and sessions: what a user's own calls are about.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{PasswordHash, SecretDigest, SessionId, User, UserId};

/// A user with what only they and admins may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// Whether they can log in with a password.
    pub has_password: bool,
    /// Since when they may not book or log in, if an admin decided so.
    pub suspended_at: Option<DateTime<Utc>>,
}

/// What a login is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Whose they are.
    pub user_id: UserId,
    /// What the password must hash to; `None` for who never set one.
    pub password: Option<PasswordHash>,
}

/// Which accounts an admin looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Only the one with this very address. It is trimmed and lower-cased
    /// already, and may be no address at all, which nobody has.
    pub email: Option<String>,
    /// Only those that are suspended, or only those that are not.
    pub suspended: Option<bool>,
}

/// The secrets of a session and how long they are good for. Lifetimes count
/// from now, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSecrets {
    /// Proves who is calling.
    pub access: SecretDigest,
    /// How long it does.
    pub access_lasts: Duration,
    /// Is exchanged for the next secrets, once.
    pub refresh: SecretDigest,
    /// How long it can be.
    pub refresh_lasts: Duration,
}

/// A login that is good until it ends, is refreshed too late, or is refreshed
/// with a secret that was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// Until when its access secret is good.
    pub access_until: DateTime<Utc>,
    /// Until when its refresh secret is.
    pub refresh_until: DateTime<Utc>,
}

//! Registered users.

use chrono::{DateTime, Utc};

use super::{Email, PasswordHash, UserId, UserName};

/// Somebody who may book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their name in the system.
    pub id: UserId,
    /// Their address; no two users share one.
    pub email: Email,
    /// What they are called, if they said so.
    pub name: Option<UserName>,
    /// When they registered, by the store's clock.
    pub created_at: DateTime<Utc>,
}

/// The command: register somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Their address.
    pub email: Email,
    /// What they are called, if they say so.
    pub name: Option<UserName>,
    /// What they will log in with, if they chose a password.
    pub password: Option<PasswordHash>,
}

//! `[auth]` and `[admin]`: who is who.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::choice;
use super::defaults::at_least_one;
use super::{DAY, DEFAULT_ADMIN_KEY};

/// Whether strangers may act for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// They may book, cancel and read for anybody: for development.
    Open,
    /// They may browse events and register.
    Required,
}

/// `[auth]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// `open` or `required`; unset means open where only this machine can reach
    /// the server, and required elsewhere.
    #[serde(deserialize_with = "choice::deserialize_some")]
    pub mode: Option<AuthMode>,
    /// Whether `open` is meant although others can reach the server.
    pub open_beyond_loopback: bool,
    /// How long an access token is good.
    #[serde(with = "humantime_serde")]
    pub access_lasts: Duration,
    /// How long a refresh token can be exchanged.
    #[serde(with = "humantime_serde")]
    pub refresh_lasts: Duration,
    /// How long a token that sets a password is good.
    #[serde(with = "humantime_serde")]
    pub password_token_lasts: Duration,
    /// Passwords that are hashed at the same time; each takes 19 MiB.
    pub passwords_at_once: NonZeroUsize,
}

/// An admin key that has so many characters is a good one, if it was made at random.
pub(crate) const GOOD_KEY_CHARACTERS: usize = 16;

/// `[admin]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// The value of the header `X-Admin-Key` (`ADMIN_KEY`).
    pub key: String,
    /// Another key that is good too, while one replaces the other.
    pub second_key: Option<String>,
}

impl AdminSettings {
    /// The keys that are good.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.key.as_str()).chain(self.second_key.as_deref())
    }

    /// Whether one of them might be guessed, though it would take long.
    pub(crate) fn has_weak_key(&self) -> bool {
        self.keys()
            .any(|key| key.chars().count() < GOOD_KEY_CHARACTERS)
    }
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self {
            mode: None,
            open_beyond_loopback: false,
            access_lasts: Duration::from_secs(15 * 60),
            refresh_lasts: 30 * DAY,
            password_token_lasts: DAY,
            passwords_at_once: at_least_one(2),
        }
    }
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self {
            key: DEFAULT_ADMIN_KEY.to_owned(),
            second_key: None,
        }
    }
}

//! `[rate_limit]`: how often whom is answered.

use std::time::Duration;

use domain::model::RatePolicy;
use serde::{Deserialize, Deserializer, Serialize};

use super::{SettingsError, wrong};

/// Requests a minute, unless told otherwise.
const READ: u32 = 6_000;
const BOOK: u32 = 1_200;
const REGISTER: u32 = 60;
const LOGIN_ACCOUNT: u32 = 10;
const LOGIN_ADDRESS: u32 = 60;
const ADMIN: u32 = 1_200;

/// The most requests of a window, and at most one each microsecond.
const QUOTA_MAX: u64 = 1_000_000_000;

/// `[rate_limit]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitSettings {
    /// Whether anybody is limited at all.
    pub enabled: bool,
    /// Reading: events, bookings, histories, and paths that do not exist.
    #[serde(deserialize_with = "or::<READ, _>")]
    pub read: RateSettings,
    /// Booking and cancelling.
    #[serde(deserialize_with = "or::<BOOK, _>")]
    pub book: RateSettings,
    /// Registering.
    #[serde(deserialize_with = "or::<REGISTER, _>")]
    pub register: RateSettings,
    /// Logging in to one account, from wherever.
    #[serde(deserialize_with = "or::<LOGIN_ACCOUNT, _>")]
    pub login_account: RateSettings,
    /// Logging in from one address, to whatever account.
    #[serde(deserialize_with = "or::<LOGIN_ADDRESS, _>")]
    pub login_address: RateSettings,
    /// Everything below `/admin`.
    #[serde(deserialize_with = "or::<ADMIN, _>")]
    pub admin: RateSettings,
}

/// `[rate_limit.read]` and its like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RateSettings {
    /// Requests in each window.
    pub quota: u32,
    /// The window, whole seconds.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Requests at once, at most the quota; as many as that when unset.
    pub burst: Option<u32>,
}

/// As much of it as was given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    quota: Option<u32>,
    #[serde(default, with = "humantime_serde")]
    window: Option<Duration>,
    burst: Option<u32>,
}

/// What was given, and the defaults of a policy of that quota.
fn or<'de, const QUOTA: u32, D: Deserializer<'de>>(given: D) -> Result<RateSettings, D::Error> {
    let given = Given::deserialize(given)?;
    let default = RateSettings::a_minute(QUOTA);
    Ok(RateSettings {
        quota: given.quota.unwrap_or(default.quota),
        window: given.window.unwrap_or(default.window),
        burst: given.burst,
    })
}

impl RateSettings {
    fn a_minute(quota: u32) -> Self {
        Self {
            quota,
            window: Duration::from_secs(60),
            burst: None,
        }
    }

    fn policy(&self, name: &'static str) -> Result<RatePolicy, SettingsError> {
        let setting = |key: &str| format!("rate_limit.{name}{key}");
        let seconds = self.window.as_secs();
        // Clients are told the window in whole seconds.
        if self.window.subsec_nanos() > 0 || !(1..=24 * 60 * 60).contains(&seconds) {
            let problem = "must be whole seconds between 1s and 24h";
            return Err(wrong(&setting(".window"), problem));
        }
        let quota_max = QUOTA_MAX.min(seconds.saturating_mul(1_000_000));
        if !(1..=quota_max).contains(&self.quota.into()) {
            let problem = format!("must be between 1 and {quota_max}");
            return Err(wrong(&setting(".quota"), problem));
        }
        let burst = self.burst.unwrap_or(self.quota);
        if !(1..=self.quota).contains(&burst) {
            let problem = format!("must be between 1 and the quota, {}", self.quota);
            return Err(wrong(&setting(".burst"), problem));
        }
        RatePolicy::try_new(name, self.quota, self.window, burst)
            .map_err(|invalid| wrong(&setting(""), invalid.to_string()))
    }
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            read: RateSettings::a_minute(READ),
            book: RateSettings::a_minute(BOOK),
            register: RateSettings::a_minute(REGISTER),
            login_account: RateSettings::a_minute(LOGIN_ACCOUNT),
            login_address: RateSettings::a_minute(LOGIN_ADDRESS),
            admin: RateSettings::a_minute(ADMIN),
        }
    }
}

/// The policies that follow from the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RatePolicies {
    pub(crate) read: RatePolicy,
    pub(crate) book: RatePolicy,
    pub(crate) register: RatePolicy,
    pub(crate) login_account: RatePolicy,
    pub(crate) login_address: RatePolicy,
    pub(crate) admin: RatePolicy,
}

impl RateLimitSettings {
    /// The policies.
    ///
    /// # Errors
    /// One of them is impossible.
    pub(crate) fn policies(&self) -> Result<RatePolicies, SettingsError> {
        Ok(RatePolicies {
            read: self.read.policy("read")?,
            book: self.book.policy("book")?,
            register: self.register.policy("register")?,
            login_account: self.login_account.policy("login_account")?,
            login_address: self.login_address.policy("login_address")?,
            admin: self.admin.policy("admin")?,
        })
    }
}

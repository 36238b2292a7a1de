//! How often somebody may call: policies, whom they count, and what they say.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{ApiKeyId, Email, Invalid, UserId};

/// The most requests of a policy's window.
const QUOTA_MAX: u32 = 1_000_000_000;

/// The longest window: a bucket is remembered until it is full again.
const WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest name of somebody who is limited: a key in Redis, not a text.
const NAME_BYTES_MAX: usize = 300;

/// A token bucket's size and how fast it fills: `burst` tokens at most, one more
/// each `window / quota`.
///
/// Whoever takes them as fast as possible gets `burst` tokens at once and
/// `quota` in each window after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RatePolicy {
    name: &'static str,
    quota: u32,
    window: Duration,
    burst: u32,
    token_us: u64,
}

impl RatePolicy {
    /// A policy of `quota` tokens each `window`, of which `burst` may be taken
    /// at once.
    ///
    /// A token comes each so many whole microseconds, rounded up: the policy may
    /// be that much stricter, which is nothing to speak of below a hundred
    /// thousand a second.
    ///
    /// # Errors
    /// Refuses a name that is not made of `a-z`, `0-9` and `_`, a window outside
    /// of 1 ms to 24 h, a quota of none, of more than 1,000,000,000 or of more
    /// than one token each microsecond, and a burst outside of 1 to the quota.
    pub fn try_new(
        name: &'static str,
        quota: u32,
        window: Duration,
        burst: u32,
    ) -> Result<Self, Invalid> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(Invalid::new("must have a name of a-z, 0-9 and _"));
        }
        if !(Duration::from_millis(1)..=WINDOW_MAX).contains(&window) {
            return Err(Invalid::new("must have a window between 1ms and 24h"));
        }
        let window_us = micros(window);
        if quota == 0 || quota > QUOTA_MAX || u64::from(quota) > window_us {
            return Err(Invalid::new(
                "must have a quota of at least 1, at most 1000000000 and at most one each \
                 microsecond",
            ));
        }
        if burst == 0 || burst > quota {
            return Err(Invalid::new("must have a burst between 1 and its quota"));
        }
        Ok(Self {
            name,
            quota,
            window,
            burst,
            token_us: window_us.div_ceil(quota.into()),
        })
    }

    /// What it is called, among policies and in answers.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tokens of a window.
    pub fn quota(&self) -> u32 {
        self.quota
    }

    /// In which the quota comes anew.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Tokens of a full bucket.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// How long a token takes to come, in microseconds.
    pub fn token_us(&self) -> u64 {
        self.token_us
    }

    /// How long an empty bucket takes to be full, in microseconds.
    pub fn full_us(&self) -> u64 {
        self.token_us * u64::from(self.burst)
    }
}

/// Whole microseconds; those of [`WINDOW_MAX`] fit by far.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whose tokens are counted. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitSubject(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    User(UserId),
    Service(ApiKeyId),
    Principal(Arc<str>),
    Account(Arc<str>),
    V4([u8; 4]),
    /// The network, which is what a household or a server gets.
    V6([u8; 8]),
}

impl LimitSubject {
    /// A user.
    pub fn user(user_id: UserId) -> Self {
        Self(Kind::User(user_id))
    }

    /// A service, known by its key.
    pub fn service(key_id: ApiKeyId) -> Self {
        Self(Kind::Service(key_id))
    }

    /// Somebody else who is known by a stable name such as `admin`. Names that
    /// begin with `user:` or `key:` are those of users and services.
    ///
    /// # Errors
    /// Refuses an empty name, control characters, and more than 300 bytes.
    pub fn principal(name: &str) -> Result<Self, Invalid> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(Invalid::new("must have 1 to 300 bytes"));
        }
        if name.chars().any(char::is_control) {
            return Err(Invalid::new("must not contain control characters"));
        }
        Ok(Self(Kind::Principal(name.into())))
    }

    /// The account that somebody tries to log in to, whoever it is.
    pub fn account(email: &Email) -> Self {
        Self(Kind::Account(email.as_str().into()))
    }

    /// The client at an address: an IPv4 address, or the /64 network of an IPv6
    /// address, all of which one client may use. An IPv4 address that is written
    /// as one of IPv6 is what it stands for.
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(Kind::V4(address.octets())),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self(Kind::V6([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// The name under which its tokens are kept.
impl fmt::Display for LimitSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::User(user_id) => write!(f, "principal:user:{user_id}"),
            Kind::Service(key_id) => write!(f, "principal:key:{key_id}"),
            Kind::Principal(name) => write!(f, "principal:{name}"),
            Kind::Account(email) => write!(f, "account:{email}"),
            Kind::V4(octets) => write!(f, "address:{}", IpAddr::from(*octets)),
            Kind::V6([a, b, c, d, e, g, h, i]) => {
                let network = [*a, *b, *c, *d, *e, *g, *h, *i, 0, 0, 0, 0, 0, 0, 0, 0];
                write!(f, "address:{}/64", IpAddr::from(network))
            }
        }
    }
}

/// What a policy says to somebody who wants tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateDecision {
    /// Whether they were taken. If not, none was.
    pub allowed: bool,
    /// Tokens left.
    pub remaining: u32,
    /// After which the bucket is full if nobody takes any.
    pub reset_after: Duration,
    /// After which there are as many as were wanted; nothing when they were
    /// taken. Of more than a full bucket has, this is when it is full.
    pub retry_after: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_policy_that_means_nothing_is_refused() {
        for (name, quota, window, burst) in [
            ("", 1, MINUTE, 1),
            ("Read", 1, MINUTE, 1),
            ("re\"ad", 1, MINUTE, 1),
            ("read", 0, MINUTE, 1),
            ("read", 1, MINUTE, 0),
            ("read", 5, MINUTE, 6),
            ("read", 1, Duration::ZERO, 1),
            ("read", 1, Duration::from_secs(25 * 60 * 60), 1),
            ("read", 1_001, Duration::from_millis(1), 1),
            ("read", QUOTA_MAX + 1, WINDOW_MAX, 1),
        ] {
            let refused = RatePolicy::try_new(name, quota, window, burst);
            assert!(refused.is_err(), "{name} {quota} {window:?} {burst}");
        }
    }

    #[test]
    fn a_token_comes_in_whole_microseconds_never_too_soon() {
        let policy = |quota, window| RatePolicy::try_new("read", quota, window, 1);
        let token_us = |quota, window| policy(quota, window).map(|policy| policy.token_us());
        assert_eq!(token_us(6_000, MINUTE), Ok(10_000));
        assert_eq!(token_us(7, MINUTE), Ok(8_571_429));
        assert_eq!(token_us(1_000_000, Duration::from_secs(1)), Ok(1));
        assert_eq!(token_us(1, WINDOW_MAX), Ok(86_400_000_000));
    }

    #[test]
    fn a_policy_says_what_it_was_made_of() {
        let policy = RatePolicy::try_new("log_in2", 7, MINUTE, 7).expect("a policy");
        assert_eq!(
            (
                policy.name(),
                policy.quota(),
                policy.window(),
                policy.burst()
            ),
            ("log_in2", 7, MINUTE, 7)
        );
        assert_eq!(policy.full_us(), 7 * 8_571_429);
        let day = RatePolicy::try_new("day", QUOTA_MAX, WINDOW_MAX, QUOTA_MAX);
        assert!(day.is_ok(), "as many as there may be");
        let shortest = RatePolicy::try_new("read", 1_000, Duration::from_millis(1), 1);
        assert!(shortest.is_ok(), "one each microsecond");
    }

    #[test]
    fn clients_are_told_apart_by_what_they_are_given() {
        let name = |text: &str| LimitSubject::address(text.parse().expect("an address"));
        assert_eq!(name("192.0.2.7").to_string(), "address:192.0.2.7");
        assert_eq!(name("::ffff:192.0.2.7"), name("192.0.2.7"));
        assert_ne!(name("192.0.2.7"), name("192.0.2.8"));
        let network = name("2001:db8:1:2::1");
        assert_eq!(network.to_string(), "address:2001:db8:1:2::/64");
        assert_eq!(network, name("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(network, name("2001:db8:1:3::1"));
    }

    #[test]
    fn users_and_services_of_one_number_are_told_apart() {
        let user = LimitSubject::user(UserId::try_new(7).expect("positive"));
        let service = LimitSubject::service(ApiKeyId::try_new(7).expect("positive"));
        assert_ne!(user, service);
        assert_eq!(user.to_string(), "principal:user:7");
        assert_eq!(service.to_string(), "principal:key:7");
    }

    #[test]
    fn no_name_is_another_ones() {
        let email = Email::parse("a@example.com").expect("an address");
        let account = LimitSubject::account(&email);
        let principal = LimitSubject::principal("a@example.com").expect("a name");
        assert_ne!(account.to_string(), principal.to_string());
        let longest = "x".repeat(300);
        let principal = LimitSubject::principal(&longest).expect("a name");
        assert_eq!(principal.to_string(), format!("principal:{longest}"));
        for bad in ["", "a\nb", &"x".repeat(301)] {
            assert!(LimitSubject::principal(bad).is_err(), "{bad:?}");
        }
    }
}

//! Keys of services that call on behalf of others.

use chrono::{DateTime, Utc};

use super::{ApiKeyId, ApiKeyName, Invalid, SecretDigest};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One thing that a service may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[$doc])* $name,)*
        }

        impl Scope {
            /// All there are, in the order of their texts.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written outside.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

scopes! {
    /// Read the audit log.
    AdminAudit = "admin:audit",
    /// Organise events, and see who booked and how they sell.
    AdminEvents = "admin:events",
    /// See, suspend, reinstate and erase users.
    AdminUsers = "admin:users",
    /// See anybody's bookings.
    BookingsRead = "bookings:read",
    /// Book and cancel for anybody.
    BookingsWrite = "bookings:write",
    /// Browse events. Everybody may; a key without it may not.
    EventsRead = "events:read",
    /// See users.
    UsersRead = "users:read",
    /// Register users, and help those who have no password to one.
    UsersWrite = "users:write",
}

impl Scope {
    /// The scope that is written so.
    ///
    /// # Errors
    /// There is no such scope; the text names those there are.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|scope| scope.as_str() == text);
        found.copied().ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|scope| scope.as_str()).collect();
            Invalid::new(format!("must be one of {}", all.join(", ")))
        })
    }
}

/// What a service may do: one scope or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Sorts them and drops repetitions.
    ///
    /// # Errors
    /// A key that may do nothing is a mistake.
    pub fn try_new(mut scopes: Vec<Scope>) -> Result<Self, Invalid> {
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Invalid::new("must not be empty"));
        }
        Ok(Self(scopes))
    }

    /// Whether this one is among them.
    pub fn contain(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// In the order of their texts.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

/// The command: make a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What the service is called.
    pub name: ApiKeyName,
    /// What it may do.
    pub scopes: Scopes,
    /// The secret that it is going to show.
    pub secret: SecretDigest,
}

/// A key as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What the service is called.
    pub name: ApiKeyName,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When its secret was replaced, if it was.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute or so.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ceased to be good, if it did.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Ok(*scope));
        }
        let refused = Scope::parse("admin:everything").expect_err("no such scope");
        assert!(refused.to_string().contains("admin:events"), "{refused}");
        assert!(Scope::ALL.is_sorted());
    }

    #[test]
    fn a_key_may_do_something_and_nothing_twice() {
        assert!(Scopes::try_new(Vec::new()).is_err());
        let scopes = [Scope::UsersRead, Scope::BookingsRead, Scope::UsersRead];
        let scopes = Scopes::try_new(scopes.to_vec()).expect("scopes");
        assert!(scopes.iter().eq([Scope::BookingsRead, Scope::UsersRead]));
        assert!(scopes.contain(Scope::UsersRead) && !scopes.contain(Scope::UsersWrite));
    }
}

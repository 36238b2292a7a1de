//! Identifiers: positive 64-bit integers, one type per kind of thing so that
//! they cannot be mixed up.

use serde::{Deserialize, Serialize};

use super::Invalid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// Accepts a positive number.
            ///
            /// # Errors
            /// Zero and negative numbers are never ids.
            pub fn try_new(id: i64) -> Result<Self, Invalid> {
                if id > 0 {
                    Ok(Self(id))
                } else {
                    Err(Invalid::new("must be a positive integer"))
                }
            }

            /// The number itself.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = Invalid;

            fn try_from(id: i64) -> Result<Self, Invalid> {
                Self::try_new(id)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Names an event.
    EventId
);
id!(
    /// Names a booking.
    BookingId
);
id!(
    /// Names a registered user.
    UserId
);
id!(
    /// Names a login.
    SessionId
);
id!(
    /// Names a service's key.
    ApiKeyId
);
id!(
    /// Names an entry of the audit log.
    AuditId
);

//! Secrets: what is kept of those that clients hold, and passwords.

use std::fmt;

use super::Invalid;

/// The SHA-256 digest of a random secret that a client holds. Secrets have 256
/// random bits, so the digest needs no salt and tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

/// A password as its owner chose it: 10 to 128 characters of any kind.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Shorter ones are guessed.
    const CHARACTERS_MIN: usize = 10;
    /// Longer ones only cost time.
    const CHARACTERS_MAX: usize = 128;

    /// Accepts 10 to 128 characters; nothing is trimmed.
    ///
    /// # Errors
    /// Refuses every other length.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let characters = text.chars().count();
        if (Self::CHARACTERS_MIN..=Self::CHARACTERS_MAX).contains(&characters) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(format!(
                "must have between {} and {} characters",
                Self::CHARACTERS_MIN,
                Self::CHARACTERS_MAX
            )))
        }
    }

    /// The text itself, to be hashed and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The salted hash of a password, with its parameters: a string in the PHC
/// format, which the domain does not look into.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The hash with this text.
    pub fn from_phc(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_ten_to_a_hundred_and_twenty_eight_characters() {
        for good in ["0123456789", "ಉತ್ಸವ ಉತ್ಸವ", &"x".repeat(128), "          "]
        {
            assert_eq!(Password::parse(good).expect("a password").reveal(), good);
        }
        for bad in ["", "012345678", &"x".repeat(129)] {
            assert!(Password::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_kept_of_a_secret_is_kept_as_it_is() {
        assert_eq!(SecretDigest::from_bytes([7; 32]).as_bytes(), &[7; 32]);
        let phc = "$argon2id$horse";
        assert_eq!(PasswordHash::from_phc(phc.to_owned()).as_phc(), phc);
    }

    #[test]
    fn no_secret_shows_in_a_log() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Password::parse("correct horse").expect("a password"),
            PasswordHash::from_phc("$argon2id$horse".to_owned()),
            SecretDigest::from_bytes([7; 32]),
        );
        assert_eq!(shown, "Password(…) PasswordHash(…) SecretDigest(…)");
    }
}

//! Random secrets that clients hold, and their digests, which we keep.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::model::SecretDigest;
use sha2::{Digest, Sha256};

/// What a secret is for. It can be told by looking at it, so that scanners
/// find secrets that went astray, and one is not taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretKind {
    /// Proves a user.
    Access,
    /// Is exchanged for the next access token.
    Refresh,
    /// Sets a password once.
    PasswordToken,
    /// Proves a service.
    ApiKey,
}

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Access => "utsavam_at_",
            Self::Refresh => "utsavam_rt_",
            Self::PasswordToken => "utsavam_pt_",
            Self::ApiKey => "utsavam_key_",
        }
    }

    /// What is kept of the secret that a client showed, if it looks like one of
    /// this kind.
    pub(crate) fn digest(self, shown: &str) -> Option<SecretDigest> {
        let random = shown.strip_prefix(self.prefix())?;
        let mut bytes = [0; 33];
        let length = URL_SAFE_NO_PAD.decode_slice(random, &mut bytes).ok()?;
        (length == 32).then(|| digest(shown))
    }
}

/// Plain SHA-256 will do, as nobody can guess 256 random bits.
fn digest(secret: &str) -> SecretDigest {
    SecretDigest::from_bytes(Sha256::digest(secret).into())
}

/// A secret as it is shown to its holder, once.
pub(crate) struct Secret(String);

impl Secret {
    /// A new one, with 256 bits of the system's randomness.
    ///
    /// # Errors
    /// The system has none.
    pub(crate) fn generate(kind: SecretKind) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let random = URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self(format!("{}{random}", kind.prefix())))
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> SecretDigest {
        digest(&self.0)
    }

    /// The text, for its holder and nobody else.
    pub(crate) fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [SecretKind; 4] = [
        SecretKind::Access,
        SecretKind::Refresh,
        SecretKind::PasswordToken,
        SecretKind::ApiKey,
    ];

    #[test]
    fn a_secret_is_recognised_as_what_it_is_and_as_nothing_else() {
        for kind in KINDS {
            let secret = Secret::generate(kind).expect("randomness");
            let digest = secret.digest();
            let text = secret.reveal();
            for other in KINDS {
                assert_eq!(other.digest(&text), (other == kind).then_some(digest));
            }
        }
    }

    #[test]
    fn no_two_are_alike_and_none_shows_in_a_log() {
        let one = Secret::generate(SecretKind::Access).expect("randomness");
        let two = Secret::generate(SecretKind::Access).expect("randomness");
        assert_ne!(one.digest(), two.digest());
        assert_eq!(format!("{one:?}"), "Secret(…)");
    }

    proptest! {
        #[test]
        fn any_text_is_a_secret_or_none(text in ".{0,80}", kind in prop::sample::select(KINDS.to_vec())) {
            prop_assert!(kind.digest(&text).is_none());
            let prefixed = format!("{}{text}", kind.prefix());
            if kind.digest(&prefixed).is_some() {
                prop_assert_eq!(text.len(), 43);
            }
        }
    }
}

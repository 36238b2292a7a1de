//! The admin keys: who knows one may do everything.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The keys that are good, kept and compared as digests: comparing takes as
/// long for a wrong key of any length as for a right one.
#[derive(Clone)]
pub(crate) struct AdminKeys(Vec<[u8; 32]>);

impl AdminKeys {
    /// One key, or two while one replaces the other.
    pub(crate) fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        let digests = keys.into_iter().map(|key| Sha256::digest(key).into());
        Self(digests.collect())
    }

    /// Whether this is one of them. All are compared, whichever it is.
    pub(crate) fn contain(&self, key: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        let found = self.0.iter().map(|own| own.ct_eq(&digest));
        found.fold(Choice::from(0), |any, one| any | one).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_two_keys_is_good_and_no_other() {
        let keys = AdminKeys::new(["old key", "new key"]);
        assert!(keys.contain(b"old key") && keys.contain(b"new key"));
        for wrong in ["", "old", "old key ", "old keynew key", "NEW KEY"] {
            assert!(!keys.contain(wrong.as_bytes()), "{wrong:?}");
        }
    }
}

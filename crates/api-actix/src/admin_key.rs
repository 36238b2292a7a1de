//! The admin key: who knows it may organise.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The admin key, kept and compared as a digest: comparing takes as long for a
/// wrong key of any length as for the right one.
#[derive(Clone)]
pub(crate) struct AdminKey([u8; 32]);

impl AdminKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Whether this is the key.
    pub(crate) fn is(&self, key: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.0.ct_eq(&digest).into()
    }
}

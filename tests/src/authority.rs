//! A certificate authority of a test's own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// Somebody who signs certificates, and whom those may trust who choose to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate with its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// One that nobody knows yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = TempDir::with_prefix("utsavam_test_").expect("a temporary folder");
        std::fs::write(folder.path().join("root.pem"), issuer.pem()).expect("a file");
        Self { issuer, folder }
    }

    /// A certificate for a server of that name.
    pub fn certify(&self, host: &str) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a host's name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a signature");
        Certificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// The certificate of the authority itself.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A file with the certificate of the authority itself.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }
}

//! TLS for servers that a test starts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Authority, Certificate};

/// The file of a server's folder that names whom it trusts.
pub(crate) const ROOTS: &str = "roots.pem";

/// Has a server speak TLS and nothing else, also with its likes.
#[derive(Debug, Clone)]
pub struct Encryption {
    pub(crate) host: String,
    certificate: Certificate,
    /// Whom servers and the test itself trust, in PEM.
    pub(crate) roots: String,
}

impl Encryption {
    /// With a certificate for that host. Servers that are to understand one another
    /// trust the same authorities.
    pub fn new(host: &str, by: &Authority, trusted: &[&Authority]) -> Self {
        let roots = trusted.iter().map(|authority| authority.pem());
        Self {
            host: host.to_owned(),
            certificate: by.certify(host),
            roots: roots.collect(),
        }
    }

    /// The arguments of a Redis that is so, but for its port. Puts files into its folder.
    pub(crate) fn settings(&self, folder: &Path) -> Vec<String> {
        let mut settings = Vec::new();
        for (setting, name, pem) in [
            (
                "--tls-cert-file",
                "redis.crt",
                &self.certificate.certificate,
            ),
            ("--tls-key-file", "redis.key", &self.certificate.key),
            ("--tls-ca-cert-file", ROOTS, &self.roots),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, pem).expect("our own folder");
            // Redis may run as another user.
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(&path, open).expect("our own file");
            settings.extend([setting.to_owned(), path.display().to_string()]);
        }
        for (setting, value) in [
            ("--tls-auth-clients", "no"),
            ("--tls-replication", "yes"),
            ("--tls-cluster", "yes"),
        ] {
            settings.extend([setting.to_owned(), value.to_owned()]);
        }
        settings
    }
}

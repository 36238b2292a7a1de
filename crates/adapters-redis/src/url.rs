//! From a URL to where Redis is, and to whom is trusted to be it.

use std::path::PathBuf;

use deadpool_redis::redis::{
    self, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::ConnectError;

/// The parameter of a `rediss://` URL that names a file of certificates to
/// trust instead of the system's; it is called as in URLs of PostgreSQL.
const ROOT_FILE: &str = "sslrootcert";

/// What stands there for the system's.
const SYSTEM: &str = "system";

/// Reads a URL. One that asks for TLS is for a server whose certificate is
/// right.
pub(crate) fn parse(url: &str) -> Result<ConnectionInfo, ConnectError> {
    // The cause may quote parts of the URL, so it is left out.
    let info = url.into_connection_info().map_err(|_| ConnectError::Url)?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(ConnectError::Unverified),
        ConnectionAddr::TcpTls { .. } => match root_file(url) {
            Some(path) => trusting(info, path),
            None => Ok(info),
        },
        _ => Ok(info),
    }
}

fn root_file(url: &str) -> Option<PathBuf> {
    let url = redis::parse_redis_url(url)?;
    let (_, path) = url.query_pairs().find(|(name, _)| name == ROOT_FILE)?;
    let is_file = !path.is_empty() && path != SYSTEM;
    is_file.then(|| PathBuf::from(path.into_owned()))
}

/// The same, but only those are trusted whom the file names.
fn trusting(info: ConnectionInfo, path: PathBuf) -> Result<ConnectionInfo, ConnectError> {
    let wrong = |reason: String| ConnectError::RootFile {
        path: path.clone(),
        reason,
    };
    let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    // The client would trust nobody then, and fail much later.
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err(wrong("no certificate is in it".to_owned()));
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(pem),
    };
    let client = Client::build_with_tls(info, certificates)
        .map_err(|error| wrong(error.detail().unwrap_or("is not understood").to_owned()))?;
    Ok(client.get_connection_info().clone())
}

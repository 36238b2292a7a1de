//! How spans get to the collector: HTTP/1.1 from a thread that may be blocked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::failure::Failure;

/// How long the collector may take to answer, and attempts to reach it may go on.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// More than a collector says.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A client that goes to the collector itself: no proxy, no redirection, no other address.
#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    /// # Errors
    /// The URL wants encryption, and the system has no certificates to verify it by.
    pub(super) fn for_url(url: &str) -> Result<Self, Failure> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        let config = match url.starts_with("https:") {
            true => config.tls_config(verifying()?),
            false => config,
        };
        Ok(Self(config.build().new_agent()))
    }
}

/// By the certificates that the system trusts, as for databases.
fn verifying() -> Result<TlsConfig, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let trusted: Vec<_> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
        .collect();
    if trusted.is_empty() {
        return Err(Failure::new(
            "traces.endpoint is https, but the system has no certificates to verify it by",
        ));
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(trusted)))
        .unversioned_rustls_crypto_provider(ring)
        .build())
}

#[async_trait]
impl HttpClient for Client {
    /// Blocks: only the thread that sends spans calls it.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.run(request.map(|body| body.to_vec()))?;
        let (head, body) = answer.into_parts();
        let body = body
            .into_with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

//! What browsers are told about every answer.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};

use crate::settings::HttpSettings;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// JSON loads nothing, and stands in nobody's frame.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Swagger UI loads its own files and asks its own server. It sets styles on
/// elements, and has pictures in them.
const SWAGGER_UI: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// The headers that depend on settings.
#[derive(Debug, Clone)]
pub(crate) struct SecurityHeaders {
    hsts: Option<HeaderValue>,
}

impl SecurityHeaders {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        let hsts = settings.hsts_max_age.map(|age| {
            HeaderValue::try_from(format!("max-age={}", age.as_secs()))
                .expect("digits are fit for a header")
        });
        Self { hsts }
    }

    /// Adds them to the answer for that path.
    pub(crate) fn add(&self, path: &str, status: StatusCode, headers: &mut HeaderMap) {
        let is_docs = path == "/docs" || path.starts_with("/docs/");
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            if is_docs { SWAGGER_UI } else { NOTHING },
        );
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(
            CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static("same-origin"),
        );
        if let Some(hsts) = &self.hsts {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        // Only what everybody may read may be kept by caches.
        let is_public = is_docs || path == "/events" || path.starts_with("/events/");
        let is_error = status.is_client_error() || status.is_server_error();
        if is_error || !is_public {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

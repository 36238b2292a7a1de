//! Which pages may call the interface from a browser: none, unless the
//! settings name their origins.

use actix_cors::Cors;

/// What such a page may send, beside what any page may.
const ALLOWED: [&str; 7] = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "X-Admin-Key",
    "X-API-Key",
    "X-Request-Id",
];

/// What it may read, beside what any page may.
const EXPOSED: [&str; 9] = [
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// How long a browser may remember what it was told, in seconds.
const REMEMBERED: usize = 600;

/// Tells browsers that pages of these origins may call. Cookies are not for
/// this interface, so nothing is said of credentials.
pub(crate) fn for_origins(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(ALLOWED)
        .expose_headers(EXPOSED)
        .max_age(REMEMBERED);
    origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

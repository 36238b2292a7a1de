//! Conditional requests (RFC 9110, section 13) for answers that carry an ETag.
//!
//! Stands outside of compression, because a strong ETag names the bytes that
//! are sent: each content coding has one of its own.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    TRANSFER_ENCODING, VARY,
};
use actix_web::middleware::Next;

/// Completes the ETag that a handler made from the plain body, and answers 304
/// to a client that has it already.
pub(crate) async fn answer<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let known: Vec<HeaderValue> = request.headers().get_all(IF_NONE_MATCH).cloned().collect();
    let mut response = next.call(request).await?;
    if response.status() != StatusCode::OK || !response.headers().contains_key(ETAG) {
        return Ok(response.map_into_left_body());
    }
    let etag = complete(response.headers());
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, value);
    }
    if !known
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| matches(list, &etag))
    {
        return Ok(response.map_into_left_body());
    }
    let (request, response) = response.into_parts();
    let mut response = response.drop_body();
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    for header in [
        CONTENT_TYPE,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
    ] {
        response.headers_mut().remove(header);
    }
    Ok(ServiceResponse::new(request, response.map_into_boxed_body()).map_into_right_body())
}

/// `"abc"` for the plain body, `"abc-gzip"` for the compressed one.
fn complete(headers: &HeaderMap) -> String {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let tag = text(ETAG).unwrap_or_default().trim_matches('"');
    match text(CONTENT_ENCODING) {
        None | Some("identity") => format!("\"{tag}\""),
        Some(coding) => format!("\"{tag}-{coding}\""),
    }
}

/// The weak comparison that If-None-Match asks for.
fn matches(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        for list in ["\"a\"", "W/\"a\"", "*", "\"b\", \"a\"", "\"b\",W/\"a\""] {
            assert!(matches(list, "\"a\""), "{list}");
        }
        for list in ["\"b\"", "a", "", "\"a-gzip\""] {
            assert!(!matches(list, "\"a\""), "{list}");
        }
    }
}

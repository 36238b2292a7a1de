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
    list.trim_matches([' ', '\t']) == "*" || tags(list).any(|tag| tag == etag.trim_matches('"'))
}

/// What stands between the quotes of each tag, a comma perhaps. A list that is
/// malformed ends there.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let tag = list.trim_start_matches([' ', '\t', ',']);
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        let (tag, rest) = tag.strip_prefix('"')?.split_once('"')?;
        list = rest;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tag by RFC 9110, in ASCII: it may hold commas and asterisks, too.
    const OPAQUE: &str = "(W/)?\"([!#-~]{0,20}|[*,]{0,5})\"";

    proptest! {
        #[test]
        fn any_list_is_read(list in ".{0,80}") {
            let is_any = list.trim_matches([' ', '\t']) == "*";
            prop_assert_eq!(matches(&list, "\"ours, which nobody has\""), is_any);
        }

        #[test]
        fn a_tag_is_found_where_it_is_and_nowhere_else(
            others in prop::collection::vec(OPAQUE, 0..4),
            ours in "\"[0-9a-f]{4}(-gzip)?\"",
            place in any::<prop::sample::Index>(),
            weak in any::<bool>(),
        ) {
            let is_ours = |tag: &String| tag.trim_start_matches("W/") == ours;
            prop_assume!(!others.iter().any(is_ours));
            prop_assert!(!matches(&others.join(", "), &ours), "{others:?}");
            let mut tags = others;
            let place = place.index(tags.len() + 1);
            tags.insert(place, if weak { format!("W/{ours}") } else { ours.clone() });
            prop_assert!(matches(&tags.join(","), &ours), "{tags:?}");
        }
    }

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

//! In open mode a server trusts whoever reaches it, because only its own
//! machine can. A proxy on that machine would let everybody in, and a page in a
//! browser on it may be anybody's.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::http::uri::Authority;
use actix_web::middleware::Next;

use crate::http::problem::Problem;
use crate::http::status::{foreign_in_open_mode, forwarded_in_open_mode};

/// Refuses requests that somebody has passed on, and those of pages that are not
/// of this machine.
pub(crate) async fn refuse_strangers<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    match check(request.headers()) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(refusal) => {
            let refusal = refusal.into_response();
            Ok(request.into_response(refusal).map_into_right_body())
        }
    }
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(name) = headers.keys().find(|name| is_forwarding(name)) {
        return Err(forwarded_in_open_mode(name.as_str()));
    }
    // A name of somebody else's may be made to lead here (DNS rebinding).
    let is_ours = |authority: &str| {
        let authority = authority.parse::<Authority>();
        authority.is_ok_and(|authority| is_of_this_machine(authority.host()))
    };
    let host = headers.get(HOST).map(|host| host.to_str());
    if !host.is_none_or(|host| host.is_ok_and(is_ours)) {
        return Err(foreign_in_open_mode("Host"));
    }
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str());
    let is_our_origin = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some_and(is_ours)
    };
    if !origin.is_none_or(|origin| origin.is_ok_and(is_our_origin)) {
        return Err(foreign_in_open_mode("Origin"));
    }
    Ok(())
}

/// What proxies add to the requests that they pass on, most of them.
fn is_forwarding(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["forwarded", "via", "x-real-ip"].contains(&name)
        || name.starts_with("x-forwarded")
        || name.ends_with("-client-ip")
        || name.ends_with("-connecting-ip")
}

fn is_of_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn code(name: &str, value: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        let name = HeaderName::try_from(name).expect("a name");
        headers.insert(name, HeaderValue::try_from(value).expect("a value"));
        check(&headers).err().map(|problem| problem.code)
    }

    #[test]
    fn only_this_machine_is_let_in() {
        for (name, value) in [
            ("Host", "localhost"),
            ("Host", "LOCALHOST:8000"),
            ("Host", "127.0.0.1:8000"),
            ("Host", "127.1.2.3"),
            ("Host", "[::1]:8000"),
            ("Origin", "http://127.0.0.1:8000"),
            ("Origin", "http://localhost"),
            ("Accept", "text/html"),
        ] {
            assert_eq!(code(name, value), None, "{name}: {value}");
        }
        for (name, value) in [
            ("Host", "evil.example:8000"),
            ("Host", "localhost.evil.example"),
            ("Host", "192.0.2.1"),
            ("Host", ""),
            ("Host", "a b"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Origin", "127.0.0.1"),
        ] {
            assert_eq!(
                code(name, value),
                Some("foreign_in_open_mode"),
                "{name}: {value}"
            );
        }
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded",
            "CF-Connecting-IP",
            "True-Client-IP",
            "X-Cluster-Client-IP",
        ] {
            assert_eq!(code(name, "x"), Some("forwarded_in_open_mode"), "{name}");
        }
    }
}

//! Which requests are limited by which policy.

use actix_web::http::Method;

/// What a request is to the rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateClass {
    Read,
    Book,
    Register,
    Admin,
}

/// The class of a request; nothing for what is never limited. A path that nobody
/// thought of is a reading one, so that none is forgotten.
///
/// `path` as routes see it: with what is written as `%62` in place of a letter
/// put right.
pub(crate) fn class_of(method: &Method, path: &str) -> Option<RateClass> {
    let is_below = |folder: &str| {
        let rest = path.strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match path {
        // Asked by whoever runs the service, and costing nothing.
        "/health" | "/ready" | "/openapi.json" => None,
        _ if is_below("/docs") => None,
        _ if is_below("/admin") => Some(RateClass::Admin),
        "/bookings" if method == Method::POST => Some(RateClass::Book),
        _ if is_below("/bookings") && method == Method::DELETE => Some(RateClass::Book),
        "/users" if method == Method::POST => Some(RateClass::Register),
        _ => Some(RateClass::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::openapi;

    #[test]
    fn every_call_has_the_policy_of_what_it_does() {
        use RateClass::{Admin, Book, Read, Register};
        for (method, path, class) in [
            (Method::GET, "/events", Some(Read)),
            (Method::HEAD, "/events/1", Some(Read)),
            (Method::GET, "/bookings/1", Some(Read)),
            (Method::GET, "/users/1/bookings", Some(Read)),
            (Method::GET, "/nothing", Some(Read)),
            (Method::GET, "/healthy", Some(Read)),
            (Method::GET, "/docsx", Some(Read)),
            (Method::POST, "/bookings", Some(Book)),
            (Method::DELETE, "/bookings/1", Some(Book)),
            (Method::POST, "/users", Some(Register)),
            (Method::POST, "/admin/events", Some(Admin)),
            (Method::GET, "/admin", Some(Admin)),
            (Method::GET, "/administer", Some(Read)),
            (Method::GET, "/health", None),
            (Method::GET, "/ready", None),
            (Method::GET, "/openapi.json", None),
            (Method::GET, "/docs", None),
            (Method::GET, "/docs/index.css", None),
        ] {
            assert_eq!(class_of(&method, path), class, "{method} {path}");
        }
    }

    #[test]
    fn what_is_described_as_limited_is_limited() {
        let document = serde_json::to_value(openapi::document()).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        for (path, item) in paths {
            for (method, operation) in item.as_object().expect("operations") {
                let verb = method.to_uppercase().parse().expect("a method");
                let is_limited = class_of(&verb, path).is_some();
                let is_described = operation["responses"].get("429").is_some();
                assert_eq!(is_limited, is_described, "{method} {path}");
            }
        }
    }
}

//! What a request shows to prove who is calling.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use domain::model::SecretDigest;

use super::SecretKind;

/// The header of the admin key.
pub(crate) const ADMIN_KEY: &str = "X-Admin-Key";
/// The header of a service's key.
pub(crate) const API_KEY: &str = "X-API-Key";

/// The headers that show a credential, as they are looked for, and as they are
/// written. Every request is searched for them.
static HEADERS: [(HeaderName, &str); 3] = [
    (AUTHORIZATION, "Authorization"),
    (HeaderName::from_static("x-api-key"), API_KEY),
    (HeaderName::from_static("x-admin-key"), ADMIN_KEY),
];

/// What a request shows; what cannot be right is `None` inside.
#[derive(Debug)]
pub(crate) enum Credential<'r> {
    /// A user's access token.
    AccessToken(Option<SecretDigest>),
    /// A service's key.
    ApiKey(Option<SecretDigest>),
    /// An admin key.
    AdminKey(&'r [u8]),
}

impl Credential<'_> {
    /// Whether the headers show any, right or wrong.
    pub(crate) fn is_shown(headers: &HeaderMap) -> bool {
        HEADERS.iter().any(|(name, _)| headers.contains_key(name))
    }
}

impl<'r> Credential<'r> {
    /// The one that the headers show, if any.
    ///
    /// # Errors
    /// The name of a header too many: it is not clear who is calling.
    pub(crate) fn find(headers: &'r HeaderMap) -> Result<Option<Self>, &'static str> {
        let mut found = None;
        for (name, written) in &HEADERS {
            for value in headers.get_all(name) {
                if found.replace((written, value.as_bytes())).is_some() {
                    return Err(written);
                }
            }
        }
        Ok(found.map(|(written, value)| match *written {
            API_KEY => Self::ApiKey(text(value).and_then(|key| SecretKind::ApiKey.digest(key))),
            ADMIN_KEY => Self::AdminKey(value),
            _ => Self::AccessToken(bearer(value)),
        }))
    }
}

/// `Bearer <token>` by RFC 6750; the scheme in any case, as RFC 9110 has it.
fn bearer(value: &[u8]) -> Option<SecretDigest> {
    let (scheme, token) = text(value)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    SecretKind::Access.digest(token.trim_start_matches(' '))
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::super::Secret;
    use super::*;

    fn headers(given: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let name = HeaderName::try_from(*name).expect("a name");
            headers.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn each_header_has_its_credential() {
        let token = Secret::generate(SecretKind::Access)
            .expect("randomness")
            .reveal();
        let key = Secret::generate(SecretKind::ApiKey)
            .expect("randomness")
            .reveal();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let value = format!("{scheme} {token}");
            let headers = headers(&[("Authorization", value.as_bytes())]);
            let found = Credential::find(&headers);
            assert!(matches!(found, Ok(Some(Credential::AccessToken(Some(_))))));
        }
        let headers_ = headers(&[("x-api-key", key.as_bytes())]);
        let found = Credential::find(&headers_);
        assert!(matches!(found, Ok(Some(Credential::ApiKey(Some(_))))));
        let headers_ = headers(&[("x-admin-key", b"secret")]);
        let found = Credential::find(&headers_);
        assert!(matches!(found, Ok(Some(Credential::AdminKey(b"secret")))));
        assert!(matches!(Credential::find(&headers(&[])), Ok(None)));
    }

    #[test]
    fn what_cannot_be_right_is_a_credential_all_the_same() {
        for wrong in ["", "Bearer", "Bearer x", "Basic YTpi", "utsavam_at_"] {
            let headers = headers(&[("Authorization", wrong.as_bytes())]);
            let found = Credential::find(&headers);
            assert!(
                matches!(found, Ok(Some(Credential::AccessToken(None)))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn two_are_one_too_many() {
        let given: &[(&str, &[u8])] = &[("Authorization", b"a"), ("X-Admin-Key", b"b")];
        assert_eq!(Credential::find(&headers(given)).err(), Some("X-Admin-Key"));
        let given: &[(&str, &[u8])] = &[("X-Admin-Key", b"a"), ("X-Admin-Key", b"a")];
        assert_eq!(Credential::find(&headers(given)).err(), Some("X-Admin-Key"));
    }

    proptest! {
        #[test]
        fn any_headers_are_read(
            // Whatever a header may hold, text or not.
            values in prop::collection::vec(
                prop::collection::vec(prop_oneof![32..=126_u8, 128..=255_u8], 0..60), 0..4,
            ),
        ) {
            let names = ["Authorization", "X-API-Key", "X-Admin-Key", "Accept"];
            let given: Vec<_> = names.iter().copied().zip(values.iter().map(Vec::as_slice)).collect();
            let shown = given.len().min(3);
            prop_assert_eq!(Credential::find(&headers(&given)).is_err(), shown > 1);
        }
    }
}

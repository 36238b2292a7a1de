//! The header `Idempotency-Key`.

use actix_web::HttpRequest;
use domain::model::{IdempotencyKey, Invalid};

/// The name of the header, and of the field in problems about it.
pub(crate) const HEADER: &str = "Idempotency-Key";

/// The header as it came, not yet checked.
pub(crate) struct IdempotencyHeader(Option<Result<IdempotencyKey, Invalid>>);

impl IdempotencyHeader {
    /// Reads the header of a request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let mut values = request.headers().get_all(HEADER);
        let parsed = values.next().map(|value| match value.to_str() {
            Ok(text) => parse(text),
            Err(_) => std::str::from_utf8(value.as_bytes())
                .map_err(|_| Invalid::new("must be UTF-8"))
                .and_then(parse),
        });
        match (parsed, values.next()) {
            (_, Some(_)) => Self(Some(Err(Invalid::new("must not be given twice")))),
            (parsed, None) => Self(parsed),
        }
    }

    /// The key, if the header was there.
    pub(crate) fn into_inner(self) -> Option<Result<IdempotencyKey, Invalid>> {
        self.0
    }
}

/// The draft says a quoted string (RFC 8941: with `\"` and `\\`), many clients
/// send the bare value; both are the same key.
fn parse(text: &str) -> Result<IdempotencyKey, Invalid> {
    let text = text.trim_matches([' ', '\t']);
    match text.strip_prefix('"') {
        None => IdempotencyKey::parse(text),
        Some(rest) => IdempotencyKey::parse(&unquote(rest)?),
    }
}

fn unquote(rest: &str) -> Result<String, Invalid> {
    let unbalanced = || Invalid::new("must be a bare value or a quoted string");
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next() {
            Some('"') if characters.as_str().is_empty() => return Ok(key),
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(unbalanced()),
            },
            Some('"') | None => return Err(unbalanced()),
            Some(character) => key.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    /// The key of a request with this header, if HTTP can carry it.
    fn of_header(value: &[u8]) -> Option<Result<IdempotencyKey, Invalid>> {
        let value = HeaderValue::from_bytes(value).ok()?;
        let request = TestRequest::default().insert_header((HEADER, value));
        IdempotencyHeader::of(&request.to_http_request()).into_inner()
    }

    /// As the draft writes keys.
    fn quoted(key: &IdempotencyKey) -> String {
        let escaped = key.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    }

    proptest! {
        #[test]
        fn any_header_is_refused_or_a_key_that_can_be_written_again(
            value in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300),
                "[ \t]*\"?([^\"]|\\\\[\"\\\\x])*\"?[ \t]*".prop_map(String::into_bytes),
            ],
        ) {
            if let Some(Ok(key)) = of_header(&value) {
                prop_assert!((1..=255).contains(&key.as_str().chars().count()));
                let again = of_header(quoted(&key).as_bytes());
                prop_assert_eq!(again, Some(Ok(key)));
            }
        }

        #[test]
        fn every_key_can_be_sent(text in "[^\\p{Cc}]{1,255}") {
            let key = IdempotencyKey::parse(&text).expect("a key");
            prop_assert_eq!(of_header(quoted(&key).as_bytes()), Some(Ok(key)));
        }
    }

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        let key = |text: &str| IdempotencyKey::parse(text);
        for (header, parsed) in [
            ("abc", key("abc")),
            ("\"abc\"", key("abc")),
            (" \"a\\\"b\\\\c\" ", key("a\"b\\c")),
            ("a\"b", key("a\"b")),
        ] {
            assert_eq!(parse(header), parsed, "{header}");
        }
        for bad in [
            "",
            "\"",
            "\"abc",
            "\"a\"b\"",
            "\"\"",
            "\"a\\x\"",
            &"k".repeat(256),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

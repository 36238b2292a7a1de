//! JSON bodies: read within limits of size and time, then parsed strictly.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, BytesMut};
use actix_web::{FromRequest, HttpRequest, dev};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::app::App;
use crate::http::problem::Problem;
use crate::http::status::{
    body_too_large, body_too_slow, malformed_json, unsupported_content_coding,
    unsupported_media_type,
};
use crate::settings::HttpSettings;

/// A request body that is JSON and has the members of `T`, no others.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let payload = payload.take();
        let request = request.clone();
        Box::pin(async move {
            let app = request.app_data::<web::Data<App>>();
            let app = app.ok_or_else(|| Problem::internal("no app data".into()))?;
            let body = read(&request, payload, &app.limits).await?;
            if !is_json(&request) {
                return Err(unsupported_media_type());
            }
            if is_encoded(&request) {
                return Err(unsupported_content_coding());
            }
            parse(&body).map(Self)
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Bodies are small: nobody needs to compress them, and nobody can send a bomb.
fn is_encoded(request: &HttpRequest) -> bool {
    let coding = request.headers().get(CONTENT_ENCODING);
    coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A body that is too long is read on and thrown away up to this many times
/// the limit, because a client that is still sending does not look at the
/// answer before it is done.
const DISCARD_TIMES: usize = 64;

async fn read(
    request: &HttpRequest,
    payload: dev::Payload,
    limits: &HttpSettings,
) -> Result<BytesMut, Problem> {
    let bytes_max = limits.body_bytes_max.get();
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced
        .and_then(|text| text.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > bytes_max.saturating_mul(DISCARD_TIMES) {
        return Err(body_too_large(bytes_max));
    }
    let reading = collect(payload, bytes_max);
    match tokio::time::timeout(limits.body_timeout, reading).await {
        Ok(body) => body,
        Err(_) => Err(body_too_slow()),
    }
}

async fn collect(mut payload: dev::Payload, bytes_max: usize) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    let mut bytes = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|error| malformed_json(format!("the body broke off: {error}")))?;
        bytes = bytes.saturating_add(chunk.len());
        if bytes <= bytes_max {
            body.extend_from_slice(&chunk);
        } else if bytes > bytes_max.saturating_mul(DISCARD_TIMES) {
            break;
        }
    }
    if bytes > bytes_max {
        Err(body_too_large(bytes_max))
    } else {
        Ok(body)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Derived deserialisers would take an array of the members' values, too.
    if body
        .trim_ascii_start()
        .first()
        .is_some_and(|&byte| byte != b'{')
    {
        return Err(malformed_json("the body must be a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|_| explain::<T>(body))
}

/// What is wrong with a body. Only now with the path to the place, because
/// following the path costs as much as parsing.
fn explain<T: DeserializeOwned>(body: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    match (parsed, deserializer.end()) {
        (Err(error), _) => {
            let path = error.path().to_string();
            wrong(&path, &error.into_inner())
        }
        (Ok(_), Err(error)) => wrong(".", &error),
        (Ok(_), Ok(())) => Problem::internal("a body was refused and then accepted".into()),
    }
}

/// Names the member that is wrong, as far as there is one.
fn wrong(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    for (beginning, message) in [
        ("unknown field `", "is not a member of this request"),
        ("missing field `", "is missing"),
        ("duplicate field `", "must not be given twice"),
    ] {
        if let Some(rest) = reason.strip_prefix(beginning) {
            let field = rest.split('`').next().unwrap_or_default();
            return Problem::invalid_field(field, message);
        }
    }
    let field = (path != "." && path != "?").then_some(path);
    match (field, error.classify()) {
        // "i64" is our word, not the client's.
        (Some(field), Category::Data) => Problem::invalid_field(
            field,
            reason.replace("expected i64", "expected a 64-bit integer"),
        ),
        (field, _) => {
            let problem =
                malformed_json(format!("the body is not the JSON of this request: {text}"));
            match field {
                Some(field) => problem.with_field(field, reason),
                None => problem,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::http::account::change_me::ChangeMeRequest;
    use crate::http::account::login::LoginRequest;
    use crate::http::account::refresh::RefreshRequest;
    use crate::http::account::set_password::SetPasswordRequest;
    use crate::http::admin::change_event::ChangeRequest;
    use crate::http::admin::create_api_key::CreateApiKeyRequest;
    use crate::http::admin::publish_event::PublishRequest;
    use crate::http::public::book::BookRequest;
    use crate::http::public::register_user::RegisterRequest;

    /// A body with a member of each kind that occurs.
    #[derive(Debug, PartialEq, Deserialize, serde::Serialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        seats: i64,
        name: Option<String>,
    }

    /// JSON of any shape, often with members that exist.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let name = prop_oneof![
            3 => "name|email|password|event_id|user_id|seats|scopes|start_at|capacity|token",
            1 => ".{0,6}",
        ];
        leaf.prop_recursive(3, 24, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Bytes, JSON, and JSON that broke off or has something in its middle.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            json().prop_map(|json| json.to_string().into_bytes()),
            (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, place, byte)| {
                let mut bytes = json.to_string().into_bytes();
                let place = place.index(bytes.len() + 1);
                bytes.insert(place, byte);
                bytes
            }),
            (json(), any::<prop::sample::Index>()).prop_map(|(json, place)| {
                let mut bytes = json.to_string().into_bytes();
                bytes.truncate(place.index(bytes.len() + 1));
                bytes
            }),
        ]
    }

    /// Read, or a refusal of which the client learns why.
    fn is_read_or_refused<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, TestCaseError> {
        match parse::<T>(body) {
            Ok(read) => Ok(Some(read)),
            Err(problem) => {
                prop_assert_eq!(problem.status.as_u16(), 400, "{}", problem.detail);
                let names_a_field = !problem.errors.is_empty();
                prop_assert!(names_a_field || problem.code == "malformed_json");
                prop_assert!(problem.errors.iter().all(|error| !error.message.is_empty()));
                Ok(None)
            }
        }
    }

    proptest! {
        #[test]
        fn any_body_of_any_call_is_read_or_refused(body in body()) {
            is_read_or_refused::<BookRequest>(&body)?;
            is_read_or_refused::<RegisterRequest>(&body)?;
            is_read_or_refused::<LoginRequest>(&body)?;
            is_read_or_refused::<RefreshRequest>(&body)?;
            is_read_or_refused::<SetPasswordRequest>(&body)?;
            is_read_or_refused::<ChangeMeRequest>(&body)?;
            is_read_or_refused::<PublishRequest>(&body)?;
            is_read_or_refused::<ChangeRequest>(&body)?;
            is_read_or_refused::<CreateApiKeyRequest>(&body)?;
        }

        #[test]
        fn what_is_read_says_what_was_sent(seats in any::<i64>(), name in any::<Option<String>>()) {
            let sent = Body { seats, name };
            let text = serde_json::to_vec(&sent).expect("JSON");
            prop_assert_eq!(is_read_or_refused::<Body>(&text)?, Some(sent));
        }

        #[test]
        fn a_number_is_an_integer_of_64_bits_in_digits(
            number in "-?(0|[1-9][0-9]{0,20})([.][0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        ) {
            let body = format!("{{\"seats\":{number}}}");
            // -0 counts as a fraction, as it does to JavaScript.
            let expected = number.parse::<i64>().ok().filter(|_| number != "-0");
            let read = is_read_or_refused::<Body>(body.as_bytes())?;
            prop_assert_eq!(read.map(|body| body.seats), expected);
        }

        #[test]
        fn a_member_that_is_unknown_or_wrong_is_named(name in "[a-z]{1,8}", value in json()) {
            prop_assume!(!["seats", "name"].contains(&name.as_str()));
            let body = serde_json::json!({"seats": 1, &name: value}).to_string();
            let refused = parse::<Body>(body.as_bytes()).expect_err("unknown");
            prop_assert_eq!(&refused.errors[0].field, &name);
            prop_assume!(!value.is_i64());
            let body = serde_json::json!({"seats": value}).to_string();
            let refused = parse::<Body>(body.as_bytes()).expect_err("no integer");
            prop_assert_eq!(refused.errors[0].field.as_str(), "seats");
        }
    }
}

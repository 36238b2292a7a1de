//! The outermost layer: gives every request an id, writes every error as a
//! problem, and logs what somebody must act on.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, TryIntoHeaderPair};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use tracing::Instrument;
use uuid::Uuid;

use crate::failure::with_causes;
use crate::http::limits::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::http::problem::{MEDIA_TYPE, Problem, Written};

/// Carries the request's id, there and back.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const ID_CHARACTERS_MAX: usize = 128;

/// In a request's extensions: its id.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id of a request; empty for one that has not come through here.
    pub(crate) fn of(request: &HttpRequest) -> String {
        let extensions = request.extensions();
        let id = extensions.get::<Self>();
        id.map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// Calls the rest of the service within the request's context.
pub(crate) async fn wrap<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let request_id = given_id(&request).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    request
        .extensions_mut()
        .insert(RequestId(request_id.clone()));
    // Off unless somebody debugs: a span costs more than many a request. What
    // is logged about a request by default names its id itself.
    let span = tracing::debug_span!(
        "request",
        id = %request_id,
        method = %request.method(),
        path = request.path(),
    );
    // Nothing inside answers with an `Err`: handlers' errors are responses by
    // then, and our own middleware makes responses.
    let response = match span.is_disabled() {
        true => next.call(request).await?,
        false => next.call(request).instrument(span.clone()).await?,
    };
    let _entered = span.enter();
    let mut response = render(response, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HEADER, value);
    }
    tracing::debug!(status = response.status().as_u16(), "answered");
    Ok(response)
}

/// An id that the caller chose, if it is fit for a log.
fn given_id(request: &ServiceRequest) -> Option<String> {
    let id = request.headers().get(HEADER)?.to_str().ok()?;
    let sane = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let fits = !id.is_empty() && id.len() <= ID_CHARACTERS_MAX && id.chars().all(sane);
    fits.then(|| id.to_owned())
}

/// Gives an error its body. Errors of the HTTP library come without a problem.
fn render<B: MessageBody>(
    response: ServiceResponse<B>,
    request_id: &str,
) -> ServiceResponse<EitherBody<B>> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response.map_into_left_body();
    }
    if response.response().extensions().contains::<Written>() {
        return response.map_into_left_body();
    }
    let carried = response.response().extensions().get::<Problem>().cloned();
    let problem = carried.unwrap_or_else(|| Problem::of_status(status));
    log(&problem, response.request(), request_id);
    let (request, response) = response.into_parts();
    let mut rendered = HttpResponse::build(problem.status);
    for name in [ALLOW, RATE_LIMIT, RATE_LIMIT_POLICY] {
        if let Some(value) = response.headers().get(&name) {
            rendered.insert_header((name, value.clone()));
        }
    }
    for (name, value) in &problem.headers {
        if let Ok(header) = (*name, value.as_str()).try_into_pair() {
            rendered.insert_header(header);
        }
    }
    rendered.insert_header((CONTENT_TYPE, MEDIA_TYPE));
    let body = serde_json::to_string(&problem.body(request_id)).unwrap_or_default();
    ServiceResponse::new(request, rendered.body(body)).map_into_right_body()
}

/// A 5xx is logged here, once, with what the client is not told. Being busy or
/// cut off is not worth a line for every buyer: one a second tells an operator
/// of a full disk or a lost database, and does not fill the disk itself.
fn log(problem: &Problem, request: &HttpRequest, request_id: &str) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id,
                method = %request.method(),
                path = request.path(),
                cause = cause_of(problem),
                "{problem}"
            )
        };
    }
    match problem.status {
        StatusCode::SERVICE_UNAVAILABLE if !is_first_of_this_second() => {}
        StatusCode::SERVICE_UNAVAILABLE => line!(warn),
        status if status.is_server_error() => line!(error),
        _ => {}
    }
}

fn cause_of(problem: &Problem) -> Option<String> {
    let cause = problem.cause.lock().ok()?.take()?;
    Some(with_causes(&*cause))
}

/// Whether nobody has asked in this second of the process's life.
fn is_first_of_this_second() -> bool {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    static LAST: AtomicU64 = AtomicU64::new(u64::MAX);
    let second = START.elapsed().as_secs();
    LAST.swap(second, Ordering::Relaxed) != second
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_id_is_taken_over_as_it_is_or_not_at_all(
            value in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[A-Za-z0-9_.:-]{0,140}".prop_map(String::into_bytes),
            ],
        ) {
            let Ok(header) = HeaderValue::from_bytes(&value) else {
                return Ok(());
            };
            let request = TestRequest::default().insert_header((HEADER, header)).to_srv_request();
            let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
            let fits = (1..=128).contains(&value.len()) && value.iter().all(is_safe);
            let expected = fits.then(|| String::from_utf8(value).expect("ASCII"));
            prop_assert_eq!(given_id(&request), expected);
        }
    }
}

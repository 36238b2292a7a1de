//! The outermost layer: gives every request an id and a time limit, writes
//! every error as a problem, adds what every answer has, and logs what somebody
//! must act on.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, TryIntoHeaderPair, VARY,
};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::security_headers::SecurityHeaders;
use crate::failure::with_causes;
use crate::http::connections::Connections;
use crate::http::limits::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::http::problem::{MEDIA_TYPE, Problem, Written};
use crate::http::status::{timed_out, uri_too_long};
use crate::metrics::{RequestWatch, RouteMetrics};
use crate::settings::HttpSettings;
use crate::traces::{self, RequestTraces};

/// Carries the request's id, there and back.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a caller.
const ID_CHARACTERS_MAX: usize = 128;

/// The longest path with its query. A query is a cursor and a few words.
pub(crate) const URI_BYTES_MAX: usize = 8 * 1024;

/// What the settings say about every request.
#[derive(Debug, Clone)]
pub(crate) struct Outermost {
    headers: SecurityHeaders,
    request_timeout: Duration,
    connections: Connections,
    /// Unless nothing is traced.
    traces: Option<RequestTraces>,
}

impl Outermost {
    pub(crate) fn new(
        settings: &HttpSettings,
        connections: Connections,
        traces: Option<RequestTraces>,
    ) -> Self {
        Self {
            headers: SecurityHeaders::new(settings),
            request_timeout: settings.request_timeout,
            connections,
            traces,
        }
    }
}

/// In a request's extensions: its id, and the route that it reached.
pub(crate) struct RequestContext {
    id: String,
    route: OnceCell<Rc<RouteMetrics>>,
}

impl RequestContext {
    /// The id of a request; empty for one that has not come through here.
    pub(crate) fn id_of(request: &HttpRequest) -> String {
        let extensions = request.extensions();
        let context = extensions.get::<Rc<Self>>();
        context
            .map(|context| context.id.clone())
            .unwrap_or_default()
    }

    /// Notes that a request has reached a route.
    pub(crate) fn reached(request: &HttpRequest, route: &Rc<RouteMetrics>) {
        if let Some(context) = request.extensions().get::<Rc<Self>>() {
            // The first one stays, but there is only one.
            let _ = context.route.set(Rc::clone(route));
        }
    }
}

/// Calls the rest of the service within the request's context.
pub(crate) async fn wrap<B: MessageBody + 'static>(
    outermost: Outermost,
    no_route: Rc<RouteMetrics>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let watch = RequestWatch::begin(&no_route, request.method());
    let request_id = given_id(&request).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
    let uri_bytes = request
        .uri()
        .path_and_query()
        .map_or(0, |uri| uri.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        let problem = uri_too_long(URI_BYTES_MAX);
        watch.answered(None, problem.status);
        return Err(refuse(&outermost, &problem, &request_id));
    }
    let context = Rc::new(RequestContext {
        id: request_id,
        route: OnceCell::new(),
    });
    request.extensions_mut().insert(Rc::clone(&context));
    let request_id = &*context.id;
    // Off unless somebody debugs: a span costs more than many a request. What
    // is logged about a request by default names its id itself.
    let span = tracing::debug_span!(
        "request",
        id = %request_id,
        method = %request.method(),
        path = request.path(),
    );
    let traced = match outermost.traces {
        None => Span::none(),
        Some(traces) => traces.begin(&request, request_id),
    };
    let method = request.method().clone();
    // What has begun to change something goes on when the waiting ends, see
    // `App::run`.
    let limit = outermost.request_timeout;
    let answered = match span.is_disabled() && traced.is_disabled() {
        true => tokio::time::timeout(limit, next.call(request)).await,
        false => {
            // The one for traces inside: what lies in a request finds it there.
            let called = next.call(request).instrument(traced.clone());
            tokio::time::timeout(limit, called.instrument(span.clone())).await
        }
    };
    let _entered = span.enter();
    // Nothing inside answers with an `Err`: handlers' errors are responses by
    // then, and our own middleware makes responses.
    let response = match answered {
        Ok(response) => response?,
        Err(_) => {
            if is_first_of_this_second() {
                tracing::warn!(request_id, "no answer was found within {limit:?}");
            }
            let problem = timed_out();
            let route = context.route.get();
            watch.answered(route, problem.status);
            traces::answered(
                &traced,
                &method,
                route.map(|it| it.template()),
                problem.status,
            );
            return Err(refuse(&outermost, &problem, request_id));
        }
    };
    let mut response = render(response, request_id);
    let status = response.status();
    let route = context.route.get();
    watch.answered(route, status);
    traces::answered(&traced, &method, route.map(|it| it.template()), status);
    let request = response.request().clone();
    complete(
        &outermost,
        request.path(),
        status,
        request_id,
        response.headers_mut(),
    );
    if outermost.connections.are_scarce() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    tracing::debug!(status = response.status().as_u16(), "answered");
    Ok(response)
}

/// An answer without the request that it belongs to, which is inside and may
/// not come back. An `Err` out of the outermost layer is sent as it is.
fn refuse(outermost: &Outermost, problem: &Problem, request_id: &str) -> Error {
    let mut response = written(problem, request_id, None);
    let status = response.status();
    complete(outermost, "", status, request_id, response.headers_mut());
    InternalError::from_response(problem.to_string(), response).into()
}

/// Adds what every answer has.
fn complete(
    outermost: &Outermost,
    path: &str,
    status: StatusCode,
    request_id: &str,
    headers: &mut HeaderMap,
) {
    outermost.headers.add(path, status, headers);
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HEADER, value);
    }
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
    let rendered = written(&problem, request_id, Some(response.headers()));
    ServiceResponse::new(request, rendered).map_into_right_body()
}

/// Headers of an answer that stay when its body is written.
const KEPT: [HeaderName; 6] = [
    ALLOW,
    VARY,
    RATE_LIMIT,
    RATE_LIMIT_POLICY,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
];

fn written(problem: &Problem, request_id: &str, kept: Option<&HeaderMap>) -> HttpResponse {
    let mut rendered = HttpResponse::build(problem.status);
    for name in KEPT {
        if let Some(value) = kept.and_then(|headers| headers.get(&name)) {
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
    rendered.body(body)
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

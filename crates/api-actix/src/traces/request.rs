//! The span of a request: whether there is one, whose trace it belongs to, what it says.
//!
//! It names the request by its id, its route and how it was answered. Nothing that a client
//! wrote is in it but the id, which is made to be passed on: no path, no query, no body, no
//! header.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TRACES;
use crate::metrics::method_label;
use crate::settings::TracesSettings;

/// In which callers say that a request is a part of theirs (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Decides which requests are traced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestTraces {
    ratio: f64,
}

impl RequestTraces {
    /// `None` if no request is traced.
    pub(crate) fn new(settings: &TracesSettings) -> Option<Self> {
        settings.are_wanted().then_some(Self {
            ratio: settings.sample_ratio,
        })
    }

    /// The span of a request, `Span::none()` if it is not traced. A caller who traces the
    /// request has decided about it.
    pub(crate) fn begin(self, request: &ServiceRequest, request_id: &str) -> Span {
        let caller = caller(request);
        let caller_span = caller.span().span_context().clone();
        let is_traced = match caller_span.is_valid() {
            true => caller_span.is_sampled(),
            false => fastrand::f64() < self.ratio,
        };
        if !is_traced {
            return Span::none();
        }
        let method = method_of(request.method());
        let span = tracing::info_span!(
            target: TRACES,
            parent: None,
            "request",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.route = Empty,
            http.response.status_code = Empty,
            "error.type" = Empty,
            utsavam.request_id = request_id,
        );
        // Fails if nobody subscribes.
        let _ = span.set_parent(caller);
        span
    }
}

/// Notes how a request was answered. What has no answer, because its client went away, has no
/// status.
pub(crate) fn answered(
    span: &Span,
    method: &Method,
    route: Option<&'static str>,
    status: StatusCode,
) {
    if span.is_disabled() {
        return;
    }
    if let Some(route) = route {
        span.record("http.route", route);
        let name = format!("{} {route}", method_of(method));
        span.context().span().update_name(name);
    }
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// As OpenTelemetry names methods: nothing that a client made up.
fn method_of(method: &Method) -> &'static str {
    match method_label(method) {
        "other" => "_OTHER",
        known => known,
    }
}

/// The trace that a request is a part of, if it says so as one should.
fn caller(request: &ServiceRequest) -> Context {
    let mut values = request.headers().get_all(TRACEPARENT);
    let parent = match (values.next(), values.next()) {
        (Some(parent), None) => parent.to_str().ok(),
        _ => None,
    };
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Caller(parent))
}

/// The header field, alone: `tracestate` is for those whom a request is passed on to, and there
/// is nobody.
struct Caller<'r>(Option<&'r str>);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.filter(|_| key == TRACEPARENT.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

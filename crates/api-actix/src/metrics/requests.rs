//! Requests: how many, how answered, how long it took, by route and method.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use actix_web::http::{Method, StatusCode};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::families::Families;

/// The label of what has reached no route: unknown paths, and what was refused
/// before one was looked for.
const NO_ROUTE: &str = "none";

/// The labels of methods; the last one is any that is not served.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

/// A method as a label.
pub(crate) fn method_label(method: &Method) -> &'static str {
    METHODS[index_of(method)]
}

fn index_of(method: &Method) -> usize {
    let last = METHODS.len() - 1;
    METHODS[..last]
        .iter()
        .position(|name| *name == method.as_str())
        .unwrap_or(last)
}

/// Figures of all requests.
#[derive(Clone)]
pub(crate) struct RequestMetrics {
    answered: IntCounterVec,
    duration: HistogramVec,
    abandoned: IntCounter,
    in_progress: IntGauge,
}

impl RequestMetrics {
    pub(super) fn new(families: &Families) -> Self {
        Self {
            answered: families.counters(
                "utsavam_http_requests_total",
                "Requests that were answered.",
                &["method", "route", "status"],
            ),
            duration: families.durations(
                "utsavam_http_request_duration_seconds",
                "From a request's head to the head of its answer.",
                &["method", "route"],
            ),
            abandoned: families.counter(
                "utsavam_http_requests_abandoned_total",
                "Requests whose client went away before there was an answer.",
            ),
            in_progress: families.gauge(
                "utsavam_http_requests_in_progress",
                "Requests whose answer is being found now.",
            ),
        }
    }

    /// The figures of a route, for one worker.
    pub(crate) fn of_route(&self, template: &'static str) -> Rc<RouteMetrics> {
        Rc::new(RouteMetrics {
            all: self.clone(),
            template,
            methods: Default::default(),
        })
    }

    /// The figures of what reaches no route, for one worker.
    pub(crate) fn of_no_route(&self) -> Rc<RouteMetrics> {
        self.of_route(NO_ROUTE)
    }
}

/// Handles on the figures of a route that have been used by this worker.
pub(crate) struct RouteMetrics {
    all: RequestMetrics,
    template: &'static str,
    methods: [OnceCell<Endpoint>; METHODS.len()],
}

struct Endpoint {
    duration: Histogram,
    /// As many as this program has statuses for it, a few.
    answered: RefCell<Vec<(StatusCode, IntCounter)>>,
}

impl RouteMetrics {
    /// The template of the route's path.
    pub(crate) fn template(&self) -> &'static str {
        self.template
    }

    fn answered(&self, method: usize, status: StatusCode, began: Instant) {
        let (name, template) = (METHODS[method], self.template);
        let endpoint = self.methods[method].get_or_init(|| Endpoint {
            duration: self.all.duration.with_label_values(&[name, template]),
            answered: RefCell::default(),
        });
        endpoint.duration.observe(began.elapsed().as_secs_f64());
        let mut answered = endpoint.answered.borrow_mut();
        if let Some((_, counter)) = answered.iter().find(|(known, _)| *known == status) {
            return counter.inc();
        }
        let labels = [name, template, status.as_str()];
        let counter = self.all.answered.with_label_values(&labels);
        counter.inc();
        answered.push((status, counter));
    }
}

/// A request while its answer is being found. Dropped without one it counts as
/// abandoned.
pub(crate) struct RequestWatch {
    no_route: Rc<RouteMetrics>,
    method: usize,
    began: Instant,
    is_answered: bool,
}

impl RequestWatch {
    /// Begins now.
    pub(crate) fn begin(no_route: &Rc<RouteMetrics>, method: &Method) -> Self {
        no_route.all.in_progress.inc();
        Self {
            no_route: Rc::clone(no_route),
            method: index_of(method),
            began: Instant::now(),
            is_answered: false,
        }
    }

    /// Ends now, with an answer of the route if it reached one.
    pub(crate) fn answered(mut self, route: Option<&Rc<RouteMetrics>>, status: StatusCode) {
        self.is_answered = true;
        let route = route.unwrap_or(&self.no_route);
        route.answered(self.method, status, self.began);
    }
}

impl Drop for RequestWatch {
    fn drop(&mut self) {
        let all = &self.no_route.all;
        all.in_progress.dec();
        if !self.is_answered {
            all.abandoned.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn lines_of(metrics: &Metrics, beginning: &str) -> Vec<String> {
        let text = metrics.render().expect("text");
        let lines = text.lines().filter(|line| line.starts_with(beginning));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn methods_that_nobody_serves_share_a_label() {
        let metrics = Metrics::new();
        let no_route = metrics.requests.of_no_route();
        for method in [&b"BREW"[..], b"PROPFIND", b"get"] {
            let method = Method::from_bytes(method).expect("a method");
            RequestWatch::begin(&no_route, &method).answered(None, StatusCode::NOT_FOUND);
        }
        RequestWatch::begin(&no_route, &Method::OPTIONS).answered(None, StatusCode::OK);
        let lines = lines_of(&metrics, "utsavam_http_requests_total{");
        assert_eq!(
            lines,
            [
                "utsavam_http_requests_total{method=\"OPTIONS\",route=\"none\",status=\"200\"} 1",
                "utsavam_http_requests_total{method=\"other\",route=\"none\",status=\"404\"} 3",
            ]
        );
    }

    #[test]
    fn a_request_is_in_progress_until_it_is_answered_or_abandoned() {
        let metrics = Metrics::new();
        let (no_route, route) = (
            metrics.requests.of_no_route(),
            metrics.requests.of_route("/bookings"),
        );
        let first = RequestWatch::begin(&no_route, &Method::POST);
        let second = RequestWatch::begin(&no_route, &Method::POST);
        let in_progress = || lines_of(&metrics, "utsavam_http_requests_in_progress");
        assert_eq!(in_progress(), ["utsavam_http_requests_in_progress 2"]);
        first.answered(Some(&route), StatusCode::CREATED);
        drop(second);
        assert_eq!(in_progress(), ["utsavam_http_requests_in_progress 0"]);
        assert_eq!(
            lines_of(&metrics, "utsavam_http_requests_abandoned_total"),
            ["utsavam_http_requests_abandoned_total 1"]
        );
        assert_eq!(
            lines_of(&metrics, "utsavam_http_request_duration_seconds_count"),
            ["utsavam_http_request_duration_seconds_count{method=\"POST\",route=\"/bookings\"} 1"]
        );
    }
}

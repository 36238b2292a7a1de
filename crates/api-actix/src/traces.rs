//! Traces: what requests waited for, sent as spans of OpenTelemetry to a collector (OTLP over
//! HTTP).
//!
//! The parts of the program know `tracing` alone: whoever waits for something makes a span with
//! the target [`TRACES`], in a request that is traced and nowhere else. This module turns them into what is sent, and is the only one that
//! knows OpenTelemetry.
//!
//! **What it costs when it is off**: no subscriber wants that target, so each place that would
//! make a span finds out by the load of an atomic that there is nothing to do, and a request
//! by looking at an `Option`. Nothing is made, and no thread runs.
//!
//! Sending never holds anybody up, see [`queue`].

mod http;
mod queue;
mod request;

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _};
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::Registry;
use uuid::Uuid;

use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::settings::TracesSettings;

use self::queue::Queue;
pub(crate) use self::queue::SpanCounts;
pub(crate) use self::request::{RequestTraces, answered};

/// The target of spans that are for traces and not for the log.
pub(crate) const TRACES: &str = group_commit::TRACES;

/// Links of one span. A batch is linked to all its commands, and `group-commit` has none that
/// is larger.
const LINKS_MAX: u32 = 1_024;

/// What becomes of the spans of this process.
pub(crate) struct Traces {
    tracer: SdkTracer,
    queue: Arc<Queue>,
}

impl Traces {
    /// Starts sending, if the settings say where to.
    ///
    /// # Errors
    /// One sentence that says what is in the way.
    pub(crate) fn start(settings: &TracesSettings) -> Result<Option<Self>, Failure> {
        if !settings.are_wanted() {
            return Ok(None);
        }
        let url = settings.url();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(http::Client::for_url(&url)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&url)
            .with_timeout(http::ANSWER_MAX)
            .build()
            .map_err(|error| Failure::new(format!("spans cannot be sent to {url}: {error}")))?;
        let resource = resource(settings);
        exporter.set_resource(&resource);
        let queue = Arc::new(Queue::default());
        queue::send(&queue, exporter)
            .map_err(|error| Failure::new(format!("no thread for the traces: {error}")))?;
        let provider = SdkTracerProvider::builder()
            // What is made at all is to be sent: see `request`.
            .with_sampler(Sampler::AlwaysOn)
            .with_max_links_per_span(LINKS_MAX)
            .with_resource(resource)
            .with_span_processor(queue::Entrance(Arc::clone(&queue)))
            .build();
        let tracer = provider.tracer("utsavam");
        Ok(Some(Self { tracer, queue }))
    }

    /// To be put beside the log.
    pub(crate) fn layer(&self) -> impl Layer<Registry> + use<> {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_level(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(filter_fn(is_for_traces).with_max_level_hint(LevelFilter::INFO))
    }

    /// Shows what became of spans among the metrics.
    pub(crate) fn show(&self, metrics: &Metrics) {
        let queue = Arc::clone(&self.queue);
        metrics.watch_spans(move || queue.counts());
    }

    /// Sends what there still is, and takes nothing any more.
    pub(crate) async fn end(&self) {
        self.queue.end().await;
    }
}

/// No event of the log: it may name an address, or a cause that is nobody else's business.
fn is_for_traces(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TRACES
}

/// Who sends. What `OTEL_RESOURCE_ATTRIBUTES` says is added.
fn resource(settings: &TracesSettings) -> Resource {
    let instance = settings.instance.clone();
    let instance = instance.unwrap_or_else(|| Uuid::new_v4().to_string());
    Resource::builder()
        .with_service_name(settings.service_name.clone())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .build()
}

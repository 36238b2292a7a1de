//! Which spans are made: those of requests that are traced, and what lies in them.

use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::TRACES;

/// Spans that need not lie in another one: whoever makes them has looked whether a request is
/// traced. Everything else is made only where such a one is entered.
const BEGIN: [&str; 2] = ["request", "batch"];

/// Lets spans with the target [`TRACES`] pass, and no events: what a log says may name an
/// address or a cause that is nobody else's business.
pub(super) struct OfTracedRequests;

impl<S> Filter<S> for OfTracedRequests
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        is_ours(metadata)
            && (BEGIN.contains(&metadata.name()) || context.lookup_current().is_some())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match is_ours(metadata) {
            false => Interest::never(),
            true if BEGIN.contains(&metadata.name()) => Interest::always(),
            true => Interest::sometimes(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target() == TRACES
}

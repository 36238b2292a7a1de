//! The log: lines for people on a terminal, JSON for whoever collects them.
//!
//! A line that tells of a failed request names its `request_id`, whatever is
//! logged. With `debug`, all lines of a request lie in a span with its id.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::failure::Failure;
use crate::settings::{LogFormat, LogSettings};
use crate::traces::{TRACES, Traces};

/// Sends the log to standard error: standard output is for answers. Spans that are made for
/// traces go there, and never into the log.
///
/// # Errors
/// The filter is not one.
pub(crate) fn start(settings: &LogSettings, traces: Option<&Traces>) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| {
        Failure::new(format!("the setting log.filter is not a filter: {error}"))
    })?;
    let without_traces: Directive = format!("{TRACES}=off")
        .parse()
        .map_err(|error| Failure::new(format!("traces cannot be kept out of the log: {error}")))?;
    let filter = filter.add_directive(without_traces);
    match traces {
        // For all there is, so that what nobody wants costs least.
        None => tracing_subscriber::registry()
            .with(filter)
            .with(lines(settings))
            .init(),
        Some(traces) => tracing_subscriber::registry()
            .with(traces.layer())
            .with(lines(settings).with_filter(filter))
            .init(),
    }
    Ok(())
}

fn lines<S>(settings: &LogSettings) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let is_terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto if !is_terminal => lines.json().flatten_event(true).boxed(),
        LogFormat::Auto | LogFormat::Text => lines.boxed(),
    }
}

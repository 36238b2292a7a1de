//! The log: lines for people on a terminal, JSON for whoever collects them.
//!
//! A line that tells of a failed request names its `request_id`, whatever is
//! logged. With `debug`, all lines of a request lie in a span with its id.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::settings::{LogFormat, LogSettings};

/// Sends the log to standard error: standard output is for answers.
///
/// # Errors
/// The filter is not one.
pub(crate) fn start(settings: &LogSettings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(|error| {
        Failure::new(format!("the setting log.filter is not a filter: {error}"))
    })?;
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    match settings.format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Auto if !is_terminal => log.json().flatten_event(true).init(),
        LogFormat::Auto | LogFormat::Text => log.init(),
    }
    Ok(())
}

//! `utsavam openapi`: prints the description of the HTTP interface.

use clap::ValueEnum;

use crate::failure::Failure;
use crate::http::openapi;

/// How the description of the interface is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// JSON, as the server serves it.
    Json,
    /// YAML, as docs/openapi.yaml keeps it.
    Yaml,
}

pub(crate) fn print(format: Format) -> Result<(), Failure> {
    let document = openapi::document();
    let text = match format {
        Format::Json => document.to_pretty_json().map_err(|error| error.to_string()),
        Format::Yaml => document.to_yaml().map_err(|error| error.to_string()),
    };
    let text =
        text.map_err(|error| Failure::new(format!("cannot write the description: {error}")))?;
    super::print(text.trim_end())
}

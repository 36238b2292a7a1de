//! `utsavam openapi`: prints the description of the HTTP interface.

use crate::cli::Format;
use crate::http::openapi;

use super::Failure;

pub(crate) fn print(format: Format) -> Result<(), Failure> {
    let document = openapi::document();
    let text = match format {
        Format::Json => document.to_pretty_json().map_err(|error| error.to_string()),
        Format::Yaml => document.to_yaml().map_err(|error| error.to_string()),
    };
    let text =
        text.map_err(|error| Failure::new(format!("cannot write the description: {error}")))?;
    println!("{}", text.trim_end());
    Ok(())
}

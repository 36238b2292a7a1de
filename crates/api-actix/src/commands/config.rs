//! `utsavam config`: prints the settings in force, secrets hidden.

use crate::failure::Failure;
use crate::settings::Settings;

pub(crate) fn print(settings: &Settings) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&settings.redacted())
        .map_err(|error| Failure::new(format!("cannot show the settings: {error}")))?;
    super::print(&text)
}

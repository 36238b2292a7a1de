//! `utsavam backup`: a copy of the embedded store, whether a server has it open
//! or not.

use std::path::Path;
use std::time::Instant;

use adapters_embedded::BackedUp;

use crate::commands::new_file::{Existing, NewFile};
use crate::commands::own_files::why_not;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::wiring::Plan;

pub(crate) fn back_up(settings: &Settings, file: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let source = Plan::try_new(settings)?.embedded_file()?;
    let target =
        NewFile::for_path(file, Existing::Replace).map_err(|error| not_written(file, &error))?;
    let refusal = why_not(&source, target.path());
    if let Some(reason) = refusal {
        let file = file.display();
        return Err(Failure::new(format!(
            "nothing was backed up: {file} {reason}"
        )));
    }
    let BackedUp { schema } = adapters_embedded::back_up(&source, target.part())
        .map_err(|error| Failure::new(format!("nothing was backed up: {error}")))?;
    let bytes = std::fs::metadata(target.part()).map_or(0, |metadata| metadata.len());
    target.finish().map_err(|error| not_written(file, &error))?;
    eprintln!(
        "backed up {} into {}: {bytes} bytes, schema {schema}, in {:.1?}",
        source.display(),
        file.display(),
        started.elapsed()
    );
    Ok(())
}

fn not_written(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "nothing was backed up: {} cannot be written: {error}",
        file.display()
    ))
}

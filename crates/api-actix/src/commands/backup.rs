//! `utsavam backup`: a copy of the embedded store, whether a server has it open
//! or not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use adapters_embedded::BackedUp;

use crate::commands::new_file::NewFile;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::wiring::Plan;

pub(crate) fn back_up(settings: &Settings, file: &Path) -> Result<(), Failure> {
    let started = Instant::now();
    let source = Plan::try_new(settings)?.embedded_file()?;
    let target = NewFile::for_path(file).map_err(|error| not_written(file, &error))?;
    refuse_database(&source, target.path())?;
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

/// A copy in the place of a database would be read together with the log that
/// belongs to the one before.
fn refuse_database(source: &Path, target: &Path) -> Result<(), Failure> {
    let is_source = source
        .canonicalize()
        .is_ok_and(|source| source == target || beside(&source).iter().any(|file| file == target));
    if is_source {
        return Err(Failure::new(format!(
            "nothing was backed up: {} belongs to the database itself",
            target.display()
        )));
    }
    match beside(target).iter().find(|file| file.exists()) {
        Some(file) => Err(Failure::new(format!(
            "nothing was backed up: {} is in use as a database: there is {}",
            target.display(),
            file.display()
        ))),
        None => Ok(()),
    }
}

/// What SQLite puts beside a database that is open.
fn beside(database: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = OsString::from(database);
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn not_written(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "nothing was backed up: {} cannot be written: {error}",
        file.display()
    ))
}

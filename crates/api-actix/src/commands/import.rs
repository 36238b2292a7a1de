//! `utsavam import`: takes an archive over into an empty store.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use domain::model::Record;
use domain::ports::{Cause, ImportError, StoreError};

use crate::archive::ArchiveReader;
use crate::failure::{Failure, with_causes};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

type Input = Box<dyn BufRead + Send>;

pub(crate) async fn import(settings: Settings, file: Option<PathBuf>) -> Result<(), Failure> {
    let started = Instant::now();
    let plan = Plan::try_new(&settings)?;
    // What is not an archive is refused before anybody is waited for.
    let (input, bytes) = open(file.as_deref())?;
    let reader = ArchiveReader::open(input).map_err(|error| nothing_because(&error.to_string()))?;
    let archive = plan.open(Schema::Migrate).await?.services.stores.archive;
    let incoming = Incoming {
        reader,
        progress: Progress::start("importing", bytes),
    };
    let counts = archive
        .import(Box::new(incoming))
        .await
        .map_err(|error| not_imported(&error))?;
    eprintln!("imported {counts} in {:.1?}", started.elapsed());
    Ok(())
}

/// The archive, and its length in bytes if that is known.
fn open(file: Option<&Path>) -> Result<(Input, Option<u64>), Failure> {
    let Some(path) = file else {
        if io::stdin().is_terminal() {
            return Err(nothing_because(
                "name an archive, or send one to standard input",
            ));
        }
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    };
    let opened = File::open(path).and_then(|file| {
        let metadata = file.metadata()?;
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok((Box::new(BufReader::new(file)) as Input, bytes))
    });
    opened.map_err(|error| nothing_because(&format!("{} cannot be read: {error}", path.display())))
}

/// Records on their way out of the archive.
struct Incoming {
    reader: ArchiveReader<Input>,
    progress: Progress,
}

impl Iterator for Incoming {
    type Item = Result<Record, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.reader.next();
        match record {
            Some(_) => self
                .progress
                .step(self.reader.bytes(), self.reader.counts().total()),
            None => self.progress.last_part("checking what was imported"),
        }
        record
    }
}

fn nothing_because(reason: &str) -> Failure {
    Failure::new(format!("nothing was imported: {reason}"))
}

fn not_imported(error: &ImportError) -> Failure {
    match error {
        ImportError::NotEmpty(kind) => nothing_because(&format!(
            "the database has {kind} already; an archive goes only into an empty one"
        )),
        ImportError::Source(reason) => nothing_because(&reason.to_string()),
        ImportError::Inconsistent(inconsistency) => match inconsistency.record() {
            // The header is the first line.
            Some(record) => nothing_because(&format!("line {}: {inconsistency}", record + 1)),
            None => nothing_because(&inconsistency.to_string()),
        },
        ImportError::Store(error @ StoreError::OutcomeUnknown(_)) => Failure::new(format!(
            "it is not known whether the archive was imported, all of it or nothing: {}",
            with_causes(error)
        )),
        ImportError::Store(error) => nothing_because(&with_causes(error)),
    }
}

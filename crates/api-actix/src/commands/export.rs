//! `utsavam export`: writes everything that the store keeps into an archive.

mod target;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::model::Record;
use domain::ports::{Archive, Cause, ExportError};
use domain::rules::ArchiveCheck;

use crate::archive::ArchiveWriter;
use crate::commands::own_files::why_not;
use crate::failure::{Failure, with_causes};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::wiring::{Plan, Schema};

use target::Target;

pub(crate) use crate::commands::new_file::Existing;

pub(crate) async fn export(
    settings: Settings,
    file: Option<PathBuf>,
    existing: Existing,
) -> Result<(), Failure> {
    let started = Instant::now();
    let plan = Plan::try_new(&settings)?;
    let target = Target::open(file.as_deref(), existing)
        .map_err(|error| not_written(file.as_deref(), &error))?;
    refuse_files_of_databases(&plan, &target)?;
    let archive = plan
        .open(Schema::MustBeCurrent)
        .await?
        .services
        .stores
        .archive;
    // An estimate for the bar; the export finds the same trouble again.
    let total = archive.count().await.ok().map(|counts| counts.total());
    let writer = ArchiveWriter::begin(target, now())
        .map_err(|error| not_written(file.as_deref(), &error))?;
    let outgoing = Outgoing {
        writer,
        check: ArchiveCheck::default(),
        progress: Progress::start("exporting", total),
    };
    let outgoing = run(&*archive, outgoing).await?;
    let counts = outgoing.writer.counts();
    let target = outgoing.writer.finish();
    target
        .and_then(Target::finish)
        .map_err(|error| not_written(file.as_deref(), &error))?;
    drop(outgoing.progress);
    eprintln!("exported {counts} in {:.1?}", started.elapsed());
    Ok(())
}

fn refuse_files_of_databases(plan: &Plan, target: &Target) -> Result<(), Failure> {
    let (Some(database), Some(path)) = (plan.file(), target.path()) else {
        return Ok(());
    };
    match why_not(database, path) {
        Some(reason) => Err(Failure::new(format!(
            "nothing was exported: {} {reason}",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Records on their way into the archive.
struct Outgoing {
    writer: ArchiveWriter<Target>,
    check: ArchiveCheck,
    progress: Progress,
}

impl Outgoing {
    fn take(&mut self, record: &Record) -> Result<(), Cause> {
        // What cannot be imported again is better found out now.
        self.check
            .accept(record)
            .map_err(|inconsistency| format!("the store does not add up: {inconsistency}"))?;
        self.writer
            .write(record)
            .map_err(|error| format!("the archive cannot be written: {error}"))?;
        let records = self.writer.counts().total();
        self.progress.step(records, records);
        Ok(())
    }
}

/// Hands all records over and checks what came.
async fn run(archive: &dyn Archive, outgoing: Outgoing) -> Result<Outgoing, Failure> {
    let shared = Arc::new(Mutex::new(Some(outgoing)));
    let sink = Arc::clone(&shared);
    let exported = archive
        .export(Box::new(move |record| {
            let mut outgoing = sink.lock().unwrap_or_else(PoisonError::into_inner);
            match outgoing.as_mut() {
                Some(outgoing) => outgoing.take(&record),
                None => Err("the export had ended".into()),
            }
        }))
        .await;
    let taken = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut outgoing = taken.ok_or_else(|| Failure::new("nothing was exported: it got lost"))?;
    let counts = exported.map_err(|error| {
        Failure::new(match error {
            ExportError::Sink(reason) => format!("nothing was exported: {reason}"),
            ExportError::Store(error) => format!("nothing was exported: {}", with_causes(&error)),
        })
    })?;
    let sums = std::mem::take(&mut outgoing.check)
        .finish()
        .map_err(|inconsistency| {
            Failure::new(format!(
                "nothing was exported: the store does not add up: {inconsistency}"
            ))
        })?;
    if sums.counts != counts {
        return Err(Failure::new(format!(
            "nothing was exported: the store has {counts}, but {} came",
            sums.counts
        )));
    }
    Ok(outgoing)
}

fn not_written(file: Option<&Path>, error: &std::io::Error) -> Failure {
    let what = file.map_or("standard output".into(), Path::to_string_lossy);
    if error.kind() == ErrorKind::AlreadyExists {
        return Failure::new(format!(
            "nothing was exported: {what} exists already: name another file, or replace it with \
             --force"
        ));
    }
    Failure::new(format!(
        "nothing was exported: {what} cannot be written: {error}"
    ))
}

#[allow(
    clippy::disallowed_methods,
    reason = "it only tells people when the archive was made"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

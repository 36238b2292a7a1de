//! Writing an archive.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use domain::model::{ArchiveCounts, Record};
use serde::Serialize;

use super::VERSION;
use super::line::{EndLine, Header, Line, time_text};

/// Writes records as they come, one line each.
#[derive(Debug)]
pub(crate) struct ArchiveWriter<W> {
    output: W,
    counts: ArchiveCounts,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// The output does not take it.
    pub(crate) fn begin(output: W, created_at: DateTime<Utc>) -> io::Result<Self> {
        let header = Header {
            utsavam_archive: VERSION,
            created_at: time_text(created_at).map_err(io::Error::other)?,
        };
        let mut writer = Self {
            output,
            counts: ArchiveCounts::default(),
        };
        writer.line(&header)?;
        Ok(writer)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// The output does not take it, or the record has a time beyond the format.
    pub(crate) fn write(&mut self, record: &Record) -> io::Result<()> {
        let line = Line::try_from(record).map_err(io::Error::other)?;
        self.line(&line)?;
        self.counts.add(record);
        Ok(())
    }

    /// What was written so far.
    pub(crate) fn counts(&self) -> ArchiveCounts {
        self.counts
    }

    /// Writes the last line, without which the archive is worth nothing, and
    /// gives the output back.
    ///
    /// # Errors
    /// The output does not take it.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.line(&Line::End(EndLine::from(self.counts)))?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.output.write_all(b"\n")
    }
}

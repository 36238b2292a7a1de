//! Reading an archive.

use std::io::{self, BufRead, Read};

use domain::model::{
    ApiKeyRecord, ArchiveCounts, AuditRecord, BookingRecord, EventRecord, Invalid, KeyRecord,
    Record, UserRecord,
};
use domain::ports::Cause;
use domain::rules::{Inconsistency, RecordOrder};
use serde::de::DeserializeOwned;

use super::line::{AnyHeader, FirstLine, Header, Line, SecondLine, time};
use super::{LINE_BYTES_MAX, VERSION};

/// Why an archive was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadArchive {
    /// It begins with something else.
    #[error("this is not an archive of utsavam: {0}")]
    NotOurs(String),
    /// A later program wrote it.
    #[error(
        "the archive has version {0} of the format, this program reads versions 1 to {VERSION}"
    )]
    OtherVersion(u64),
    /// A line cannot be right.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1, the header.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It ends too early.
    #[error("the archive is incomplete: it ends behind line {0} without the line of kind \"end\"")]
    Truncated(u64),
    /// The file or the pipe failed.
    #[error("the archive cannot be read: {0}")]
    Input(#[from] io::Error),
}

/// Gives the records of an archive one after the other; after an error nothing.
///
/// It checks single lines, their order and the counts at the end. Whether
/// records fit together is for the store to say.
#[derive(Debug)]
pub(crate) struct ArchiveReader<R> {
    input: R,
    version: u64,
    line: u64,
    bytes: u64,
    buffer: Vec<u8>,
    order: RecordOrder,
    counts: ArchiveCounts,
    ended: bool,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is not one, or one of another version.
    pub(crate) fn open(input: R) -> Result<Self, BadArchive> {
        let mut reader = Self {
            input,
            version: VERSION,
            line: 0,
            bytes: 0,
            buffer: Vec::new(),
            order: RecordOrder::default(),
            counts: ArchiveCounts::default(),
            ended: false,
        };
        if !reader.next_line()? {
            return Err(BadArchive::NotOurs("it is empty".to_owned()));
        }
        let any: AnyHeader = reader.parse().map_err(BadArchive::NotOurs)?;
        reader.version = any.utsavam_archive;
        if !(1..=VERSION).contains(&reader.version) {
            return Err(BadArchive::OtherVersion(reader.version));
        }
        let header: Header = reader.parse().map_err(|reason| reader.bad_line(reason))?;
        time("created_at", &header.created_at)
            .map_err(|invalid| reader.bad_line(invalid.to_string()))?;
        Ok(reader)
    }

    /// What was read so far.
    pub(crate) fn counts(&self) -> ArchiveCounts {
        self.counts
    }

    /// How many bytes that took.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn next_record(&mut self) -> Result<Option<Record>, BadArchive> {
        if !self.next_line()? {
            return Err(BadArchive::Truncated(self.line));
        }
        let line = match self.version {
            1 => self.parse::<FirstLine>().map(Line::from),
            2 => self.parse::<SecondLine>().map(Line::from),
            _ => self.parse(),
        };
        let line = line.map_err(|reason| self.bad_line(reason))?;
        let invalid = |invalid: Invalid| invalid.to_string();
        let record = match line {
            Line::User(line) => UserRecord::try_from(line).map(Record::User),
            Line::Event(line) => EventRecord::try_from(line).map(Record::Event),
            Line::Booking(line) => BookingRecord::try_from(line).map(Record::Booking),
            Line::Key(line) => KeyRecord::try_from(line).map(Record::Key),
            Line::ApiKey(line) => ApiKeyRecord::try_from(line).map(Record::ApiKey),
            Line::Audit(line) => AuditRecord::try_from(line).map(Record::Audit),
            Line::End(line) => {
                self.end(line.into())?;
                return Ok(None);
            }
        };
        let record = record.map_err(|error| self.bad_line(invalid(error)))?;
        self.order
            .accept(&record)
            .map_err(|disorder: Inconsistency| self.bad_line(disorder.to_string()))?;
        self.counts.add(&record);
        Ok(Some(record))
    }

    /// Nothing may be missing, and nothing may follow.
    fn end(&mut self, announced: ArchiveCounts) -> Result<(), BadArchive> {
        if announced != self.counts {
            let read = self.counts;
            return Err(self.bad_line(format!(
                "there were to be {announced}, but there are {read}"
            )));
        }
        if self.next_line()? {
            return Err(self.bad_line("something follows behind the end".to_owned()));
        }
        Ok(())
    }

    /// Puts the next line into the buffer; false at the end of the input.
    fn next_line(&mut self) -> Result<bool, BadArchive> {
        self.buffer.clear();
        let mut bounded = self.input.by_ref().take(LINE_BYTES_MAX + 1);
        let bytes = bounded.read_until(b'\n', &mut self.buffer)? as u64;
        if bytes == 0 {
            return Ok(false);
        }
        self.line += 1;
        self.bytes += bytes;
        if bytes > LINE_BYTES_MAX {
            return Err(self.bad_line(format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(true)
    }

    /// What the line in the buffer says. serde would take an array of values for
    /// an object as well.
    fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        if !self.buffer.starts_with(b"{") {
            return Err("not a JSON object".to_owned());
        }
        serde_json::from_slice(&self.buffer).map_err(|error| reason(&error))
    }

    fn bad_line(&self, reason: String) -> BadArchive {
        BadArchive::Line {
            line: self.line,
            reason,
        }
    }
}

impl<R: BufRead> Iterator for ArchiveReader<R> {
    type Item = Result<Record, Cause>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.next_record();
        self.ended = !matches!(record, Ok(Some(_)));
        record.map_err(Cause::from).transpose()
    }
}

/// The parser counts lines too, but it sees only one.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line 1 column ") {
        Some((what, column)) => format!("{what} in column {column}"),
        None => text,
    }
}

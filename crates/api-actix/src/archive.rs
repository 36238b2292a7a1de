//! The archive as text: one JSON object on each line, see
//! `docs/archive-format.md`. Nothing here knows a store or a command.
//!
//! Reading is strict: what is not understood is refused with the number of its
//! line, never skipped, and nothing is altered on the way.

mod line;
mod reader;
mod writer;

pub(crate) use reader::ArchiveReader;
pub(crate) use writer::ArchiveWriter;

/// The version of the format, in the header. Those from 1 on are read.
const VERSION: u64 = 3;

/// The longest line, its end included. The longest that is written has two names
/// of 255 characters and takes 7 KiB if every one of them is escaped.
const LINE_BYTES_MAX: u64 = 16 * 1024;

#[cfg(test)]
mod tests;

//! What the load process was told: every booking that was confirmed to it and
//! every cancellation. Kept in memory during the run, written to a file at its
//! end, compared with the database by `bench check`, or by whoever has broken
//! things meanwhile.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// One thing that the server has promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It answered 201.
    Booked {
        /// The id in the answer.
        booking_id: i64,
        /// Who asked.
        user_id: i64,
        /// For a seat of which event.
        event_id: i64,
    },
    /// It answered a cancellation with 200.
    Cancelled {
        /// Which booking's.
        booking_id: i64,
    },
    /// Nobody knows whether this booking was made: the connection broke, or the answer said so.
    Unknown {
        /// Who asked.
        user_id: i64,
        /// For a seat of which event.
        event_id: i64,
    },
}

/// Bytes of an entry in a file: booking, user and event. In a cancellation both of the
/// latter are 0, which is nobody's id; in what nobody knows the booking is.
const ENTRY_BYTES: usize = 24;

/// Writes the file.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for entry in entries {
        let fields = match *entry {
            Entry::Booked {
                booking_id,
                user_id,
                event_id,
            } => [booking_id, user_id, event_id],
            Entry::Cancelled { booking_id } => [booking_id, 0, 0],
            Entry::Unknown { user_id, event_id } => [0, user_id, event_id],
        };
        for field in fields {
            file.write_all(&field.to_le_bytes())?;
        }
    }
    file.flush()
}

/// Reads what [`write`] has written.
///
/// # Errors
/// The file cannot be read, or ends within an entry.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length % ENTRY_BYTES != 0 {
        return Err(io::Error::other("the ledger ends within an entry"));
    }
    let mut file = BufReader::new(file);
    let mut entries = Vec::with_capacity(length / ENTRY_BYTES);
    for _ in 0..length / ENTRY_BYTES {
        let mut fields = [0; 3];
        for field in &mut fields {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            *field = i64::from_le_bytes(bytes);
        }
        entries.push(match fields {
            [booking_id, 0, 0] => Entry::Cancelled { booking_id },
            [0, user_id, event_id] => Entry::Unknown { user_id, event_id },
            [booking_id, user_id, event_id] => Entry::Booked {
                booking_id,
                user_id,
                event_id,
            },
        });
    }
    Ok(entries)
}

/// The bookings in these entries, oldest first.
pub fn booking_ids(entries: &[Entry]) -> Vec<i64> {
    entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Booked { booking_id, .. } => Some(*booking_id),
            Entry::Cancelled { .. } | Entry::Unknown { .. } => None,
        })
        .collect()
}

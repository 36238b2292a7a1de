//! Carrying everything from one store to another.

use async_trait::async_trait;

use super::{Cause, StoreError};
use crate::model::{ArchiveCounts, Record};
use crate::rules::Inconsistency;

/// Takes the records of an export, one after the other. It may block.
pub type RecordSink = Box<dyn FnMut(Record) -> Result<(), Cause> + Send>;

/// Gives the records of an import, one after the other. It may block.
pub type RecordSource = Box<dyn Iterator<Item = Result<Record, Cause>> + Send>;

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The sink would not take a record.
    #[error("{0}")]
    Sink(Cause),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The store has something of its own: of these, among others.
    #[error("the store has {0} already")]
    NotEmpty(String),
    /// The source broke off, with these words.
    #[error("{0}")]
    Source(Cause),
    /// The records do not fit together.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
    /// Trouble in the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves what a store keeps out of it or into it: all but sessions and password
/// tokens, which end with the move.
#[cfg_attr(feature = "mocks", mockall::automock)]
#[async_trait]
pub trait Archive: Send + Sync {
    /// How many records an export would hand over now. Only for telling people
    /// how far one got: other records may be there when it begins.
    ///
    /// # Errors
    /// Only trouble in the store.
    async fn count(&self) -> Result<ArchiveCounts, StoreError>;

    /// Hands over everything as it was at one instant: users, then events, then
    /// bookings, each by rising id, then keys by rising id of their user, then
    /// keys of services and entries of the audit log, each by rising id. Returns
    /// how many records of each kind there were at that instant. Work
    /// beside it goes on.
    ///
    /// # Errors
    /// An adapter MUST return [`ExportError::Sink`] as soon as the sink fails.
    async fn export(&self, sink: RecordSink) -> Result<ArchiveCounts, ExportError>;

    /// Takes over records in the order in which [`export`](Archive::export)
    /// hands them over, all of them or none, with their ids; new ids continue
    /// behind the largest. Figures are worked out anew, and so is which erased
    /// users may have bookings to be cancelled. Nobody sees any of it before all
    /// of it is there and has been found to add up.
    ///
    /// # Errors
    /// An adapter MUST return [`ImportError::NotEmpty`], before it asks for the
    /// first record, when there are users, events, bookings, keys of services or
    /// entries of the audit log;
    /// [`ImportError::Source`] when the source breaks off; and
    /// [`ImportError::Inconsistent`] when
    /// [`ArchiveCheck`](crate::rules::ArchiveCheck) refuses the records, when
    /// two users share an address, or when a key stands for another request
    /// than the one that made its booking.
    async fn import(&self, records: RecordSource) -> Result<ArchiveCounts, ImportError>;
}

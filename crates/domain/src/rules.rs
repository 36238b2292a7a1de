//! Pure decisions. A store reads the facts under its lock, asks here, and
//! makes the answer durable; so every store decides alike.

mod allot;
mod archive;
mod batch;
mod cancel;
mod change;
mod figures;
mod idempotency;
mod token_bucket;

pub use allot::{BookingPolicy, EventFacts, Refusal, SeatRequest, Standing, TooManySeats, allot};
pub use archive::{ArchiveCheck, ArchiveSums, Inconsistency, RecordOrder};
pub use batch::{
    BatchFacts, BookingFacts, Change, Decisions, Sale, SaleAnswer, SaleCommand, decide,
};
pub use cancel::{Cancellation, cancel};
pub use change::{CapacityBelowConfirmed, change};
pub use figures::compare;
pub use idempotency::{KeyReused, replay};
pub use token_bucket::{TokenBucket, granted, refused};

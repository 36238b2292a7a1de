//! How large blocks are and when one is taken: numbers, apart from what is done
//! with them, because a simulation needs smaller ones to see blocks end.

/// Seats of a block.
pub(crate) const BLOCK_SEATS: i64 = 256;

/// Tokens that must be left for all when a block is taken. So it needs 32
/// blocks held back at the same time before anybody can miss a token.
pub(crate) const PLENTY: i64 = 32 * BLOCK_SEATS;

/// How many takes of an event are at Redis at the same time when it begins to
/// pay to take a block.
pub(crate) const CROWD: usize = 8;

/// Who takes more than this asks Redis: a block is for many.
pub(crate) const SEATS_MAX: i64 = BLOCK_SEATS / 8;

//! Blocks so small that they are used up within a history.

pub(crate) const BLOCK_SEATS: i64 = 4;
pub(crate) const PLENTY: i64 = 3 * BLOCK_SEATS;
pub(crate) const CROWD: usize = 2;
pub(crate) const SEATS_MAX: i64 = BLOCK_SEATS / 2;

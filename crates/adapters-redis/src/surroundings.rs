//! Time, tasks and chance: all that the gate needs of the process around it. The
//! simulation puts seeded ones in the place of this file.

use std::time::Instant;

use uuid::Uuid;

pub(crate) use tokio::runtime::Handle;
pub(crate) use tokio::time::timeout;

/// The clock of this process.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until then.
pub(crate) async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// Bits that nobody has drawn before.
pub(crate) fn random_bits() -> u128 {
    Uuid::new_v4().as_u128()
}

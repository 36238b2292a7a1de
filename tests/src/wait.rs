//! Waiting for what happens soon, with a deadline instead of a guess.

use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing waits so long unless it fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `check` holds and panics, saying `what`, when it does not
/// within half a minute.
pub async fn eventually(what: &str, check: impl AsyncFnMut() -> bool) {
    within(DEADLINE, what, check).await;
}

/// As [`eventually`], with a deadline of one's own.
pub(crate) async fn within(deadline: Duration, what: &str, mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(
            started.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        tokio::time::sleep(INTERVAL).await;
    }
}

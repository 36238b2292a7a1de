//! Leases that run out by themselves, in a gate whose leases last a
//! millisecond.

use std::time::{Duration, Instant};

use crate::GateBench;

pub async fn a_lease_runs_out_by_itself(bench: GateBench) {
    const PATIENCE: Duration = Duration::from_secs(60);
    bench.open(5).await;
    bench.take(1, 2).await;
    let start = Instant::now();
    loop {
        let reading = bench.read().await;
        assert_eq!(reading.tokens, Some(3), "no token goes back");
        if reading.leases == 0 {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{reading:?}");
    }
    assert!(bench.raise(5).await);
}

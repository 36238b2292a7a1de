//! Wall clocks that jump by an hour, forth and back.

use crate::faults::clock::nanoseconds;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::{Clocks, LEASE, Stage};

const HOUR: i64 = 3600;

/// The clock of PostgreSQL, of Redis, of the processes, or of all of them jumps
/// while everybody buys, and jumps back.
pub(super) async fn jumps(plan: Plan) -> Report {
    let Some(clocks) = Clocks::new() else {
        return Report::skipped("there is no C compiler to set clocks with");
    };
    let stage = Stage::under(2, &[], Some(&clocks)).await;
    rounds(
        &plan,
        stage,
        &Script::default(),
        async |stage, crowd, rng| {
            let from = stage.clock.now();
            let all = [&clocks.postgres, &clocks.redis, &clocks.processes];
            let chosen = rng.usize(..4);
            let by = if rng.bool() { HOUR } else { -HOUR };
            for seconds in [by, 0] {
                for (index, clock) in all.iter().enumerate() {
                    if chosen == index || chosen == all.len() {
                        clock.set(seconds);
                    }
                }
                crowd.wait_calls(100).await;
            }
            let back = stage.clock.now();
            Fault {
                count: 2,
                back: Some(back),
                // Buckets and leases that ran out an hour early.
                gate: Some((from, back + nanoseconds(LEASE))),
            }
        },
    )
    .await
}

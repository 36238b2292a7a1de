//! More to do than can be done.

use std::time::Duration;

use crate::faults::crowd::Habits;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// The rows of some events are held by somebody else, so that connections are
/// all out and those who wait lose patience.
pub(super) async fn pool_exhausted(plan: Plan) -> Report {
    let settings = [
        ("database.pool_size", "2"),
        ("database.acquire_timeout", "500ms"),
        ("database.lock_timeout", "1s"),
    ];
    held_up(plan, &settings).await
}

/// Likewise, with room for few who wait.
pub(super) async fn queue_full(plan: Plan) -> Report {
    let settings = [
        ("booking.queue_max", "6"),
        ("booking.queue_per_event_max", "3"),
    ];
    held_up(plan, &settings).await
}

async fn held_up(plan: Plan, settings: &[(&'static str, &str)]) -> Report {
    let stage = Stage::with(2, settings).await;
    let script = Script {
        habits: Habits {
            clients: 40,
            ..Habits::default()
        },
        ..Script::default()
    };
    let mut report = rounds(&plan, stage, &script, async |stage, crowd, rng| {
        let holder = stage.postgres.sql().await;
        holder
            .run("BEGIN; SELECT FROM events WHERE deleted_at IS NULL ORDER BY id FOR UPDATE")
            .await;
        // Nobody is served meanwhile; they are told so.
        tokio::time::sleep(Duration::from_millis(700 + rng.u64(..300))).await;
        holder.run("COMMIT").await;
        crowd.wait_calls(40).await;
        Fault::back_at(stage.clock.now())
    })
    .await;
    if report.turned_away == 0 {
        report.broken("nobody was turned away: there was no more to do than could be done");
    }
    report
}

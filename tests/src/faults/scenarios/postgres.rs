//! PostgreSQL killed, restarted, replaced by its standby, or hard to reach.

use std::time::Duration;

use crate::faults::line::Mode;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// `kill -9` of all its processes in a burst.
pub(super) async fn killed(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &Script::default(), async |stage, _, rng| {
        stage.postgres.kill();
        // Most find it away, some do not.
        tokio::time::sleep(Duration::from_millis(rng.u64(..200))).await;
        stage.postgres.start_again().await;
        Fault::back_at(stage.clock.now())
    })
    .await
}

/// `kill -9` of one session, after which PostgreSQL throws out the others and
/// recovers by itself.
pub(super) async fn session_killed(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &Script::default(), async |stage, _, _| {
        let was_one = stage.postgres.kill_a_session().await;
        assert!(was_one, "somebody has a session");
        stage.postgres.wait().await;
        Fault::back_at(stage.clock.now())
    })
    .await
}

/// Stopped as an operator does, gently or not, and started again.
pub(super) async fn restarted(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &Script::default(), async |stage, _, rng| {
        stage.postgres.stop(rng.bool());
        stage.postgres.start_again().await;
        Fault::back_at(stage.clock.now())
    })
    .await
}

/// The primary is killed, its synchronous standby takes its place, and gets a
/// standby of its own.
pub(super) async fn failover(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    let mut standby = stage.postgres.standby().await;
    rounds(&plan, stage, &Script::default(), async |stage, _, _| {
        stage.postgres.kill();
        standby.promote().await;
        stage.postgres_line.lead_to(&standby.url());
        let back = stage.clock.now();
        let next = standby.standby().await;
        stage.postgres = std::mem::replace(&mut standby, next);
        Fault::back_at(back)
    })
    .await
}

/// The line to it is cut, silent, slow, thin or half open for a while.
pub(super) async fn line(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    let modes = [
        Mode::Cut,
        Mode::Silent,
        Mode::Delayed(Duration::from_millis(100)),
        Mode::Throttled(20_000),
        Mode::HalfClosed,
    ];
    let mut modes = modes.iter().cycle();
    rounds(&plan, stage, &Script::default(), async |stage, _, rng| {
        let mode = *modes.next().expect("a cycle does not end");
        stage.postgres_line.set(mode);
        tokio::time::sleep(Duration::from_millis(200 + rng.u64(..400))).await;
        stage.postgres_line.set(Mode::Open);
        if mode == Mode::HalfClosed {
            // Which stay as they are, otherwise.
            stage.postgres_line.break_connections();
        }
        Fault::back_at(stage.clock.now())
    })
    .await
}

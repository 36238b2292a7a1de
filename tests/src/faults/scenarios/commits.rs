//! COMMIT and its answer lost on the way.

use std::time::Duration;

use fastrand::Rng;

use crate::faults::crowd::Crowd;
use crate::faults::line::AtCommit;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// COMMITs of a round that are struck at most.
const STRIKES: usize = 6;

/// How long a crowd takes to send so many at most.
const SOON: Duration = Duration::from_secs(20);

/// The connection breaks before, during and after COMMIT.
pub(super) async fn cut(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(
        &plan,
        stage,
        &Script::default(),
        async |stage, crowd, rng| {
            let mut count = 0;
            for what in [AtCommit::CutBefore, AtCommit::CutWithin, AtCommit::CutAfter] {
                count += strike(stage, crowd, rng, what).await;
            }
            Fault {
                count,
                back: Some(stage.clock.now()),
                gate: None,
            }
        },
    )
    .await
}

/// COMMIT is done and its answer never comes: the connection breaks, or nothing
/// is heard any more until somebody loses patience.
pub(super) async fn answer_dropped(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(
        &plan,
        stage,
        &Script::default(),
        async |stage, crowd, rng| {
            let mut count = strike(stage, crowd, rng, AtCommit::CutAnswer).await;
            count += strike(stage, crowd, rng, AtCommit::SilenceAnswer).await;
            Fault {
                count,
                back: Some(stage.clock.now()),
                gate: None,
            }
        },
    )
    .await
}

/// Strikes some COMMITs, and returns how many.
async fn strike(stage: &Stage, crowd: &Crowd, rng: &mut Rng, what: AtCommit) -> usize {
    let line = &stage.postgres_line;
    let before = line.struck();
    let wanted = rng.usize(1..=STRIKES / 2);
    line.at_commit(what, rng.usize(..10), wanted);
    let are_struck = line.wait_struck(before + wanted, SOON).await;
    assert!(are_struck, "{what:?}: nobody commits");
    line.disarm();
    crowd.wait_calls(20).await;
    line.struck() - before
}

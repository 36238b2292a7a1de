//! Processes of the program killed where it hurts.

use std::time::Duration;

use fastrand::Rng;

use crate::faults::history::Instant;
use crate::faults::line::AtCommit;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// How long a crowd takes to send so many COMMITs at most.
const SOON: Duration = Duration::from_secs(20);

/// Seats are leased at the gate and written, and the process dies before its
/// COMMIT arrives.
pub(super) async fn killed_before_commit(plan: Plan) -> Report {
    killed_holding(plan, Stage::new(2).await, AtCommit::HoldBefore).await
}

/// The booking is made, and the process dies before it hears so.
pub(super) async fn killed_before_answer(plan: Plan) -> Report {
    killed_holding(plan, Stage::new(2).await, AtCommit::HoldAnswer).await
}

/// All processes die while COMMITs or their answers are held up.
pub(super) async fn killed_holding(plan: Plan, stage: Stage, what: AtCommit) -> Report {
    rounds(&plan, stage, &Script::default(), async |stage, _, rng| {
        let line = &stage.postgres_line;
        let before = line.struck();
        let wanted = rng.usize(1..=2);
        line.at_commit(what, rng.usize(..10), wanted);
        let are_held = line.wait_struck(before + wanted, SOON).await;
        assert!(are_held, "nobody commits");
        line.disarm();
        // Whose COMMITs these are is not known, so all die.
        let count = stage.processes.len();
        for process in 0..count {
            stage.kill(process);
        }
        stage.postgres_line.drop_held();
        for process in 0..count {
            stage.start(process).await;
        }
        Fault {
            count,
            ..Fault::back_at(stage.clock.now())
        }
    })
    .await
}

/// A process that was told to end is killed before it has.
pub(super) async fn killed_in_shutdown(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &Script::default(), async |stage, _, rng| {
        let process = rng.usize(..2);
        stage.begin_to_end(process);
        tokio::time::sleep(Duration::from_micros(rng.u64(..30_000))).await;
        stage.kill(process);
        stage.start(process).await;
        Fault::back_at(stage.clock.now())
    })
    .await
}

/// Three processes on the same events, one of which is killed again and again.
pub(super) async fn one_of_three_killed(plan: Plan) -> Report {
    one_killed(plan, Stage::new(3).await).await
}

/// One of the processes of that stage, again and again.
pub(super) async fn one_killed(plan: Plan, stage: Stage) -> Report {
    let script = Script {
        delay: Duration::from_millis(600),
        ..Script::default()
    };
    rounds(&plan, stage, &script, async |stage, _, rng| {
        Fault::back_at(kill_one(stage, rng).await)
    })
    .await
}

async fn kill_one(stage: &mut Stage, rng: &mut Rng) -> Instant {
    let process = rng.usize(..stage.processes.len());
    stage.kill(process);
    stage.start(process).await;
    stage.clock.now()
}

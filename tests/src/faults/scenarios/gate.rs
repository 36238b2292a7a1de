//! Reconciliation beside live traffic, all the time.

use fastrand::Rng;

use crate::faults::clock::nanoseconds;
use crate::faults::crowd::Habits;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::{LEASE, Stage};
use crate::program::Program;

/// A day has 86,400 periods of reconciliation, of a second each; here they come
/// so fast.
const PERIOD: &str = "5ms";

/// As much of a day of bookings as there is time for: three processes compare gate and bookings
/// two hundred times a second, and so does the command, while everybody buys.
/// In every other round somebody else sets the gate to what they like.
pub(super) async fn day(plan: Plan) -> Report {
    let stage = Stage::with(3, &[("gate.reconcile_interval", PERIOD)]).await;
    let script = Script {
        hot: vec![200, 800],
        habits: Habits {
            seats_max: 2,
            ..Habits::default()
        },
        ..Script::default()
    };
    let mut is_calm = false;
    rounds(&plan, stage, &script, async |stage, crowd, rng| {
        is_calm = !is_calm;
        let from = stage.clock.now();
        let mut count = 0;
        for _ in 0..3 * plan.size {
            if !is_calm {
                tamper(stage, rng).await;
            }
            reconcile(stage).await;
            crowd.wait_calls(20).await;
            count += 1;
        }
        let now = stage.clock.now();
        Fault {
            count,
            back: None,
            gate: (!is_calm).then(|| (from, now + nanoseconds(LEASE))),
        }
    })
    .await
}

/// What an operator would run.
async fn reconcile(stage: &Stage) {
    Program::new(&["reconcile"])
        .env("DATABASE_URL", &stage.postgres.url())
        .env("REDIS_URL", &stage.redis.url())
        .run()
        .await
        .expect_success();
}

async fn tamper(stage: &Stage, rng: &mut Rng) {
    let keys: Vec<String> = stage.redis.ask(&["KEYS", "event:*:tokens"]).await;
    for key in keys {
        let wrong = ["0", "1", "1000000", "-5", "abc"][rng.usize(..5)];
        let _: String = stage.redis.ask(&["SET", &key, wrong]).await;
    }
}

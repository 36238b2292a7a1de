//! Redis killed, emptied, taken back in time, slow, or answering errors. Nobody
//! loses a seat by it, and nobody gets one that is not there.

use std::time::Duration;

use crate::faults::clock::nanoseconds;
use crate::faults::crowd::{Crowd, Habits};
use crate::faults::line::Mode;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::{LEASE, Stage};

/// Rounds in which seats are scarce, so that the gate is asked and refuses.
fn scarce() -> Script {
    Script {
        hot: vec![60, 400],
        habits: Habits {
            seats_max: 2,
            ..Habits::default()
        },
        ..Script::default()
    }
}

/// `kill -9`, and a new one that knows nothing.
pub(super) async fn killed(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &scarce(), async |stage, crowd, rng| {
        let from = stage.clock.now();
        stage.redis.kill();
        crowd.wait_calls(rng.usize(..100)).await;
        stage.redis.start_again().await;
        troubled(stage, from)
    })
    .await
}

/// Everything is thrown away, scripts too, again and again.
pub(super) async fn flushed(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &scarce(), async |stage, crowd, rng| {
        let from = stage.clock.now();
        for _ in 0..3 {
            let _: String = stage.redis.ask(&["FLUSHALL"]).await;
            let _: String = stage.redis.ask(&["SCRIPT", "FLUSH"]).await;
            crowd.wait_calls(rng.usize(..60)).await;
        }
        Fault {
            count: 3,
            ..troubled(stage, from)
        }
    })
    .await
}

/// It comes back with what it held some hundred bookings ago.
pub(super) async fn old_snapshot(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &scarce(), async |stage, crowd, rng| {
        stage.redis.save().await;
        crowd.wait_calls(100 + rng.usize(..100)).await;
        let from = stage.clock.now();
        stage.redis.kill();
        stage.redis.restore();
        stage.redis.start_again().await;
        stage.redis.forget();
        troubled(stage, from)
    })
    .await
}

/// Every answer takes two seconds and more, which nobody waits for. What was
/// asked still happens, later.
pub(super) async fn slow(plan: Plan) -> Report {
    let settings = [
        ("redis.connect_timeout", "250ms"),
        ("redis.response_timeout", "250ms"),
    ];
    let stage = Stage::with(2, &settings).await;
    rounds(&plan, stage, &scarce(), async |stage, crowd, _| {
        let from = stage.clock.now();
        let slow = Mode::Delayed(Duration::from_secs(2));
        stage.redis_line.set(slow);
        crowd.wait_calls(200).await;
        stage.redis_line.set(Mode::Open);
        troubled(stage, from)
    })
    .await
}

/// It answers, but with errors: no memory, a replica, no primary.
pub(super) async fn errors(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    rounds(&plan, stage, &scarce(), async |stage, crowd, _| {
        let from = stage.clock.now();
        let mut count = 0;
        for (break_it, mend_it) in [
            (
                &["CONFIG", "SET", "maxmemory", "1"][..],
                &["CONFIG", "SET", "maxmemory", "0"][..],
            ),
            (
                &["REPLICAOF", "127.0.0.1", "1"],
                &["REPLICAOF", "NO", "ONE"],
            ),
        ] {
            let _: String = stage.redis.ask(break_it).await;
            wait(crowd).await;
            let _: String = stage.redis.ask(mend_it).await;
            count += 1;
        }
        let _: String = stage
            .redis
            .ask(&["CONFIG", "SET", "replica-serve-stale-data", "no"])
            .await;
        let _: String = stage.redis.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
        wait(crowd).await;
        let _: String = stage.redis.ask(&["REPLICAOF", "NO", "ONE"]).await;
        let _: String = stage
            .redis
            .ask(&["CONFIG", "SET", "replica-serve-stale-data", "yes"])
            .await;
        Fault {
            count: count + 1,
            ..troubled(stage, from)
        }
    })
    .await
}

async fn wait(crowd: &Crowd) {
    crowd.wait_calls(60).await;
}

/// Leases of which Redis did not hear the end hold their seats until they run
/// out.
fn troubled(stage: &Stage, from: u64) -> Fault {
    let now = stage.clock.now();
    Fault {
        count: 1,
        back: Some(now),
        gate: Some((from, now + nanoseconds(LEASE))),
    }
}

//! Processes behind HAProxy that are killed, or replaced as in an upgrade. They
//! need HAProxy, so `make cluster-test` plays them, not `make faults`.

use std::time::Duration;

use super::{Scenario, processes};
use crate::balancer::SERVERS;
use crate::faults::crowd::Habits;
use crate::faults::line::AtCommit;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// What processes behind a balancer are told. The crowd has one address.
const SETTINGS: &[(&str, &str)] = &[
    ("auth.mode", "open"),
    ("auth.open_beyond_loopback", "true"),
    ("http.trusted_proxies", "127.0.0.1"),
    ("http.shutdown_delay", "3s"),
    ("rate_limit.enabled", "false"),
];

/// One of three processes is killed again and again.
pub const KILLED: Scenario = Scenario {
    name: "balanced_killed",
    fault: "kill",
    rounds: 3,
    play: |plan| {
        Box::pin(async { processes::one_killed(plan, Stage::cluster(SETTINGS).await).await })
    },
};

/// All three are killed when bookings are made and nobody has heard so.
pub const KILLED_BEFORE_ANSWER: Scenario = Scenario {
    name: "balanced_killed_before_answer",
    fault: "kill",
    rounds: 2,
    play: |plan| {
        Box::pin(async {
            let stage = Stage::cluster(SETTINGS).await;
            processes::killed_holding(plan, stage, AtCommit::HoldAnswer).await
        })
    },
};

/// All three are ended in order, one after the other, each when the one before is
/// back.
pub const REPLACED: Scenario = Scenario {
    name: "balanced_replaced",
    fault: "restart",
    rounds: 1,
    play: |plan| Box::pin(replaced(plan)),
};

async fn replaced(plan: Plan) -> Report {
    let stage = Stage::cluster(SETTINGS).await;
    let script = Script {
        habits: Habits {
            // It takes some seconds, and nobody shall have finished before.
            pause: Duration::from_millis(50),
            ..Habits::default()
        },
        ..Script::default()
    };
    rounds(&plan, stage, &script, async |stage, _, _| {
        for process in 0..SERVERS {
            let status = stage.terminate(process).await;
            assert!(status.success(), "process {process} ended with {status}");
            stage.start(process).await;
            let balancer = stage.balancer.as_ref().expect("a balancer");
            balancer.until_it_uses([true; SERVERS]).await;
        }
        Fault {
            count: SERVERS,
            ..Fault::back_at(stage.clock.now())
        }
    })
    .await
}

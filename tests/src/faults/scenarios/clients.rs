//! Clients who repeat themselves, go away, or hardly speak.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::faults::check::check;
use crate::faults::crowd::{Habits, Often, same_at_once};
use crate::faults::history::History;
use crate::faults::play::{Fault, Script, rounds};
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// How often a key is sent at the same time.
const COPIES: usize = 50;

/// Connections that never come to an end.
const SLOW: usize = 500;

/// The same key many times in parallel over three processes: first one key 50
/// times, and then many keys eight times each.
pub(super) async fn same_key(plan: Plan) -> Report {
    let mut stage = Stage::new(3).await;
    let mut rng = Rng::with_seed(plan.seed);
    let mut report = Report::default();
    while report.rounds < plan.rounds && plan.goes_on() {
        let (copies, keys) = if report.rounds == 0 {
            (COPIES, 1)
        } else {
            (8, 25 * plan.size)
        };
        let capacity = rng.i64(1..40 * plan.size as i64);
        let capacities = vec![capacity];
        let events = stage.publish(&capacities).await;
        stage.stock_users(keys as i64).await;
        let calls = same_at_once(&stage, events[0], keys, copies, &mut rng).await;
        let history = History {
            published: BTreeMap::from([(events[0], capacity)]),
            calls,
            gate_troubles: Vec::new(),
        };
        let books = stage.books(&events).await;
        report.faults += 1;
        report.add(&history, &check(&history, &books));
    }
    stage.close().await;
    report
}

/// One in three hangs up within the first milliseconds.
pub(super) async fn hung_up(plan: Plan) -> Report {
    let stage = Stage::new(2).await;
    let script = Script {
        habits: Habits {
            clients: 32,
            hang_up: 3,
            hang_up_within: Duration::from_millis(30),
            ..Habits::default()
        },
        after: 500,
        ..Script::default()
    };
    rounds(&plan, stage, &script, async |_, _, _| Fault {
        count: 1,
        ..Fault::default()
    })
    .await
}

/// Five hundred connections on which a byte comes now and then, beside honest
/// clients.
pub(super) async fn slow_senders(plan: Plan) -> Report {
    let stage = Stage::new(1).await;
    let script = Script::default();
    rounds(&plan, stage, &script, async |stage, crowd, _| {
        let address = stage.server(0).address();
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            let mut connection = TcpStream::connect(address).await.expect("a connection");
            let head = "POST /bookings HTTP/1.1\r\nHost: shop\r\nContent-Length: 40\r\n\
                        Content-Type: application/json\r\n\r\n{";
            connection.write_all(head.as_bytes()).await.expect("a byte");
            slow.push(connection);
        }
        let from = stage.clock.now();
        for _ in 0..5 {
            crowd.wait_calls(20).await;
            for connection in &mut slow {
                // Some are told 408 meanwhile.
                let _ = connection.write_all(b" ").await;
            }
        }
        Fault {
            count: SLOW,
            back: Some(from),
            gate: None,
        }
    })
    .await
}

/// An event is sold, made smaller and larger, given back and deleted, all at
/// the same time.
pub(super) async fn rush(plan: Plan) -> Report {
    let stage = Stage::new(3).await;
    let script = Script {
        hot: Vec::new(),
        small: vec![20, 30, 20, 30, 50, 50],
        resized: 4,
        habits: Habits {
            clients: 24,
            often: Often {
                resize: 8,
                cancel: 20,
                ..Habits::default().often
            },
            capacities: 5..40,
            calls_max: 900,
            ..Habits::default()
        },
        ..Script::default()
    };
    rounds(&plan, stage, &script, async |_, crowd, rng| {
        for _ in 0..2 {
            crowd.wait_calls(rng.usize(..60)).await;
            crowd.delete_one(rng).await;
        }
        Fault {
            count: 2,
            ..Fault::default()
        }
    })
    .await
}

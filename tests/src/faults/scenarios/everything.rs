//! A big on-sale in which nothing stays alive for long.

use std::time::Duration;

use fastrand::Rng;

use crate::faults::books::Books;
use crate::faults::check::{Ledger, check_ledger};
use crate::faults::instances::USERS;
use crate::faults::load::Load;
use crate::faults::play::end;
use crate::faults::report::{Plan, Report};
use crate::faults::stage::Stage;

/// Processes of the program, each with a load process of its own.
const PROCESSES: usize = 2;

/// What a load process asks for in a short round.
const ATTEMPTS: usize = 6_250;

/// Clients of each of them.
const CLIENTS: usize = 128;

/// Twice as many bookings of one event are asked for as it has seats. Meanwhile PostgreSQL is
/// killed, one of the processes, and every other time Redis, and started again.
pub(super) async fn killed(plan: Plan) -> Report {
    let mut stage = Stage::new(PROCESSES).await;
    let mut rng = Rng::with_seed(plan.seed);
    let mut report = Report::default();
    let mut books = Books::default();
    while report.rounds < plan.rounds && plan.goes_on() {
        let attempts = ATTEMPTS * plan.size;
        let seats = i64::try_from(attempts * PROCESSES / 2).expect("as many as an event has");
        let event = stage.publish(&[seats]).await[0];
        let load = Load {
            event,
            users: 1..USERS + 1,
            clients: CLIENTS,
            attempts,
        };
        let loads: Vec<_> = (0..PROCESSES)
            .map(|process| load.begin(stage.server(process).address()))
            .collect();
        let with_redis = report.rounds.is_multiple_of(2);
        report.faults += kill_all(&mut stage, &mut rng, with_redis).await;

        let mut ledger = Ledger::default();
        for load in loads {
            let loaded = load.end().await;
            report.refusals += loaded.refusals;
            ledger.booked.extend(loaded.ledger.booked);
            for (user, more) in loaded.ledger.unknown {
                *ledger.unknown.entry(user).or_default() += more;
            }
        }
        report.rounds += 1;
        report.calls += attempts * PROCESSES;
        report.bookings += ledger.booked.len();
        report.unknown += ledger.unknown.values().sum::<usize>();
        books = stage.books(&[event]).await;
        for violation in check_ledger(event, &ledger, &books) {
            report.broken(violation.to_string());
        }
    }
    let totals = stage.totals().await;
    end(stage, &books, totals, &mut report).await;
    report
}

/// Returns how many were killed.
async fn kill_all(stage: &mut Stage, rng: &mut Rng, with_redis: bool) -> usize {
    rest(rng, 800).await;
    stage.postgres.kill();
    rest(rng, 200).await;
    stage.postgres.start_again().await;
    rest(rng, 600).await;
    let process = rng.usize(..PROCESSES);
    stage.kill(process);
    rest(rng, 200).await;
    stage.start(process).await;
    if !with_redis {
        return 2;
    }
    rest(rng, 600).await;
    stage.redis.kill();
    rest(rng, 200).await;
    stage.redis.start_again().await;
    3
}

/// Not to synchronise anything: faults come at any moment.
async fn rest(rng: &mut Rng, milliseconds_max: u64) {
    tokio::time::sleep(Duration::from_millis(rng.u64(..milliseconds_max))).await;
}

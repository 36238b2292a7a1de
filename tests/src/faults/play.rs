//! A round: a crowd at its work, a fault in the middle of it, and the check when
//! everything has come to rest.

use std::time::Duration;

use fastrand::Rng;

use super::books::Books;
use super::check::{Verdict, check};
use super::clock::nanoseconds;
use super::crowd::{Crowd, Habits, Offered};
use super::history::{Ask, GateTrouble, History, Instant};
use super::report::{Plan, Report};
use super::stage::{MENDED, Stage};

/// Calls of an event of which every order is to be tried: less than the limit,
/// because copies of a wish are counted once.
const FEW: usize = 150;

/// What a round is made of.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Capacities of the events that everybody may ask about as often as they
    /// like.
    pub(crate) hot: Vec<i64>,
    /// Capacities of those with few calls, so that every order can be tried.
    pub(crate) small: Vec<i64>,
    /// Of how many of the small ones, counted from the end, the capacity
    /// changes. Their refusals mean little.
    pub(crate) resized: usize,
    /// What the crowd does.
    pub(crate) habits: Habits,
    /// Calls before the fault, at least.
    pub(crate) before: usize,
    /// Calls after it, at least.
    pub(crate) after: usize,
    /// The longest time from the last of the calls before to the fault.
    pub(crate) delay: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            hot: vec![1_500],
            small: vec![8, 25, 40],
            resized: 1,
            habits: Habits::default(),
            before: 150,
            after: 150,
            delay: Duration::from_millis(200),
        }
    }
}

impl Script {
    /// As much more of everything.
    fn times(&self, size: usize) -> Self {
        let more = i64::try_from(size).unwrap_or(i64::MAX);
        let mut script = self.clone();
        script.hot.iter_mut().for_each(|seats| *seats *= more);
        script.small = self.small.repeat(size);
        script.resized *= size;
        script.habits.calls_max *= size;
        script.before *= size;
        script.after *= size;
        script
    }

    /// Users for a round: each call may need one.
    fn users(&self) -> i64 {
        let calls = (4 * (self.before + self.after) + 5_000).min(self.habits.calls_max);
        i64::try_from(calls).unwrap_or(i64::MAX)
    }
}

/// What was done in the middle of a round.
#[derive(Debug, Default)]
pub(crate) struct Fault {
    /// How many faults it was.
    pub(crate) count: usize,
    /// When what was broken was there again: recovery counts from then on.
    pub(crate) back: Option<Instant>,
    /// Since when, and until when, the gate was wrong or away.
    pub(crate) gate: Option<(Instant, Instant)>,
}

impl Fault {
    /// One that does not concern the gate.
    pub(crate) fn back_at(back: Instant) -> Self {
        Self {
            count: 1,
            back: Some(back),
            gate: None,
        }
    }
}

/// Plays rounds as long as the plan says, closes the processes, and makes sure
/// that what was checked is still so.
pub(crate) async fn rounds(
    plan: &Plan,
    mut stage: Stage,
    script: &Script,
    mut fault: impl AsyncFnMut(&mut Stage, &Crowd, &mut Rng) -> Fault,
) -> Report {
    let script = &script.times(plan.size);
    let mut rng = Rng::with_seed(plan.seed);
    let mut report = Report::default();
    let mut totals = (0, 0);
    let mut books = Books::default();
    while report.rounds < plan.rounds && plan.goes_on() {
        let mut rng = rng.fork();
        books = round(&mut stage, script, &mut report, &mut rng, &mut fault).await;
        totals = stage.totals().await;
    }
    end(stage, &books, totals, &mut report).await;
    report
}

/// Waits until the gate is as the books say, closes the processes, and makes sure that
/// the totals, which were read with the books, stay.
pub(crate) async fn end(mut stage: Stage, books: &Books, totals: (i64, i64), report: &mut Report) {
    for wrong in stage.gates_disagree(books).await {
        report.broken(format!("the gate is not mended: {wrong}"));
    }
    stage.close().await;
    let after = stage.totals().await;
    if after != totals {
        report.broken(format!(
            "after the end there are other bookings, by number and sum of ids: {totals:?}, {after:?}"
        ));
    }
}

async fn round(
    stage: &mut Stage,
    script: &Script,
    report: &mut Report,
    rng: &mut Rng,
    fault: &mut impl AsyncFnMut(&mut Stage, &Crowd, &mut Rng) -> Fault,
) -> Books {
    stage.stock_users(script.users()).await;
    let capacities = [&script.hot[..], &script.small[..]].concat();
    let events = stage.publish(&capacities).await;
    let offered: Vec<_> = events
        .iter()
        .enumerate()
        .map(|(index, &event)| Offered {
            event,
            calls_max: if index < script.hot.len() {
                usize::MAX
            } else {
                FEW
            },
            is_resized: index + script.resized >= events.len(),
        })
        .collect();

    let crowd = Crowd::begin(stage, &offered, &script.habits, rng);
    crowd.wait_calls(script.before).await;
    // Not to synchronise anything: the fault comes at any moment.
    tokio::time::sleep(script.delay.mul_f64(rng.f64())).await;
    let done = fault(stage, &crowd, rng).await;
    report.faults += done.count;
    if let Some(back) = done.back {
        let served = crowd.wait_served(back).await;
        report.recoveries.push(Duration::from_nanos(served - back));
    }
    crowd.wait_calls(script.after).await;
    let calls = crowd.end().await;

    let mut history = History {
        published: events.iter().copied().zip(capacities).collect(),
        calls,
        gate_troubles: Vec::new(),
    };
    if let Some((from, to)) = done.gate {
        let to = to.saturating_add(nanoseconds(MENDED));
        history.gate_troubles.push(GateTrouble {
            event: None,
            from,
            to,
        });
    }
    note_changes(&mut history);
    let books = stage.books(&events).await;
    let verdict = check(&history, &books);
    show(&history, &verdict);
    if !verdict.violations.is_empty() {
        stage.show_logs();
    }
    report.add(&history, &verdict);
    books
}

/// Between a smaller capacity and its effect on the gate a reconciliation may
/// make the gate too low, until the next one. So may a cancellation of which
/// the process was not told that it was made: its seats are not given back to the
/// gate, not even when it is answered the second time.
fn note_changes(history: &mut History) {
    let changes = history.calls.iter().filter(|call| match call.ask {
        Ask::Resize { .. } => true,
        Ask::Cancel { .. } => call.is_unknown(),
        _ => false,
    });
    let troubles = changes.map(|call| GateTrouble {
        event: Some(call.ask.event()),
        from: call.start,
        to: call.end.saturating_add(nanoseconds(MENDED)),
    });
    history.gate_troubles.extend(troubles.collect::<Vec<_>>());
}

/// Prints what was wrong, if anything was, and all calls where that is asked for.
pub(crate) fn show(history: &History, verdict: &Verdict) {
    if verdict.violations.is_empty() {
        return;
    }
    eprintln!("--- {} violations", verdict.violations.len());
    for violation in verdict.violations.iter().take(10) {
        eprintln!("{violation}");
    }
    if std::env::var_os("UTSAVAM_FAULTS_SHOW").is_some() {
        for call in &history.calls {
            eprintln!("{call:?}");
        }
    }
}

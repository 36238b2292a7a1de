//! Runs a plan to its end, and says what was wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, TimeDelta};
use domain::model::{EventId, EventName, PublishEvent, SeatCount, UserId};

use crate::executor::{self, now_us};
use crate::plan::{Action, EVENTS_MAX, Hand, Plan};
use crate::process::Wish;
use crate::watch::Tally;
use crate::{database, network, process, surroundings, watch};

/// What became of a history.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was wrong first, if anything was.
    pub wrong: Option<String>,
    /// How much there was in it.
    pub tally: Tally,
    /// Polls and messages.
    pub steps: u64,
}

/// More steps than any history needs: one that goes on has got stuck in a circle.
const STEPS_MAX: u64 = 200_000;

/// Runs the history of a seed.
pub fn run(seed: u64) -> Outcome {
    run_plan(&Plan::new(seed), false).0
}

/// Runs a plan.
pub fn run_only(plan: &Plan) -> Outcome {
    run_plan(plan, false).0
}

/// Runs a plan, and says what happened step by step.
pub fn trace(plan: &Plan) -> (Outcome, Vec<String>) {
    run_plan(plan, true)
}

fn run_plan(plan: &Plan, is_traced: bool) -> (Outcome, Vec<String>) {
    begin(plan, is_traced);
    let mut steps = 0;
    let ended = catch_unwind(AssertUnwindSafe(|| live(plan, &mut steps)));
    if ended.is_err() {
        watch::wrong("something panicked");
    }
    let outcome = Outcome {
        wrong: watch::verdict(),
        tally: watch::tally(),
        steps,
    };
    let trace = watch::take_steps();
    process::reset();
    (outcome, trace)
}

fn begin(plan: &Plan, is_traced: bool) {
    fastrand::seed(plan.seed);
    process::reset();
    surroundings::reset();
    network::reset(plan.twice, plan.redis_delay_us);
    database::reset(plan.database_delay_us);
    watch::reset(plan.is_calm, is_traced);
    for number in 0..plan.processes {
        process::start(number, plan.batches);
    }
    for planned in plan.actions.iter().copied() {
        let batches = plan.batches;
        executor::after(planned.at_us, move || act(planned.action, batches));
    }
}

/// What is planned, then the same world at rest, reconciled, and long after.
fn live(plan: &Plan, steps: &mut u64) {
    come_to_rest(steps, plan.stalls);
    if watch::verdict().is_some() {
        return;
    }
    heal(plan);
    come_to_rest(steps, 0);
    watch::at_rest(false);

    // Leases of those who crashed run out.
    executor::after(5_000_000, || {});
    come_to_rest(steps, 0);
    process::reconcile(0);
    come_to_rest(steps, 0);
    watch::at_rest(true);
    sell_out(steps);

    executor::after(400_000_000, || {});
    come_to_rest(steps, 0);
    watch::long_after();
}

/// Nothing fails any more.
fn heal(plan: &Plan) {
    watch::trace(|| "nothing fails any more".to_owned());
    network::befall(network::Trouble::Astray(0));
    database::befall(database::Trouble::Astray(0));
    database::befall(database::Trouble::Returns);
    if !plan.is_calm {
        network::befall(network::Trouble::Returns);
    }
    if plan.has_odd_clock() {
        // Past all that was leased while it was wrong.
        network::befall(network::Trouble::ClockJumps {
            by_ms: 40 * 3_600_000,
        });
    }
    for number in 0..plan.processes {
        process::start(number, plan.batches);
    }
}

/// At a gate that was put right the seats that are left are to be had, and no more.
fn sell_out(steps: &mut u64) {
    for event_id in (1..=EVENTS_MAX).filter_map(|id| EventId::try_new(id).ok()) {
        let Some(seats_left) = database::seats_left(event_id) else {
            continue;
        };
        if !database::is_upcoming(event_id) {
            continue;
        }
        for (user, seats) in [(1_000, seats_left), (2_000, 1)] {
            let Ok(seats) = SeatCount::try_new(seats) else {
                continue;
            };
            let before = watch::tally().sold;
            let user_id = UserId::try_new(user + event_id.get()).expect("positive");
            process::book(
                0,
                Wish {
                    user_id,
                    event_id,
                    seats,
                    has_key: false,
                },
            );
            come_to_rest(steps, 0);
            let is_sold = watch::tally().sold > before;
            if is_sold != (user == 1_000) {
                watch::wrong(&format!(
                    "of {seats_left} seats of event {event_id} in the end: {seats} sold: {is_sold}"
                ));
            }
        }
    }
}

/// Goes on until nothing is left to do.
fn come_to_rest(steps: &mut u64, stalls: u32) {
    while watch::verdict().is_none() {
        let has_ready = executor::has_ready();
        if !has_ready && executor::next_timer_us().is_none() {
            return;
        }
        *steps += 1;
        if *steps > STEPS_MAX {
            return watch::wrong("it never ends");
        }
        if has_ready && (stalls == 0 || fastrand::u32(..1000) >= stalls) {
            executor::poll_one();
        } else {
            if has_ready {
                stall();
            }
            executor::pass_time();
        }
    }
}

/// Everything that could go on is held up, as on a machine without time for it.
fn stall() {
    let long_us = executor::next_timer_us().map_or(0, |at_us| at_us.saturating_sub(now_us()));
    // Longer than it takes for something to run out of time.
    if long_us > 10_000 {
        watch::fault_all("everything is held up");
    }
}

fn act(action: Action, batches: database::BatchSizes) {
    watch::trace(|| format!("{action:?}"));
    match action {
        Action::Publish {
            process,
            capacity,
            starts_in_ms,
        } => {
            let details = PublishEvent {
                name: EventName::parse("Tech Talk").expect("not empty"),
                venue: None,
                start_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(starts_in_ms),
                capacity,
            };
            process::publish(process, details);
        }
        Action::Book { process, wish } => process::book(process, wish),
        Action::Cancel { process, number } => {
            if let Some(booking_id) = database::some_booking(number) {
                process::cancel(process, booking_id);
            }
        }
        Action::Resize {
            process,
            event_id,
            capacity,
        } => {
            process::resize(process, event_id, capacity);
        }
        Action::Delete { process, event_id } => process::delete(process, event_id),
        Action::Reconcile { process } => process::reconcile(process),
        Action::Crash { process } => process::crash(process),
        Action::Start { process } => process::start(process, batches),
        Action::Redis(trouble) => network::befall(trouble),
        Action::Database(trouble) => database::befall(trouble),
        Action::Operator { event_id, hand } => operate(event_id, hand),
    }
}

fn operate(event_id: EventId, hand: Hand) {
    let bucket = format!("event:{event_id}:tokens");
    let other = |part: &str| format!("{{{bucket}}}:{part}");
    match hand {
        Hand::SetsTokens(tokens) => network::operate(&["SET", &bucket, &tokens.to_string()]),
        Hand::DeletesBucket => network::operate(&["DEL", &bucket]),
        Hand::SpoilsBucket => network::operate(&["SET", &bucket, "many"]),
        Hand::SpoilsLeases => {
            network::operate(&["DEL", &other("leases")]);
            network::operate(&["LPUSH", &other("leases"), "x"]);
        }
        Hand::DeletesLeasedSeats => network::operate(&["DEL", &other("leased_seats")]),
        Hand::DeletesGeneration => network::operate(&["DEL", &other("generation")]),
    }
}

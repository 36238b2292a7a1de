//! Three processes behind HAProxy, on a PostgreSQL with a synchronous standby,
//! lose nothing and sell nothing twice, whoever goes away.

use utsavam_tests::faults::{Plan, Report, Scenario, balanced};

/// Plays a scenario with a new seed, or that of `UTSAVAM_FAULTS_SEED`.
async fn play(scenario: Scenario) -> Report {
    let seed = std::env::var("UTSAVAM_FAULTS_SEED");
    let seed = seed.map_or_else(
        |_| fastrand::u64(..),
        |seed| seed.parse().expect("UTSAVAM_FAULTS_SEED is a number"),
    );
    println!("seed {seed}; again: UTSAVAM_FAULTS_SEED={seed} make cluster-test");
    let report = (scenario.play)(Plan::short(seed, scenario.rounds)).await;
    println!("{report:#?}");
    assert!(
        report.violations.is_empty(),
        "{} promises were broken, by seed {seed}\n{}",
        report.violations.len(),
        report.violations.join("\n")
    );
    assert!(report.faults >= scenario.rounds, "a fault in every round");
    assert!(report.bookings > 0, "somebody bought something");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_costs_no_booking_and_makes_none_twice() {
    play(balanced::KILLED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_all_processes_took_along_is_not_said_to_mean_nothing() {
    let report = play(balanced::KILLED_BEFORE_ANSWER).await;
    assert!(report.unknown > 0, "somebody was not answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_all_processes_are_replaced_one_after_the_other() {
    let report = play(balanced::REPLACED).await;
    assert_eq!(report.unknown, 0, "every call was answered");
    assert_eq!(report.turned_away, 0, "nobody was told to come again");
}

//! Short versions of what `make faults` plays: the promises hold while servers
//! and their dependencies are killed, cut off and misled.

mod replica;
mod standby;

use utsavam_tests::faults::{Plan, Report, Scenario};

/// Plays a scenario with a new seed, or that of `UTSAVAM_FAULTS_SEED`.
async fn play(name: &str) -> Report {
    let scenario = Scenario::named(name).unwrap_or_else(|| panic!("there is no {name}"));
    let seed = std::env::var("UTSAVAM_FAULTS_SEED");
    let seed = seed.map_or_else(
        |_| fastrand::u64(..),
        |seed| seed.parse().expect("UTSAVAM_FAULTS_SEED is a number"),
    );
    println!("seed {seed}; again: {}", scenario.command(seed));
    let report = (scenario.play)(Plan::short(seed, scenario.rounds)).await;
    println!("{report:#?}");
    if report.skipped.is_some() {
        return report;
    }
    assert!(
        report.violations.is_empty(),
        "{} promises were broken, again: {}\n{}",
        report.violations.len(),
        scenario.command(seed),
        report.violations.join("\n")
    );
    assert!(report.faults >= scenario.rounds, "a fault in every round");
    assert!(report.bookings > 0, "somebody bought something");
    report
}

/// A test for each scenario.
macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                play($name).await;
            }
        )*

        #[test]
        fn every_scenario_has_a_test() {
            let tested = [$($name),*];
            for scenario in utsavam_tests::faults::SCENARIOS {
                assert!(tested.contains(&scenario.name), "{} has none", scenario.name);
            }
        }
    };
}

scenarios! {
    postgres_killed_in_a_burst_loses_nothing: "postgres_killed",
    a_session_of_postgres_killed_in_a_burst_loses_nothing: "postgres_session_killed",
    a_restart_of_postgres_loses_nothing: "postgres_restarted",
    a_failover_to_the_synchronous_standby_loses_nothing: "postgres_failover",
    a_line_to_postgres_that_breaks_or_drags_loses_nothing: "postgres_line",
    a_connection_cut_around_commit_makes_no_booking_of_nobody: "commit_cut",
    a_lost_answer_of_commit_makes_no_booking_of_nobody: "commit_answer_dropped",
    redis_killed_sells_nothing_twice: "redis_killed",
    redis_flushed_sells_nothing_twice: "redis_flushed",
    redis_from_an_old_snapshot_sells_nothing_twice: "redis_old_snapshot",
    a_slow_redis_sells_nothing_twice: "redis_slow",
    a_redis_that_answers_errors_sells_nothing_twice: "redis_errors",
    a_process_killed_before_its_commit_leaves_nothing_behind: "api_killed_before_commit",
    a_process_killed_before_its_answer_leaves_what_it_made: "api_killed_before_answer",
    a_process_killed_in_its_shutdown_loses_nothing: "api_killed_in_shutdown",
    a_day_of_reconciling_beside_buyers_takes_nobodys_seat: "day_of_reconciling",
    clocks_that_jump_an_hour_lose_nothing: "clock_jumps",
    an_on_sale_in_which_everything_is_killed_loses_nothing: "everything_killed",
    a_full_disk_loses_nothing_and_is_recovered_from: "disk_full",
    a_key_sent_many_times_at_once_makes_one_booking: "same_key_at_once",
    clients_who_hang_up_leave_nothing_behind: "clients_hang_up",
    slow_senders_keep_nobody_from_buying: "slow_senders",
    a_rush_at_events_that_shrink_and_vanish_is_fair: "rush",
    an_exhausted_pool_turns_away_and_loses_nothing: "pool_exhausted",
    a_full_queue_turns_away_and_loses_nothing: "queue_full",
    three_processes_of_which_one_is_killed_sell_nothing_twice: "api_one_of_three_killed",
}

//! Plays every scenario at length, one after the other, and prints a table of
//! what came of it: `make faults`.

mod table;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use clap::Parser;
use futures::FutureExt;
use table::{Row, Table};
use utsavam_tests::faults::{Plan, Report, SCENARIOS, Scenario};

/// Kill servers and their dependencies while clients buy, and look for losses.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of the scenarios that kill PostgreSQL and the program in a burst;
    /// those that kill Redis and repeat keys have half of it, all others a tenth.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// How much comes in a round, in relation to a short one.
    #[arg(long, default_value_t = 4)]
    size: usize,
    /// Repeats the schedule of all scenarios; new ones otherwise.
    #[arg(long)]
    seed: Option<u64>,
    /// After so many minutes no other round begins.
    #[arg(long)]
    minutes: Option<u64>,
    /// Names of scenarios, separated by commas, instead of all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Plays what the tests play.
    #[arg(long)]
    short: bool,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let scenarios = match chosen(&arguments.only) {
        Ok(scenarios) => scenarios,
        Err(name) => {
            let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            eprintln!(
                "there is no scenario {name}; there are {}",
                names.join(", ")
            );
            return std::process::ExitCode::from(2);
        }
    };
    let minutes = arguments
        .minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let until = minutes.map(|minutes| Instant::now() + minutes);
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut table = Table::default();
    println!("{}", table.head());
    for scenario in scenarios {
        let plan = plan(scenario, &arguments, seed, until);
        if !plan.goes_on() {
            break;
        }
        let started = Instant::now();
        let report = tokio::select! {
            report = AssertUnwindSafe((scenario.play)(plan)).catch_unwind() => report,
            _ = tokio::signal::ctrl_c() => break,
        };
        // What it was has been said by the panic itself.
        let report = report.unwrap_or_else(|_| Report::ended_early());
        if let Some(why) = &report.skipped {
            println!("| {} | not played: {why} |", scenario.name);
            continue;
        }
        let row = Row::new(scenario, seed, started.elapsed(), &report);
        println!("{row}");
        table.add(row);
        for violation in &report.violations {
            println!("    {violation}");
        }
    }
    println!("{}", table.sums());
    if table.violations() == 0 {
        std::process::ExitCode::SUCCESS
    } else {
        println!("again: make faults SEED={seed} ONLY=… with the name of a scenario");
        std::process::ExitCode::FAILURE
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static Scenario>, String> {
    let only: Vec<_> = only.iter().filter(|name| !name.is_empty()).collect();
    if only.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    only.into_iter()
        .map(|name| Scenario::named(name).ok_or_else(|| name.clone()))
        .collect()
}

fn plan(scenario: &Scenario, arguments: &Arguments, seed: u64, until: Option<Instant>) -> Plan {
    let short = Plan::short(seed, scenario.rounds);
    if arguments.short {
        return short;
    }
    Plan {
        rounds: scenario.rounds_of(arguments.kills),
        size: arguments.size,
        until,
        ..short
    }
}

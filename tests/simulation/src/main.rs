//! `simulate`: runs many histories, or shows one.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use utsavam_simulation::{Outcome, Plan, describe, run, run_only, shrink, trace};

/// Runs simulated histories of bookings, each from its seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many histories, from the seed on one after the other.
    #[arg(long, default_value_t = 100_000)]
    histories: u64,
    /// The first seed; without one any.
    #[arg(long)]
    seed: Option<u64>,
    /// Shows the one history of the seed, step by step.
    #[arg(long, requires = "seed")]
    show: bool,
    /// Of its actions only these, by their numbers.
    #[arg(long, requires = "show", value_delimiter = ',')]
    only: Option<Vec<usize>>,
    /// How many threads; as many as there are processors if it is left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is a finding, which is shown with its history.
    std::panic::set_hook(Box::new(|_| {}));
    match (arguments.show, arguments.seed) {
        (true, Some(seed)) => show(seed, arguments.only.as_deref()),
        (_, seed) => run_many(&arguments, seed.unwrap_or_else(|| fastrand::u64(..1 << 40))),
    }
}

fn show(seed: u64, only: Option<&[usize]>) -> ExitCode {
    let plan = Plan::new(seed);
    let plan = only.map_or_else(|| plan.clone(), |numbers| plan.only(numbers));
    let (outcome, steps) = trace(&plan);
    println!("{}", describe(&plan));
    for step in steps {
        println!("{step}");
    }
    verdict(&outcome)
}

fn verdict(outcome: &Outcome) -> ExitCode {
    match &outcome.wrong {
        Some(wrong) => {
            println!("\nwrong: {wrong}");
            ExitCode::FAILURE
        }
        None => {
            println!("\nnothing was wrong: {:?}", outcome.tally);
            ExitCode::SUCCESS
        }
    }
}

/// What all threads add up.
#[derive(Debug, Default)]
struct Sums {
    histories: u64,
    steps: u64,
    calls: u64,
    sold: u64,
    refused: u64,
    troubled: u64,
    faults: u64,
    mended: u64,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        let tally = outcome.tally;
        self.histories += 1;
        self.steps += outcome.steps;
        self.calls += u64::from(tally.calls);
        self.sold += u64::from(tally.sold);
        self.refused += u64::from(tally.refused);
        self.troubled += u64::from(tally.troubled);
        self.faults += u64::from(tally.faults);
        self.mended += u64::from(tally.mended);
    }

    fn join(&mut self, other: &Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.calls += other.calls;
        self.sold += other.sold;
        self.refused += other.refused;
        self.troubled += other.troubled;
        self.faults += other.faults;
        self.mended += other.mended;
    }
}

fn run_many(arguments: &Arguments, first: u64) -> ExitCode {
    let threads = arguments.threads.unwrap_or_else(|| {
        thread::available_parallelism().map_or(1, |processors| processors.get())
    });
    println!(
        "{} histories from seed {first} on {threads} threads",
        arguments.histories
    );
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sums, found) = (Mutex::new(Sums::default()), Mutex::new(None));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Sums::default();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.histories {
                        break;
                    }
                    let outcome = run(first.wrapping_add(number));
                    own.add(&outcome);
                    if outcome.wrong.is_some() {
                        stop.store(true, Ordering::Relaxed);
                        keep_first(&found, number);
                    }
                }
                if let Ok(mut sums) = sums.lock() {
                    sums.join(&own);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    report(&sums.into_inner().unwrap_or_default(), seconds);
    match found.into_inner() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(number)) => explain(first.wrapping_add(number), number + 1),
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep_first(found: &Mutex<Option<u64>>, number: u64) {
    if let Ok(mut found) = found.lock() {
        *found = Some(found.map_or(number, |other| other.min(number)));
    }
}

fn report(sums: &Sums, seconds: f64) {
    let Sums {
        histories,
        steps,
        calls,
        sold,
        refused,
        troubled,
        faults,
        mended,
    } = sums;
    let per_second = *histories as f64 / seconds;
    println!(
        "| histories | a second | steps | calls | sold | refused | troubled | faults | mended |\n\
         |---|---|---|---|---|---|---|---|---|\n\
         | {histories} | {per_second:.0} | {steps} | {calls} | {sold} | {refused} | {troubled} | {faults} | {mended} |"
    );
}

fn explain(seed: u64, histories: u64) -> ExitCode {
    let plan = Plan::new(seed);
    let outcome = run_only(&plan);
    println!(
        "\nseed {seed}, history {histories}, goes wrong: {}",
        outcome.wrong.unwrap_or_default()
    );
    let numbers = shrink(&plan);
    let shorter = plan.only(&numbers);
    let outcome = run_only(&shorter);
    println!(
        "{} of {} actions are enough for:",
        numbers.len(),
        plan.len()
    );
    print!("{}", describe(&shorter));
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    println!(
        "\nsee it: make simulate SEED={seed} ONLY={}",
        numbers.join(",")
    );
    verdict(&outcome)
}

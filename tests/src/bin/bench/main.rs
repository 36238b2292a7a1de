//! `make bench`: how fast the server is, compared within one run with what the
//! same machine can do at best. Without a command it runs everything; the
//! commands are the processes that it starts, and can be used alone.

mod bare;
mod check;
mod load;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "bench",
    about = "Measures the utsavam server",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make requests, measure them and keep a ledger of the answers
    Load(Box<load::LoadArgs>),
    /// Compare ledgers with a database
    Check(check::CheckArgs),
    /// Serve bookings that do not exist, by a handler that does nothing
    Bare,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Load(args)) => load::run(&args),
        Some(Command::Bare) => bare::run(),
        Some(Command::Check(args)) => with_runtime(async {
            let bookings = check::run(&args).await?;
            println!("{bookings} bookings are as promised");
            Ok(())
        }),
        None => with_runtime(run::run(&cli.run)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn with_runtime(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let outcome = runtime.block_on(work);
    // After Ctrl-C SQLite may still be filling a file that nobody wants.
    runtime.shutdown_background();
    outcome
}

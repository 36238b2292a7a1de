//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::commands::export::Existing;
use crate::commands::openapi::Format;
use crate::failure::Failure;
use crate::logging;
use crate::settings::{CONFIG_VARIABLE, Settings};
use crate::traces::Traces;

const ABOUT: &str = "Sells seats to events: never one twice, never a booking lost.";

const AFTER_HELP: &str = "\
Settings come from defaults, then a TOML file (--config, else ./utsavam.toml),
then the environment. The ones that every installation sets:

  DATABASE_URL  where the data are: nothing for the embedded store in
                ./utsavam-data/, sqlite://path/file.db or sqlite::memory: for one
                elsewhere, postgres://user:password@host:5432/database
  REDIS_URL     redis://host:6379/0, the seat gate of servers on PostgreSQL;
                redis+cluster://one:6379,two:6379 or
                redis+sentinel://one:26379,two:26379/mymaster/0
  ADMIN_KEY     the value of X-Admin-Key (default change_me_admin_key)
  HOST, PORT    where to listen          (default 127.0.0.1 and 8000)

Every other one is UTSAVAM__SECTION__KEY, as in UTSAVAM__DATABASE__POOL_SIZE=32.
`utsavam config` shows them all with their present values.

Try it:
  utsavam seed-demo && utsavam serve
  then open http://127.0.0.1:8000/docs";

#[derive(Parser)]
#[command(name = "utsavam", version, about = ABOUT, after_help = AFTER_HELP)]
struct Cli {
    /// Read settings from this TOML file.
    #[arg(long, global = true, value_name = "FILE", env = CONFIG_VARIABLE)]
    config: Option<PathBuf>,
    /// What to do; serve when absent.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer HTTP requests until SIGTERM or Ctrl-C.
    ///
    /// Migrates the database first unless database.migrate_on_start is false,
    /// and listens only when its schema is current.
    Serve,
    /// Bring the database to the schema that this version needs.
    ///
    /// A new database is set up, one of an older version brought forward, one
    /// of the Python service taken over with its data, any other refused.
    Migrate,
    /// Make sure that the demo users and events exist and are still to come.
    SeedDemo,
    /// Compare seats left, figures, keys and the seat gate with the bookings once,
    /// and put right what the bookings say how to.
    ///
    /// Exit code 0: all is right now. 3: something differs that was not repaired;
    /// what could not be is for people to decide. 1: it could not be compared.
    /// Safe beside servers on PostgreSQL; the embedded store is open to one process.
    Reconcile(commands::reconcile::Options),
    /// Pause and resume sales of one event or of all, in all servers at once.
    ///
    /// For emergencies; needs the database and no server. The embedded store is open to
    /// one process: while a server has it, that server is asked over HTTP.
    #[command(subcommand)]
    Sales(commands::sales::Action),
    /// Copy the embedded store into a file, while a server goes on with it or not.
    ///
    /// The copy holds all that was answered before, and is looked through. To go
    /// back to it, stop the server and put it in the place of the database, whose
    /// -wal and -shm files must be gone. PostgreSQL has pg_dump and others for that.
    Backup {
        /// Where to. It gets its name only when it is complete, and replaces a
        /// file that had it.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write all users, events, bookings, keys and the audit log into an archive.
    ///
    /// The archive is one state of the store, whatever is sold meanwhile, and
    /// goes into any other store with `utsavam import`. It holds addresses and
    /// password hashes: keep it to yourself.
    Export {
        /// Where to: standard output if it is left out. A file gets its name
        /// only when it is complete.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Replace a file that has the name already.
        #[arg(long)]
        force: bool,
    },
    /// Take an archive over into an empty database, all of it or nothing.
    ///
    /// Migrates the database first. Ids, times and statuses stay what they
    /// are; people log in anew, with the passwords that they have; before anything is kept, counts and seats must add up.
    Import {
        /// Where from: standard input if it is left out.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the description of the HTTP interface (OpenAPI 3.1).
    Openapi {
        /// In which format.
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
    },
    /// Watch running servers: bookings and refusals a second, latency, batches,
    /// dependencies, and the hottest events with their seats left.
    ///
    /// Reads the address of their metrics; q, Esc or Ctrl-C quits. With --once, exit
    /// code 1 means that a server could not be read.
    Top(commands::top::Options),
    /// Print the settings in force, secrets hidden.
    Config,
    /// Ask the server at HOST and PORT whether it is alive; exit code 0 if so.
    Health,
}

/// Runs the command that the process was started with. A failure is one
/// sentence on standard error and exit code 1.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("utsavam: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let command = cli.command.unwrap_or(Command::Serve);
    if let Command::Openapi { format } = command {
        commands::openapi::print(format)?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::load(cli.config.as_deref())?;
    let traces = match command {
        Command::Serve => Traces::start(&settings.traces)?,
        _ => None,
    };
    logging::start(&settings.log, traces.as_ref())?;
    for doubt in Settings::doubts() {
        tracing::warn!("{doubt}");
    }
    let done = match command {
        Command::Reconcile(options) => {
            return commands::block_on(commands::reconcile::reconcile(settings, options));
        }
        Command::Openapi { .. } => Ok(()),
        Command::Config => commands::config::print(&settings),
        Command::Health => commands::health::ask(&settings),
        Command::Top(options) => commands::top::top(&settings, options),
        Command::Serve => commands::block_on(commands::serve::serve(settings, traces)),
        Command::Migrate => commands::block_on(commands::migrate::migrate(settings)),
        Command::Sales(action) => commands::block_on(commands::sales::sales(settings, action)),
        Command::SeedDemo => commands::block_on(commands::seed_demo::seed_demo(settings)),
        Command::Backup { file } => commands::backup::back_up(&settings, &file),
        Command::Export { file, force } => {
            let existing = match force {
                true => Existing::Replace,
                false => Existing::Keep,
            };
            commands::block_on(commands::export::export(settings, file, existing))
        }
        Command::Import { file } => commands::block_on(commands::import::import(settings, file)),
    };
    done.map(|()| ExitCode::SUCCESS)
}

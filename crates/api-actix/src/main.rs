//! The `utsavam` binary: see `utsavam --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    api_actix::cli::run()
}

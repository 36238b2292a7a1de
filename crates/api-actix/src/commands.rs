//! One file per command of the command line.

pub(crate) mod backup;
pub(crate) mod config;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod migrate;
mod new_file;
pub(crate) mod openapi;
mod own_files;
pub(crate) mod reconcile;
pub(crate) mod sales;
pub(crate) mod seed_demo;
pub(crate) mod serve;
pub(crate) mod top;

use std::io::Write;

use crate::failure::Failure;

/// Runs a command on the main runtime. It has several threads, because pools
/// and transactions live on it beside the workers of the HTTP server, and
/// because migrations block one.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}")))?
        .block_on(command)
}

/// Writes an answer to standard output, which may be closed or full.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{text}")
        .map_err(|error| Failure::new(format!("cannot write to standard output: {error}")))
}

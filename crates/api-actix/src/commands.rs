//! One file per command of the command line.

pub(crate) mod config;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod reconcile;
pub(crate) mod seed_demo;
pub(crate) mod serve;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{Settings, SettingsError};

/// Why a command failed: one sentence for whoever typed it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self(error.to_string())
    }
}

/// Runs a command on the main runtime. It has several threads, because pools
/// and transactions live on it beside the workers of the HTTP server, and
/// because migrations block one.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime: {error}")))?
        .block_on(command)
}

/// Sends the log to standard error: standard output is for answers.
pub(crate) fn start_logging(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log.filter).map_err(|error| {
        Failure::new(format!("the setting log.filter is not a filter: {error}"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

//! Utsavam's HTTP service: settings, wiring of the adapters, handlers and the
//! command line. What is sold to whom is decided in `domain`; here requests
//! are parsed into its commands and its answers rendered as JSON.

mod app;
mod archive;
mod auth;
mod background;
pub mod cli;
mod commands;
mod failure;
mod http;
mod logging;
mod metrics;
mod overview;
mod plain_http;
mod progress;
mod reconciliation;
mod redact;
mod server;
pub mod settings;
mod stopping;
mod top;
mod traces;
mod wiring;
mod worker;

pub use failure::Failure;
pub use server::Server;
pub use settings::{Settings, SettingsError};

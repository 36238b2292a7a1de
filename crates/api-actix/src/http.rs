//! HTTP: one file per endpoint, each parse → use case → render. Status codes
//! are in `status`, the shape of errors in `problem`, paths in `routes`.

pub(crate) mod access;
mod account;
mod admin;
mod connections;
mod cursor;
mod docs;
mod extract;
pub(crate) mod limits;
mod middleware;
pub(crate) mod openapi;
mod paging;
pub(crate) mod problem;
mod public;
mod routes;
pub(crate) mod server;
mod status;

pub(crate) use public::ready::{DependencyState, state_of};

//! From a request's parts to values, each failure a problem that names the field.

mod idempotency_key;
mod json;
mod path;
mod query;

pub(crate) use idempotency_key::IdempotencyHeader;
pub(crate) use json::Json;
pub(crate) use path::path_id;
pub(crate) use query::Query;

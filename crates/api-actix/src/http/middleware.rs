//! What happens around every handler.

pub(crate) mod conditional;
pub(crate) mod request_context;
pub(crate) mod require_admin;

//! What happens around every handler.

pub(crate) mod conditional;
pub(crate) mod cors;
pub(crate) mod open_mode;
pub(crate) mod request_context;
pub(crate) mod security_headers;

//! What users do about their own accounts, one endpoint per file.

pub(crate) mod change_me;
pub(crate) mod erase_me;
pub(crate) mod export_me;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod my_bookings;
pub(crate) mod refresh;
pub(crate) mod set_password;
mod tokens;
pub(crate) mod view_me;

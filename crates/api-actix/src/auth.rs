//! Who is calling, and how they prove it. What they may do is said where
//! the calls are listed, in `http::routes`.

mod admin_keys;
pub(crate) mod credentials;
mod identify;
mod memory;
mod passwords;
mod remembered;
mod secret;

pub(crate) use credentials::Credential;
pub(crate) use identify::{Identities, NotIdentified};
pub(crate) use passwords::{PasswordTrouble, Passwords};
pub(crate) use secret::{Secret, SecretKind};

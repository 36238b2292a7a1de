//! The heart of Utsavam: what a booking is, who may have one, and what the
//! rest of the program must provide for that.
//!
//! | room | holds |
//! |---|---|
//! | [`model`] | typed values that cannot be illegal |
//! | [`rules`] | pure, synchronous decisions |
//! | [`ports`] | what a store or a seat gate must do, as traits |
//! | [`usecases`] | one verb each, generic over the ports |
//!
//! Nothing here does I/O, knows a runtime, a row, a status code or a wire
//! format, and nothing here depends on another crate of the workspace. Any
//! Rust service may reuse the rules with adapters of its own; see the example
//! `own_adapter`. With the feature `mocks` every port has a `mockall` mock.

pub mod model;
pub mod ports;
pub mod rules;
pub mod usecases;

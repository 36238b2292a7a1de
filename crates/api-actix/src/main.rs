//! The `utsavam` binary: see `utsavam --help`.

use std::process::ExitCode;

/// Requests allocate on one thread and batches free on another, which is where
/// the C library's allocator is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api_actix::cli::run()
}

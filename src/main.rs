//! The binary: runs the command line and turns its result into an exit code.

use std::process::ExitCode;

use socket_gateway::cli;

/// Many small buffers are made and freed on all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

//! The `remargin` command: parses the command line, runs it, turns the outcome into an exit code.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

// The run allocates in many threads and frees in others, where the system allocator contends.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    ExitCode::from(cli::main(&args))
}

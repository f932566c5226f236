//! The program `event-gateway`: flags in, exit code out. What it does is in the library.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Events are read by one thread, written by another and freed by a third, which the allocator of libc is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}

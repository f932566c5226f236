//! The program `event-gateway`: passes its arguments to the library and returns the exit code. The library does all
//! the work.

mod cli;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// One thread reads an event, another writes it and a third frees it. The allocator of libc is slow at that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}

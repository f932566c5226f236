//! Attacks a real gateway over its ports and prints which goals hold. Each attack is a file of `attacks`; `README.md` has
//! the commands, the goals and the figures.

mod attacks;
mod client;
mod functions;
mod gateway;
mod healthy;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use self::table::Table;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How large the attacks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// Small and quick, on a busy machine and a gateway that is not optimized. Goals for times are not checked.
    Ci,
    /// As in the table of `README.md`, with the gateway as it is shipped.
    Full,
}

/// What every attack gets.
pub(crate) struct Ground {
    /// The gateway.
    pub(crate) program: PathBuf,
    pub(crate) size: Size,
}

impl Ground {
    /// Returns the first value for the small size, and the second one for the full size.
    pub(crate) fn pick<T>(&self, ci: T, full: T) -> T {
        match self.size {
            Size::Ci => ci,
            Size::Full => full,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = if arguments.iter().any(|argument| argument == "--full") { Size::Full } else { Size::Ci };
    // The others are options for Rust's own test programs, which this one is run beside.
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let ground = Ground { program: program(size), size };
    let mut table = Table::default();
    for (name, run) in attacks::ALL {
        if names.is_empty() || names.iter().any(|part| name.contains(part.as_str())) {
            eprintln!("{name}");
            match run(&ground).await {
                Ok(rows) => rows.into_iter().for_each(|row| table.add(name, row)),
                Err(error) => table.failed(name, &*error),
            }
        }
    }
    table.print();
    if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the gateway to attack: `EVENT_GATEWAY`, or that of this workspace.
fn program(size: Size) -> PathBuf {
    if let Some(program) = std::env::var_os("EVENT_GATEWAY") {
        return program.into();
    }
    if size == Size::Ci {
        return eg_tests::program::built("event-gateway").to_owned();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let build = ["build", "--release", "--package", "eg-gateway", "--bin", "event-gateway"];
    let built = Command::new("cargo").args(build).current_dir(&root).status();
    assert!(built.is_ok_and(|status| status.success()), "the gateway does not build");
    root.join("target/release/event-gateway")
}

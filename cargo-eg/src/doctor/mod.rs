//! Looks at this machine for what keeps `cargo eg` from working: tools, targets, ports, proxies, limits, disk, clock, versions. Changes
//! nothing. `machine` has the facts, `diagnoses` says what they mean; the command prints it.

mod diagnoses;
mod machine;

use serde::Serialize;

pub(crate) use self::machine::Machine;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// All is well.
    Good,
    /// Something that some people need is missing.
    Note,
    /// Something will go wrong, or is slow.
    Warning,
    /// `cargo eg run` cannot work.
    Error,
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The thing, for example `ports`.
    pub(crate) about: &'static str,
    pub(crate) level: Level,
    /// What was found.
    pub(crate) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    fn good(about: &'static str, found: impl Into<String>) -> Self {
        Self { about, level: Level::Good, found: found.into(), fix: None }
    }

    fn bad(about: &'static str, level: Level, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { about, level, found: found.into(), fix: Some(fix.into()) }
    }
}

/// Returns what is found about each thing on this machine.
pub(crate) fn examine(machine: &Machine) -> Vec<Finding> {
    diagnoses::all(machine)
}

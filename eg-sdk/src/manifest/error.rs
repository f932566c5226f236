//! The errors of reading a manifest: the program cannot be read, or its records do not describe one service. Each has
//! a hint for the developer where there is one.

use std::path::PathBuf;

/// Why the manifest of a binary cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not an ELF or Mach-O program.
    #[error("{} is not an ELF or Mach-O program", path.display())]
    NotAProgram {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: object::read::Error,
    },
    /// No annotated function is linked into the program.
    #[error("no functions in {}", path.display())]
    NoFunctions {
        /// The program.
        path: PathBuf,
    },
    /// A record is invalid.
    #[error("{} has a manifest record that cannot be read: {record}", path.display())]
    BadRecord {
        /// The program.
        path: PathBuf,
        /// The record, shortened.
        record: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// The records do not describe one service.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The program.
        path: PathBuf,
        /// The contradiction.
        reason: Contradiction,
    },
}

/// Why records do not describe one service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// The functions come from several packages, and nothing names the service.
    #[error("its functions come from several packages: {}", packages.join(", "))]
    SeveralPackages {
        /// The names of the packages.
        packages: Vec<String>,
    },
    /// `eg_runtime::service!` was used more than once.
    #[error("it names its service more than once: {}", names.join(", "))]
    SeveralServices {
        /// The names.
        names: Vec<String>,
    },
    /// Two functions have the same name.
    #[error("two functions are named `{name}`: {} and {}", sources[0], sources[1])]
    SameName {
        /// The name.
        name: String,
        /// The sources of both.
        sources: [String; 2],
    },
    /// A name that cannot be part of a function id.
    #[error("`{name}` ({place}) cannot be part of a function's id: only letters, digits, `-` and `_` can")]
    BadName {
        /// The name.
        name: String,
        /// The function's source, or `service`.
        place: String,
    },
}

impl ManifestError {
    /// Returns what the developer can do, if there is a hint.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoFunctions { .. } => Some(
                "annotate functions with #[http] or #[subscribe]; if they live in a library crate, name that \
                 crate in main.rs (`use my_functions as _;`)",
            ),
            Self::BadRecord { .. } => Some("was it built with a newer eg-runtime than this program knows?"),
            Self::Invalid { reason: Contradiction::SeveralPackages { .. }, .. } => {
                Some("name the service in main.rs: `eg_runtime::service!(\"name\");`")
            }
            Self::Invalid { reason: Contradiction::SeveralServices { .. }, .. } => {
                Some("keep one `eg_runtime::service!`, the one in main.rs")
            }
            Self::Invalid { reason: Contradiction::SameName { sources: [one, other], .. }, .. }
                if one == other =>
            {
                Some(
                    "another attribute copies the function, such as `#[axum::debug_handler]`: put the attribute of \
                     eg_runtime above it",
                )
            }
            Self::Invalid { reason: Contradiction::SameName { .. }, .. } => {
                Some("rename one, or give it another name: `#[http(GET, \"/\", name = \"other\")]`")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_was_copied_needs_no_other_name() {
        let hint = |sources: [&str; 2]| {
            let reason =
                Contradiction::SameName { name: "f".to_owned(), sources: sources.map(str::to_owned) };
            ManifestError::Invalid { path: PathBuf::new(), reason }.hint().unwrap()
        };
        assert!(hint(["a.rs:1", "a.rs:1"]).contains("above it"));
        assert!(hint(["a.rs:1", "a.rs:2"]).contains("rename one"));
    }
}

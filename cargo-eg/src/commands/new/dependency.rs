//! Decides where a new service gets eg-runtime from. Writing the files is left to the parent module.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// The repository that this program was built from.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How the `Cargo.toml` of a service refers to the crates that it needs.
#[derive(Debug)]
pub(super) struct Dependencies {
    runtime: String,
    sdk: String,
    serde: String,
    tokio: String,
    /// A description of where eg-runtime comes from.
    pub(super) because: String,
}

impl Dependencies {
    /// Picks the first of these that exists: the clone that the user named, the dependencies of the workspace at
    /// `around`, the clone that this program was built from, the registry.
    pub(super) fn find(asked: Option<&Path>, around: Option<&Path>) -> Result<Self, Failure> {
        let inherited = around.map(inherited).unwrap_or_default();
        let or_inherited = |name: &str, features: &str, own: String| {
            let is_inherited = inherited.iter().any(|known| known == name);
            if !is_inherited {
                own
            } else if features.is_empty() {
                "{ workspace = true }".to_owned()
            } else {
                format!("{{ workspace = true, features = [{features}] }}")
            }
        };
        let inherits = asked.is_none() && inherited.iter().any(|known| known == "eg-runtime");
        let (source, because) = match asked {
            _ if inherits => (Source::Version, "as the workspace has it".to_owned()),
            Some(clone) => {
                let clone = checked(clone)?;
                let because = format!("from {}, as --eg-path says", clone.display());
                (Source::Path(clone), because)
            }
            None => match PathBuf::from(CHECKOUT).canonicalize().ok().filter(|clone| has_runtime(clone)) {
                Some(clone) => {
                    let because = format!("from {}, which this cargo-eg was built from", clone.display());
                    (Source::Path(clone), because)
                }
                None => (
                    Source::Version,
                    format!(
                        "{} from the registry; --eg-path takes it from a clone",
                        env!("CARGO_PKG_VERSION")
                    ),
                ),
            },
        };
        let runtime = source.of("eg-runtime");
        Ok(Self {
            runtime: if inherits { or_inherited("eg-runtime", "", runtime) } else { runtime },
            sdk: source.of("eg-sdk"),
            serde: or_inherited(
                "serde",
                r#""derive""#,
                r#"{ version = "1", features = ["derive"] }"#.to_owned(),
            ),
            tokio: or_inherited(
                "tokio",
                r#""macros", "rt""#,
                r#"{ version = "1", features = ["macros", "rt"] }"#.to_owned(),
            ),
            because,
        })
    }

    /// Returns the lines for a service's `[dependencies]`.
    pub(super) fn of_service(&self) -> String {
        let Self { runtime, serde, tokio, .. } = self;
        format!("eg-runtime = {runtime}\nserde = {serde}\ntokio = {tokio}\n")
    }

    /// Fills in the template of a workspace.
    pub(super) fn fill(&self, template: &str) -> String {
        template.replace("{{eg-runtime}}", &self.runtime).replace("{{eg-sdk}}", &self.sdk)
    }
}

enum Source {
    /// A clone of this repository.
    Path(PathBuf),
    /// The registry.
    Version,
}

impl Source {
    fn of(&self, name: &str) -> String {
        match self {
            Self::Path(clone) => {
                // A path may contain characters that are special in TOML. JSON strings are valid TOML strings.
                let path = serde_json::Value::String(clone.join(name).display().to_string());
                format!("{{ path = {path} }}")
            }
            Self::Version => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        }
    }
}

/// Checks a clone that was named on the command line.
fn checked(clone: &Path) -> Result<PathBuf, Failure> {
    let wrong = |reason: String| {
        Failure::new(
            Exit::NotFound,
            format!("{} is not a clone of Event Gateway for Rust: {reason}", clone.display()),
        )
        .hint("name the folder that contains eg-runtime/ and eg-sdk/")
    };
    let found = clone.canonicalize().map_err(|error| wrong(error.to_string()))?;
    if has_runtime(&found) { Ok(found) } else { Err(wrong("it has no eg-runtime/Cargo.toml".to_owned())) }
}

fn has_runtime(clone: &Path) -> bool {
    ["eg-runtime", "eg-sdk"].iter().all(|part| clone.join(part).join("Cargo.toml").is_file())
}

/// Returns the names in `[workspace.dependencies]` of the workspace at `root`.
fn inherited(root: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    let dependencies =
        manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")?.as_table());
    dependencies.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

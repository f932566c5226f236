//! Holds what `[deploy]` in an `eg.toml` says about each stage of an application: names, variables, secrets, tables.
//! Reading the file is left to `declared`, and what follows for AWS to `needs` and `template`.

mod domain;
mod format;
mod gateway;
mod merge;
mod named;
mod shared;
mod stage;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eg_grammar::{did_you_mean, list};

pub(super) use self::format::Section;
pub(crate) use self::format::{Bus, ExistingQueue, KeyAttribute, Vpc};
pub(crate) use self::gateway::Gateway;
pub(crate) use self::named::Named;
pub(crate) use self::shared::{Kept, Table};
pub(crate) use self::stage::{FunctionSettings, Stage, Unknown};
pub(crate) use self::variables::Value;
use super::mistake::Wrong;
use crate::exit::{Exit, Failure};

/// The stage that commands work on unless `--stage` names another one.
pub(crate) const DEFAULT: &str = "dev";

/// The stage of `cargo eg run`, which is never deployed.
pub(crate) const LOCAL: &str = "local";

/// The name of the file beside an `eg.toml` with the values that secrets have on this machine.
pub(crate) const SECRETS: &str = ".env";

/// The variable with the name of the bus that receives emitted events.
pub(crate) use eg_grammar::variable::EVENT_BUS;

/// The longest name of a stack: CloudFormation's limit, in characters.
const STACK_NAME: usize = 128;

/// What one `eg.toml` says about the deployment of an application.
#[derive(Debug, Clone)]
pub(crate) struct Deploy {
    /// The file. `None`: no file says anything.
    pub(crate) file: Option<PathBuf>,
    /// The folder of the file: the application's. Paths in the file count from here.
    pub(crate) folder: PathBuf,
    stages: BTreeMap<String, Stage>,
}

impl Deploy {
    /// Reads the text of a file that has nothing but `[deploy]`, for tests.
    #[cfg(test)]
    pub(crate) fn read(text: &str, file: &Path) -> Result<Self, Wrong> {
        #[derive(serde::Deserialize)]
        struct File {
            #[serde(default)]
            deploy: Section,
        }
        let File { deploy } = super::mistake::parse(text)?;
        Self::of_section(deploy, file, &|at| super::mistake::position(text, at))
    }

    /// Returns the deployment of an application without `[deploy]`: one stage, in a stack with the folder's name.
    pub(crate) fn unsaid(folder: &Path) -> Result<Self, Failure> {
        Self::new(Section::default(), folder, None).map_err(|Wrong { text, .. }| {
            Failure::new(Exit::Usage, text).hint("`[deploy]` in an eg.toml: `stack = \"…\"`")
        })
    }

    /// Checks a section. `at` returns `line:column` of a place in the file.
    pub(super) fn of_section(
        section: Section,
        file: &Path,
        at: &dyn Fn(usize) -> String,
    ) -> Result<Self, Wrong> {
        let folder = file.parent().unwrap_or(file);
        Self::new(section, folder, Some((file, at)))
    }

    fn new(
        mut section: Section,
        folder: &Path,
        file: Option<(&Path, &dyn Fn(usize) -> String)>,
    ) -> Result<Self, Wrong> {
        let at = |at: usize| file.map(|(_, position)| position(at)).unwrap_or_default();
        let mut stages = BTreeMap::new();
        let special = std::mem::take(&mut section.stages);
        for (name, special) in special {
            let here = at(name.span().start);
            let name = name.into_inner();
            check_stage_name(&name).map_err(|text| Wrong::at(&here, text))?;
            if !special.stages.is_empty() {
                return Err(Wrong::at(&here, format!("stage `{name}` has `stages` of its own: remove them")));
            }
            let stage = Stage::new(&name, section.clone().with(special), folder, &at)?;
            stages.insert(name, stage);
        }
        for name in [DEFAULT, LOCAL] {
            if !stages.contains_key(name) {
                stages.insert(name.to_owned(), Stage::new(name, section.clone(), folder, &at)?);
            }
        }
        Ok(Self { file: file.map(|(file, _)| file.to_owned()), folder: folder.to_owned(), stages })
    }

    /// Returns the stage with a name that can be deployed; without a name, the default one.
    ///
    /// # Errors
    /// Fails for a stage that the file does not have, and for that of `cargo eg run`.
    pub(crate) fn stage(&self, name: Option<&str>) -> Result<&Stage, Failure> {
        let name = name.unwrap_or(DEFAULT);
        let deployable = || self.stages.keys().map(String::as_str).filter(|stage| *stage != LOCAL);
        if name == LOCAL {
            let failure =
                Failure::new(Exit::Usage, "stage `local` is this machine: `cargo eg run` starts it");
            return Err(
                failure.hint(format!("the stages on AWS are {}", list(&deployable().collect::<Vec<_>>())))
            );
        }
        self.stages.get(name).ok_or_else(|| {
            let known: Vec<&str> = deployable().collect();
            let file = self
                .file
                .as_deref()
                .map_or_else(|| "an eg.toml".to_owned(), |file| file.display().to_string());
            let message =
                format!("no stage `{name}`{}; the stages are {}", did_you_mean(name, &known), list(&known));
            Failure::new(Exit::Usage, message)
                .hint(format!("to add it, write [deploy.stages.{name}] into {file}"))
        })
    }

    /// Returns the stage of `cargo eg run`.
    pub(crate) fn local(&self) -> &Stage {
        &self.stages[LOCAL]
    }
}

/// Returns the name of the stack of a stage. Every resource with a name of its own is called so, too, or begins with it.
fn stack_name(application: &str, stage: &str) -> String {
    format!("{application}-{stage}")
}

/// Checks the name of a stage, which is part of the names of resources.
fn check_stage_name(name: &str) -> Result<(), String> {
    match is_lower_name(name) {
        true => Ok(()),
        false => Err(format!("{name:?} cannot name a stage: use lower-case letters, digits and `-`")),
    }
}

fn is_lower_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests;

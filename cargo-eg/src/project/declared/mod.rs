//! Reads `eg.toml`, which declares functions that are not written in Rust and how the application is deployed, and reports
//! mistakes in it. Starting the programs is left to `run`, and the settings in `[deploy]` to `deploy`.
//!
//! ```toml
//! service = "pictures"            # else the folder's name
//!
//! [[function]]
//! name = "resize"
//! command = ["python3", "-m", "awslambdaric", "app.resize"]
//! triggers = [{ event = "picture.uploaded", retry = { attempts = 5 } }, { http = "POST /pictures/{id}" }]
//!
//! [[function]]
//! name = "archive"
//! url = "http://localhost:8080/archive"
//! triggers = [{ event = "picture.resized" }]
//! ```

mod convert;
mod format;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use eg_grammar::{check_service_name, text_without_bom};
use eg_sdk::manifest::Manifest;

use super::deploy::Deploy;
use super::mistake::{Wrong, line, parse, position};
use super::values::Text;

use self::convert::Misplaced;
use self::format::{File, ServiceName};
use crate::exit::{Exit, Failure};

/// The name of the file.
pub(crate) const FILE: &str = "eg.toml";

/// The version of services that declare none.
const VERSION: &str = "0.0.0";

/// The content of one `eg.toml`. It has functions, a deployment, or both.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) manifest: Manifest,
    /// The folder of the file, which is where the programs run.
    pub(crate) folder: PathBuf,
    /// The program for each function id; a function at a URL has none.
    pub(crate) programs: BTreeMap<String, Program>,
    pub(crate) deploy: Option<Deploy>,
}

/// A program that gets its events from the Runtime API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Program {
    /// Returns the files in `folder` that the command names: programs, scripts, settings.
    pub(crate) fn named_files(&self, folder: &Path) -> impl Iterator<Item = PathBuf> {
        let paths = self.command.iter().map(move |word| folder.join(word));
        paths.filter(move |path| path.starts_with(folder) && path.is_file())
    }
}

impl Declaration {
    /// Whether it declares a service, and not only how the application is deployed.
    pub(crate) fn has_functions(&self) -> bool {
        !self.manifest.functions.is_empty()
    }
}

/// Returns the files in `folder` and below that declare a service.
pub(super) fn find(folder: &Path) -> Vec<PathBuf> {
    let mut files = crate::watch::find(folder, FILE);
    files.retain(|file| declares_service(file));
    files
}

/// Whether the file declares a service. One with a mistake counts, so that the mistake is reported.
pub(super) fn declares_service(file: &Path) -> bool {
    file.is_file() && read(file).map_or(true, |declaration| declaration.has_functions())
}

/// Returns the deployment that applies to a service in `folder`: that of the nearest file with `[deploy]`, in the folder or
/// above, up to `root`. `None` if there is none.
pub(crate) fn deployment(folder: &Path, root: &Path) -> Result<Option<Deploy>, Failure> {
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
        let file = folder.join(FILE);
        if file.is_file()
            && let Some(deploy) = read(&file)?.deploy
        {
            return Ok(Some(deploy));
        }
    }
    Ok(None)
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Declaration, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {}: {error}", path.display())))?;
    declaration(&text, path).map_err(|mistake| {
        let place = mistake.at.map(|at| format!(":{at}")).unwrap_or_default();
        let failure = Failure::new(Exit::Usage, format!("{}{place}: {}", path.display(), mistake.text));
        failure.hint(match mistake.of_deploy {
            true => "`cargo eg template --help` shows an example of `[deploy]`",
            false => {
                "a function has a `name`, a `command` or a `url`, and `triggers`, each with `event`, `http`, `schedule` or \
                 `queue`; `cargo eg run --help` shows an example"
            }
        })
    })
}

fn declaration(text: &str, file: &Path) -> Result<Declaration, Wrong> {
    let folder = file.parent().unwrap_or(file);
    let text = text_without_bom(text);
    let wrong = |at: Range<usize>, message| Wrong::at(&position(text, at.start), message);
    let File { service, function, deploy } = parse(text)?;
    let deploy = deploy.map(|section| Deploy::of_section(section, file, &|at| position(text, at)));
    let deploy = deploy.transpose().map_err(|wrong| Wrong { of_deploy: true, ..wrong })?;
    if function.is_empty() {
        return match (deploy, service) {
            (None, _) => Err(Wrong::file("it declares no functions: add a [[function]]")),
            (Some(_), Some(_)) => Err(Wrong::file(
                "`service` names the service of the functions in this file, which has none: remove it",
            )),
            (deploy, None) => {
                let (manifest, programs) = (Manifest::new("", VERSION, Vec::new()), BTreeMap::new());
                Ok(Declaration { manifest, folder: folder.to_owned(), programs, deploy })
            }
        };
    }
    let service = match service {
        Some(Text(ServiceName(name))) => name,
        None => {
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            check_service_name(&name)
                .map_err(|mistake| Wrong::file(format!("{mistake}; name it with `service = \"…\"`")))?;
            name
        }
    };
    let (mut functions, mut programs) = (Vec::<eg_sdk::manifest::Function>::new(), BTreeMap::new());
    for declared in function {
        let name = &declared.get_ref().name;
        let at = name.span();
        let line = line(text, at.start);
        if functions.iter().any(|other| other.name == name.get_ref().0.0) {
            let name = &name.get_ref().0.0;
            return Err(wrong(at, format!("another function is called `{name}` too: rename one of them")));
        }
        let (function, program) = convert::function(&service, &format!("{FILE}:{line}"), declared)
            .map_err(|Misplaced { at, text }| wrong(at, text))?;
        if let Some(program) = program {
            programs.insert(function.id.clone(), program);
        }
        functions.push(function);
    }
    let manifest = Manifest::new(service, VERSION, functions);
    Ok(Declaration { manifest, folder: folder.to_owned(), programs, deploy })
}

#[cfg(test)]
mod tests;

//! Packs the programs of services for Lambda: a zip file for each, and `artifacts.json`, which describes them to whatever
//! deploys them. Building the programs is left to `project`.

mod bundle;
mod description;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use eg_sdk::manifest::{Manifest, PanicStrategy, Sink};

use self::bundle::Bundle;
pub(crate) use self::description::{Artifacts, Service};
use crate::exit::{Exit, Failure};
use crate::needs;
use crate::project::deploy::{EVENT_BUS, Stage};
use crate::project::toolchain::Machine;

/// The file that describes the zip files beside it.
pub(crate) const DESCRIPTION: &str = "artifacts.json";

/// Returns where the zip file of a service is, relative to the folder of all artifacts.
pub(crate) fn zip_of(service: &str) -> PathBuf {
    Path::new(service).join("bootstrap.zip")
}

/// A program to pack.
#[derive(Debug)]
pub(crate) struct Packable {
    pub(crate) manifest: Manifest,
    pub(crate) path: PathBuf,
    /// What `eg.toml` says about its stage. `None`: there is no `[deploy]`.
    pub(crate) stage: Option<Stage>,
}

/// Packs the programs into `folder`, each with its manifest. Nothing changes there unless all of them run on Lambda.
pub(crate) fn write<'a>(
    programs: &'a [Packable],
    machine: Machine,
    folder: &Path,
) -> Result<Artifacts<'a>, Failure> {
    let mut packed = Vec::new();
    for program in programs {
        packed.push((program, pack(program, machine)?));
    }
    let mut services = Vec::new();
    for (program, (bundle, unpacked)) in packed {
        let zip = zip_of(&program.manifest.service);
        replace(&folder.join(&zip), &bundle.bytes)?;
        services.push(Service::new(program, zip, &bundle, unpacked));
    }
    let artifacts = Artifacts::new(machine, programs, services);
    let text = serde_json::to_string_pretty(&artifacts)
        .map_err(|error| Failure::because(Exit::Failed, format!("cannot write {DESCRIPTION}"), error))?;
    replace(&folder.join(DESCRIPTION), (text + "\n").as_bytes())?;
    Ok(artifacts)
}

/// Checks a program and packs it. Also returns its size.
fn pack(program: &Packable, machine: Machine) -> Result<(Bundle, usize), Failure> {
    let Packable { manifest, path, stage } = program;
    let program = fs::read(path).map_err(|error| {
        Failure::because(Exit::Build, format!("cannot read the program {}", path.display()), error)
    })?;
    program::check(&program, machine).map_err(|unfit| {
        Failure::new(Exit::Build, format!("{} {unfit}", path.display())).hint(unfit.hint())
    })?;
    let service = &manifest.service;
    if manifest.panic == Some(PanicStrategy::Abort) {
        let message =
            format!("a panic in a function of `{service}` would end its process, with all that it handles");
        return Err(Failure::new(Exit::Build, message)
            .hint("remove `panic = \"abort\"` from this profile (default: [profile.release]) in the workspace's Cargo.toml"));
    }
    let mut functions = manifest.functions.iter();
    let calls_aws = functions.find(|function| !needs::variables(function, stage.as_ref()).is_empty());
    if let Some(function) = calls_aws.filter(|_| !manifest.sinks.contains(&Sink::EventBridge)) {
        let variables = needs::variables(function, stage.as_ref());
        let what = if variables.contains(&EVENT_BUS) {
            "emit events"
        } else if variables.contains(&needs::FAILURES_QUEUE) {
            "keep rejected events"
        } else {
            "send to connections"
        };
        let message =
            format!("`{service}` cannot {what} on AWS, as `{}` must ({})", function.name, function.source);
        return Err(Failure::new(Exit::Build, message)
            .hint("make `eg-runtime` a dependency of the package itself, in a version with the feature `eventbridge`"));
    }
    let secret = manifest.functions.iter().find_map(|function| {
        let secrets = stage.as_ref()?.secrets(&manifest.service, &function.id);
        secrets.into_keys().next().map(|name| (function, name.to_owned()))
    });
    if let Some((function, name)) = secret.filter(|_| !manifest.secrets) {
        let message = format!(
            "`{service}` cannot read secrets on AWS, and `{}` has the secret `{name}` ({})",
            function.name, function.source
        );
        return Err(Failure::new(Exit::Build, message).hint(
            "make `eg-runtime` a dependency of the package itself, in a version with the feature `secrets`",
        ));
    }
    let bundle = Bundle::of(&program)
        .map_err(|error| Failure::because(Exit::Failed, format!("cannot pack {}", path.display()), error))?;
    Ok((bundle, program.len()))
}

/// Writes a file as a whole, unless it has this content already: its time tells what has changed.
fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || {
        if fs::read(path).is_ok_and(|existing| existing == content) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
        std::io::Write::write_all(&mut file, content)?;
        file.persist(path)?;
        Ok::<_, std::io::Error>(())
    };
    write().map_err(|error| Failure::because(Exit::Failed, format!("cannot write {}", path.display()), error))
}

/// Returns the rights of a file that other users may read, as far as their umask lets them.
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

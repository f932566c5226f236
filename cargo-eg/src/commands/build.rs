//! `cargo eg build`: builds the services for Lambda. `crate::artifacts` packs them.

use std::collections::BTreeMap;
use std::path::Path;

use super::{current_folder, json_pretty, print};
use crate::artifacts::{Artifacts, DESCRIPTION, Packable, write};
use crate::cli::{self, Architecture, Packages, Targets};
use crate::console::text::{BOLD, DIM, columns, count, styled};
use crate::exit::{Exit, Failure, warn};
use crate::needs::{Retries, is_behind_gateway, is_route, pattern};
use crate::project::deploy::DEFAULT;
use crate::project::services::{Code, Service};
use crate::project::toolchain::{Machine, Toolchain};
use crate::project::{Build, Project, Wanted};

/// Services that were built for Lambda.
pub(super) struct Programs {
    pub(super) project: Project,
    pub(super) machine: Machine,
    pub(super) services: Vec<Service>,
}

/// Builds the services that the options select for a stage, seen from the folder `current`.
pub(super) async fn programs(
    packages: Packages,
    targets: Targets,
    architecture: Option<Architecture>,
    profile: Option<String>,
    stage: Option<String>,
    current: &Path,
) -> Result<Programs, Failure> {
    let (tools, note) = Toolchain::find(architecture.map(Into::into))?;
    if let Some(note) = note {
        warn(&note);
    }
    let machine = tools.machine;
    let stage = stage.unwrap_or_else(|| DEFAULT.to_owned());
    let build = Build { lambda: Some(tools), profile, stage: Some(stage), ..targets.into() };
    let project =
        Project::find(current, &Wanted { paths: packages.paths, packages: packages.packages, build })?;
    let services = project.services().await?;
    Ok(Programs { project, machine, services })
}

pub(crate) async fn run(arguments: cli::BuildServices) -> Result<(), Failure> {
    let cli::BuildServices { packages, targets, architecture, cargo_profile, stage, output, json } =
        arguments;
    let current = current_folder()?;
    let Programs { project, machine, services } =
        programs(packages, targets, architecture, cargo_profile, stage.clone(), &current).await?;
    let folder = output.map_or_else(|| project.artifacts(&current), |folder| current.join(folder));
    let mut programs = Vec::new();
    for Service { manifest, code, deploy, .. } in services {
        match code {
            Code::Binary(path) => {
                let stage = deploy.map(|deploy| deploy.stage(stage.as_deref()).cloned()).transpose()?;
                // What a stage excludes is not for its tools either.
                let manifest = match &stage {
                    Some(stage) => stage.deployed(manifest),
                    None => Some(manifest),
                };
                programs.extend(manifest.map(|manifest| Packable { manifest, path, stage }));
            }
            Code::Programs(_) => warn(&left_out(&manifest.service)),
        }
    }
    check_names(&programs)?;
    // A gateway delivers what a bus and an HTTP API cannot.
    let on_bus = programs.iter().filter(|program| !is_behind_gateway(program.stage.as_ref()));
    for function in on_bus.flat_map(|program| &program.manifest.functions) {
        for reason in
            function.events().filter(|event| !is_route(event)).filter_map(|event| pattern(event).err())
        {
            warn(&format!("{}: {reason}", function.id));
        }
    }
    for Packable { manifest, stage, .. } in &programs {
        for function in &manifest.functions {
            for reason in Retries::impossible(function, stage.as_ref()) {
                warn(&format!("{} ({}): {reason}", function.id, function.source));
            }
        }
    }
    if programs.is_empty() {
        return Err(Failure::new(Exit::NotFound, "nothing to build: no service here is a program in Rust"));
    }
    let artifacts = write(&programs, machine, &folder)?;
    if json {
        return print(&json_pretty(&artifacts)?);
    }
    print(&table(&artifacts))?;
    eprintln!(
        "built for {}; {} describes the files for other tools, `cargo eg template` makes a template for them",
        machine.name(),
        folder.join(DESCRIPTION).display()
    );
    Ok(())
}

/// Returns the note about a service that is not packed.
pub(super) fn left_out(service: &str) -> String {
    format!(
        "{service} is left out: eg.toml says how to run its functions here, but not how to pack them for Lambda"
    )
}

/// Checks that each program is a service of its own: the service names its zip file.
pub(super) fn check_names(programs: &[Packable]) -> Result<(), Failure> {
    let mut known = BTreeMap::new();
    for Packable { manifest, path, .. } in programs {
        if let Some(other) = known.insert(&manifest.service, path) {
            let [first, second] = [other, path].map(|path| path.display());
            let message = format!("{first} and {second} are both the service `{}`", manifest.service);
            return Err(Failure::new(Exit::Manifest, message).hint(
                "rename one with `eg_runtime::service!(\"name\");` in its main.rs, or choose one with --bin",
            ));
        }
    }
    Ok(())
}

fn table(artifacts: &Artifacts<'_>) -> String {
    let row = |service: &crate::artifacts::Service<'_>| {
        [
            styled(BOLD, service.service),
            count(service.functions(), "function"),
            format!("{} ({} unpacked)", size(service.bytes), size(service.unpacked_bytes)),
            styled(DIM, &service.zip.display().to_string()),
        ]
    };
    columns(&artifacts.services.iter().map(row).collect::<Vec<_>>())
}

/// Formats a number of bytes in megabytes, as Lambda's limits are.
fn size(bytes: usize) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

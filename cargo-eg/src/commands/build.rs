//! `cargo eg build`: builds the services for Lambda. `crate::artifacts` packs them.

use std::path::Path;

use super::{current_folder, json_pretty, print, selected};
use crate::artifacts::{Artifacts, DESCRIPTION, Packable, write};
use crate::cli::{self, Architecture, Packages, Targets};
use crate::console::text::{BOLD, DIM, columns, count, styled};
use crate::exit::{Failure, warn};
use crate::needs::{Retries, is_behind_gateway, is_route, pattern};
use crate::project::deploy::DEFAULT;
use crate::project::services::Service;
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
    let programs = selected::of_services(&project, stage.as_deref(), services)?;
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

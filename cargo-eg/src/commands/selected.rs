//! Selects what is packed and deployed: of the services that were built, those that are programs in Rust, with the functions that
//! their stage has. Which services a command works on is decided by `crate::project`.

use std::collections::BTreeMap;

use crate::artifacts::Packable;
use crate::exit::{Exit, Failure, warn};
use crate::project::Project;
use crate::project::deploy::{Deploy, Stage, Unknown};
use crate::project::services::{Code, Service};

/// Returns the programs of a stage of the application that consists of `services`.
pub(super) fn of_application(
    deploy: &Deploy,
    stage: &Stage,
    services: Vec<Service>,
) -> Result<Vec<Packable>, Failure> {
    check_settings(deploy, stage, services.iter())?;
    programs(services.into_iter().map(|service| (service, Some(stage.clone()))), "no template")
}

/// Returns the programs of services that may belong to several applications, for the stage with this name.
pub(super) fn of_services(
    project: &Project,
    stage: Option<&str>,
    services: Vec<Service>,
) -> Result<Vec<Packable>, Failure> {
    let deployments = services.iter().filter_map(|service| service.deploy.as_ref());
    // The settings of an application may name services that were not selected.
    for deploy in deployments.filter(|deploy| project.has_all_of(deploy)) {
        let is_of = |other: &Deploy| other.file == deploy.file;
        let own = services.iter().filter(|service| service.deploy.as_ref().is_some_and(is_of));
        check_settings(deploy, deploy.stage(stage)?, own)?;
    }
    let mut staged = Vec::new();
    for service in services {
        let stage = service.deploy.as_ref().map(|deploy| deploy.stage(stage).cloned()).transpose()?;
        staged.push((service, stage));
    }
    programs(staged, "nothing to build")
}

/// Returns the programs among services, each with what its stage has of it. Says which services are left out. If all are, that is a
/// failure with this consequence.
fn programs(
    services: impl IntoIterator<Item = (Service, Option<Stage>)>,
    consequence: &str,
) -> Result<Vec<Packable>, Failure> {
    let mut programs = Vec::new();
    for (Service { manifest, code, .. }, stage) in services {
        let manifest = match &stage {
            Some(stage) => stage.deployed(manifest),
            None => Some(manifest),
        };
        let Some(manifest) = manifest else { continue };
        match code {
            Code::Binary(path) => programs.push(Packable { manifest, path, stage }),
            Code::Programs(_) => warn(&format!(
                "{} is left out: eg.toml says how to run its functions here, but not how to pack them for Lambda",
                manifest.service
            )),
        }
    }
    check_services(&programs)?;
    if programs.is_empty() {
        let message = format!("{consequence}: no service here is a program in Rust");
        return Err(Failure::new(Exit::NotFound, message));
    }
    Ok(programs)
}

/// Checks that the services and functions that the settings of the stage name are among `services`.
fn check_settings<'a>(
    deploy: &Deploy,
    stage: &Stage,
    services: impl Iterator<Item = &'a Service> + Clone,
) -> Result<(), Failure> {
    stage.check_names(services.map(|service| &service.manifest)).map_err(|Unknown { at, text }| {
        let file = deploy.file.as_deref().unwrap_or(&deploy.folder).display();
        Failure::new(Exit::Usage, format!("{file}:{at}: {text}"))
            .hint("correct the name, or name the folder of the whole application as PATH")
    })
}

/// Checks that each program is a service of its own: the service names its zip file.
fn check_services(programs: &[Packable]) -> Result<(), Failure> {
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

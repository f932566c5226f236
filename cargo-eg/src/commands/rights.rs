//! `cargo eg deploy --print-iam`: prints the rights that a deployer of the application needs. `crate::deploy` lists them.

use std::collections::BTreeMap;

use eg_sdk::manifest::Manifest;

use super::{current_folder, json_pretty, print, selected};
use crate::cli;
use crate::deploy::record::Record;
use crate::deploy::{Packaged, Scope, rights};
use crate::exit::{Exit, Failure, warn};
use crate::project::{Project, Wanted};
use crate::template::{Application, Extra, template};

/// What narrows the rights.
#[derive(Clone, Copy)]
pub(super) struct Narrowed<'a> {
    pub(super) region: Option<&'a str>,
    pub(super) bucket: Option<&'a str>,
}

/// Prints a policy of IAM for a stage.
pub(super) async fn run(
    wanted: &Wanted,
    stage: Option<&str>,
    gateway: &cli::BehindGateway,
    narrowed: Narrowed<'_>,
) -> Result<(), Failure> {
    let current = current_folder()?;
    let project = Project::find(&current, wanted)?;
    let services = project.services().await?;
    let deploy = project.deployment(&services, &current)?;
    let mut stage = deploy.stage(stage)?.clone();
    gateway.put_into(&mut stage)?;
    let stage = &stage;
    let programs = selected::of_application(&deploy, stage, services)?;
    let manifests: Vec<Manifest> = programs.into_iter().map(|program| program.manifest).collect();
    let extra = Extra::of(&deploy, stage)?;
    // Neither the processor nor the place of the code changes a right.
    let code = |service: &str| service.to_owned();
    let application =
        Application { manifests: &manifests, stage, architecture: "arm64", code: &code, extra: &extra };
    let made = template(&application).map_err(|refused| Failure::new(Exit::Manifest, refused))?;
    let tree = serde_json::to_value(&made.tree)
        .map_err(|error| Failure::because(Exit::Failed, "cannot write the template".to_owned(), error))?;
    let last = Record::in_folder(&deploy.folder).get(&stage.stack)?;
    let deployed = last.as_ref().map(|last| &last.template);
    let packaged = Packaged { template: tree, files: BTreeMap::new(), owners: Some(made.owners) };
    let tree = packaged.placed(deployed)?;
    let rights = rights(&Scope {
        templates: &std::iter::once(&tree).chain(deployed).collect::<Vec<_>>(),
        extra: extra.ids().collect(),
        stack: &stage.stack,
        region: narrowed.region.or(stage.region.as_deref()),
        bucket: narrowed.bucket,
    });
    for (ty, ids) in &rights.unknown {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        warn(&format!(
            "the rights for {ty} are not known: add those for {} yourself",
            eg_grammar::list(&ids)
        ));
    }
    print(&json_pretty(&rights.policy)?)
}

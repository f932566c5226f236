//! `cargo eg template`: prints an AWS SAM template for the application. `crate::template` generates it.

use eg_sdk::manifest::Manifest;

use super::{current_folder, print};
use crate::cli::{self, Architecture};
use crate::exit::{Exit, Failure, warn};
use crate::project::Project;
use crate::template::template;

pub(crate) async fn run(arguments: cli::Template) -> Result<(), Failure> {
    let cli::Template { selection, output, json, architecture } = arguments;
    let services = Project::find(&current_folder()?, &selection.into())?.services().await?;
    let manifests: Vec<Manifest> = services.into_iter().map(|service| service.manifest).collect();
    let architecture = match architecture {
        Architecture::Arm64 => "arm64",
        Architecture::X86_64 => "x86_64",
    };
    let template = template(&manifests, architecture).map_err(|clash| Failure::new(Exit::Manifest, clash))?;
    let unwritable = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot write the template: {error}"))
    };
    let text = if json {
        serde_json::to_string_pretty(&template.tree).map_err(|error| unwritable(&error))? + "\n"
    } else {
        serde_saphyr::to_string(&template.tree).map_err(|error| unwritable(&error))?
    };
    for note in &template.notes {
        warn(note);
    }
    match output {
        None => print(&text),
        Some(file) => std::fs::write(&file, text)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", file.display()))),
    }
}

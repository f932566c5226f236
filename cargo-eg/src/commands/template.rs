//! `cargo eg template`: prints a CloudFormation template for the application. `crate::template` generates it.

use std::path::{Component, Path, PathBuf};

use eg_sdk::manifest::Manifest;

use super::{current_folder, json_pretty, print, selected};
use crate::artifacts::zip_of;
use crate::cli;
use crate::console::text::count;
use crate::deploy::record::Record;
use crate::exit::{Exit, Failure, warn};
use crate::project::deploy::DEFAULT;
use crate::project::toolchain::{Machine, Toolchain};
use crate::project::{Project, Wanted};
use crate::template::{Application, Extra, Refused, Tree, divided, separated, template};

pub(crate) async fn run(arguments: cli::Template) -> Result<(), Failure> {
    let cli::Template { selection, stage, gateway, output, json, architecture, artifacts } = arguments;
    let machine = match architecture {
        Some(architecture) => Machine::from(architecture),
        // A template needs no tools.
        None => Toolchain::find(None).map_or(Machine::Arm64, |(tools, _)| tools.machine),
    };
    let current = current_folder()?;
    let mut wanted = Wanted::from(selection);
    wanted.build.stage = Some(stage.clone().unwrap_or_else(|| DEFAULT.to_owned()));
    let project = Project::find(&current, &wanted)?;
    let artifacts = artifacts.map_or_else(|| project.artifacts(&current), |folder| current.join(folder));
    let services = project.services().await?;
    let deploy = project.deployment(&services, &current)?;
    let mut stage = deploy.stage(stage.as_deref())?.clone();
    gateway.put_into(&mut stage)?;
    let stage = &stage;
    let programs = selected::of_application(&deploy, stage, services)?;
    let manifests: Vec<Manifest> = programs.into_iter().map(|program| program.manifest).collect();
    // CloudFormation's tools read paths from the folder of the template.
    let folder =
        output.as_deref().and_then(Path::parent).map_or_else(|| current.clone(), |to| current.join(to));
    let code = |service: &str| relative(&artifacts.join(zip_of(service)), &folder).display().to_string();
    let extra = Extra::of(&deploy, stage)?;
    let architecture = machine.name();
    let application = Application { manifests: &manifests, stage, architecture, code: &code, extra: &extra };
    let template = template(&application).map_err(|refused| Failure::new(Exit::Manifest, refused))?;
    for note in &template.notes {
        warn(note);
    }
    let last = Record::in_folder(&deploy.folder).get(&stage.stack)?;
    let before = last.as_ref().map(|last| &last.template);
    let mut tree = divided(template.tree, &template.owners, before)
        .map_err(|problems| Failure::new(Exit::Manifest, Refused(problems)))?;
    let name = |stack: &str| part(output.as_deref().unwrap_or(Path::new("")), stack);
    let link = |stack: &str| format!("./{}", name(stack).file_name().unwrap_or_default().display());
    let parts = separated(&mut tree, link);
    match output {
        None if parts.is_empty() => print(&text(&tree, json)?),
        None => Err(Failure::new(
            Exit::Usage,
            format!("the application needs {}, and each has a template of its own", count(parts.len(), "nested stack")),
        )
        .hint("write the templates to files with --output FILE: those of nested stacks have the name of the stack in theirs")),
        Some(ref file) => {
            // The template that names the others comes last.
            for (stack, part) in &parts {
                write(&name(stack), &text(part, json)?)?;
            }
            write(file, &text(&tree, json)?)
        }
    }
}

fn text(tree: &Tree, json: bool) -> Result<String, Failure> {
    if json {
        return json_pretty(tree);
    }
    serde_saphyr::to_string(tree)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the template: {error}")))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", file.display())))
}

/// Returns the file for the template of a nested stack: `template.OrderFunctions.yaml` beside `template.yaml`.
fn part(file: &Path, stack: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{stack}"));
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

/// Returns a path as seen from a folder. Both are absolute.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let (path, folder) = (plain(path), plain(folder));
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| "..");
    up.map(Path::new).chain(path.components().skip(shared).map(|part| Path::new(part.as_os_str()))).collect()
}

/// Returns a path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_stack_has_a_file_of_its_own() {
        for (file, expected) in [
            ("template.yaml", "template.OrderFunctions.yaml"),
            ("deploy/shop.prod.json", "deploy/shop.prod.OrderFunctions.json"),
            ("deploy/template", "deploy/template.OrderFunctions"),
        ] {
            assert_eq!(part(Path::new(file), "OrderFunctions"), Path::new(expected));
        }
    }

    #[test]
    fn a_path_as_seen_from_a_folder() {
        let check = |path: &str, folder: &str, expected: &str| {
            assert_eq!(relative(Path::new(path), Path::new(folder)), Path::new(expected));
        };
        check("/app/target/eg/users/bootstrap.zip", "/app", "target/eg/users/bootstrap.zip");
        check("/app/target/eg/a.zip", "/app/deploy/prod", "../../target/eg/a.zip");
        check("/elsewhere/a.zip", "/app", "../elsewhere/a.zip");
        check("/app/target/a.zip", "/app/target-b", "../target/a.zip");
        check("/app/target/a.zip", "/app/services/order/../..", "target/a.zip");
        check("/app/services/../zips/a.zip", "/app/./deploy", "../zips/a.zip");
    }
}

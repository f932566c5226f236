//! `cargo eg new`: creates a service, or a workspace with two services, from the templates in this binary. Existing
//! files stay unchanged, except that cargo adds the new member to its workspace.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use eg_grammar::check_service_name;

use crate::cli;
use crate::exit::{Exit, Failure};
use crate::project::cargo;
use crate::project::workspace::Workspace;

mod dependency;
mod templates;
mod workflow;

use dependency::Dependencies;
use templates::File;

/// The name of the service in the template.
const PLACEHOLDER: &str = "my-service";

/// The maximum length of a service's name: function ids are NAME-function, and Lambda allows 64 characters.
const LONGEST: usize = 40;

/// The maximum length of a workspace's name, which begins the names of its services.
const LONGEST_WORKSPACE: usize = 64 - "-emails-send_welcome_email".len();

/// The rule for the name of a service.
const RULE: &str = "a service's name begins with a letter and has letters, digits, `-` and `_`";

pub(crate) fn run(arguments: &cli::New) -> Result<(), Failure> {
    let current = super::current_folder()?;
    let Some(path) = &arguments.path else { return workflow::add(&current) };
    let folder = current.join(path);
    let longest = if arguments.workspace { LONGEST_WORKSPACE } else { LONGEST };
    let name = name(path, longest)?;
    if folder.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} exists already", path.display()))
            .hint("choose another name, or remove it"));
    }
    let around = workspace_around(&folder);
    if let (Some(workspace), true) = (&around, arguments.workspace) {
        let message = format!("{} would be inside the workspace {}", path.display(), workspace.display());
        return Err(Failure::new(Exit::Usage, message)
            .hint("leave --workspace out to add a service, or create the workspace elsewhere"));
    }
    if let (Some(workspace), Some(_)) = (&around, arguments.ci) {
        let message = format!("the workflow is for the whole workspace {}", workspace.display());
        return Err(Failure::new(Exit::Usage, message)
            .hint("leave --ci out, and run `cargo eg new --ci github` afterwards"));
    }
    let dependencies = Dependencies::find(arguments.eg_path.as_deref(), around.as_deref())?;
    let mut made = if arguments.workspace {
        workspace(&folder, name, &dependencies)?
    } else {
        service(&folder, name, around.is_some(), &dependencies)?
    };
    if arguments.ci.is_some() {
        let workflow = workflow::file();
        write(&folder, std::slice::from_ref(&workflow))?;
        made.push(workflow);
    }
    tell(arguments, path, name, &made, around.as_deref(), &dependencies);
    Ok(())
}

/// Returns the last part of the path if it is a valid name for a service or workspace with at most `longest`
/// characters.
fn name(path: &Path, longest: usize) -> Result<&str, Failure> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let wrong = |reason: String| {
        Err(Failure::new(Exit::Usage, format!("{name:?} cannot name a service: {reason}")).hint(RULE))
    };
    check_service_name(name).map_err(|mistake| Failure::new(Exit::Usage, mistake.to_string()).hint(RULE))?;
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return wrong("it does not begin with a letter".to_owned());
    }
    if name.len() > longest {
        return wrong(format!(
            "it has {} characters, and only {longest} leave room for a function's name in the 64 that Lambda allows",
            name.len()
        ));
    }
    if ["eg-runtime", "eg-sdk", "serde", "tokio"].contains(&name) {
        return wrong("it is the name of a crate that the service depends on".to_owned());
    }
    Ok(name)
}

/// Returns the root of the workspace that a new package at `folder` would belong to.
fn workspace_around(folder: &Path) -> Option<PathBuf> {
    let existing = folder.ancestors().skip(1).find(|ancestor| ancestor.exists())?;
    let root = Workspace::of(existing).ok()?.root;
    // A package outside a workspace has no members.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let manifest: toml::Table = manifest.parse().ok()?;
    manifest.contains_key("workspace").then_some(root)
}

/// Creates the package with `cargo new`, so that cargo's own defaults apply, then turns it into a service.
fn service(
    folder: &Path,
    name: &str,
    is_member: bool,
    dependencies: &Dependencies,
) -> Result<Vec<File>, Failure> {
    let parent = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
    let output = cargo::command()
        .args(["new", "--quiet", "--bin", "--vcs", "none", "--name", name])
        .arg(folder)
        .current_dir(parent)
        .output()
        .map_err(|error| cargo::missing(&error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Cargo's further lines give advice that does not apply to services.
        let reason = stderr.trim().lines().next().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        return Err(Failure::new(Exit::Usage, format!("cargo makes no package {name}: {reason}")));
    }
    let manifest = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).map_err(|error| unwritable(&manifest, &error))?;
    let mut files = vec![
        File::new("Cargo.toml", templates::manifest(&text, dependencies, is_member)),
        File::new("src/main.rs", templates::SERVICE.replace(PLACEHOLDER, name)),
    ];
    if !is_member {
        files.push(File::new(".gitignore", "/target\n.env\n".to_owned()));
    }
    write(folder, &files)?;
    Ok(files)
}

fn workspace(folder: &Path, name: &str, dependencies: &Dependencies) -> Result<Vec<File>, Failure> {
    let files = templates::workspace(name, dependencies);
    write(folder, &files)?;
    Ok(files)
}

fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    for file in files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
        std::fs::write(&path, &file.content).map_err(|error| unwritable(&path, &error))?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
}

/// Reports what was created and which commands to run next.
fn tell(
    arguments: &cli::New,
    path: &Path,
    name: &str,
    made: &[File],
    around: Option<&Path>,
    dependencies: &Dependencies,
) {
    use crate::console::text::{BOLD, GREEN};
    let folder = path.display();
    let what = if arguments.workspace { "workspace" } else { "service" };
    anstream::eprintln!(
        "{GREEN}made{GREEN:#} {what} {BOLD}{name}{BOLD:#}; eg-runtime {}",
        dependencies.because
    );
    for file in made {
        eprintln!("  {folder}/{}", file.path);
    }
    if let Some(workspace) = around {
        eprintln!("it is a member of the workspace {}", workspace.display());
    }
    let (route, data, function) = if arguments.workspace {
        ("users".to_owned(), r#"{"id":"10","email":"donald@example.com"}"#, "send_welcome_email")
    } else {
        (name.to_owned(), r#"{"id":"1","name":"first"}"#, "announce")
    };
    anstream::eprintln!(
        "{BOLD}next{BOLD:#}\n  cd {folder}\n  cargo test\n  cargo eg run\n{BOLD}then, in another terminal{BOLD:#}\n  \
         curl -X POST localhost:4000/{route} -H 'content-type: application/json' -d '{data}'\n  \
         cargo eg logs --function {function}\n  cargo eg events"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_cargo_and_aws() {
        for good in ["orders", "services/orders", "my-shop", "a_b", "x2"] {
            assert!(name(Path::new(good), LONGEST).is_ok(), "{good}");
        }
        let long = "x".repeat(41);
        for bad in
            ["", "..", "2x", "-x", "_x", "größe", "a.b", "a b", "services/a!", "serde", "eg-runtime", &long]
        {
            assert!(name(Path::new(bad), LONGEST).is_err(), "{bad}");
        }
    }
}

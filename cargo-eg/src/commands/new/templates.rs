//! The files of new services and workspaces. Their Rust sources are in `templates/` and compile as they are.

use super::dependency::Dependencies;

pub(super) const SERVICE: &str = include_str!("../../../templates/service/src/main.rs");
const PROFILE: &str = include_str!("../../../templates/profile.toml.in");
const WORKSPACE: &str = include_str!("../../../templates/workspace/Cargo.toml.in");
const MEMBER: &str = include_str!("../../../templates/workspace/service.toml.in");
const EVENTS_MANIFEST: &str = include_str!("../../../templates/workspace/events/Cargo.toml.in");
const EVENTS: &str = include_str!("../../../templates/workspace/events/src/lib.rs");
const USERS: &str = include_str!("../../../templates/workspace/users/src/main.rs");
const EMAILS: &str = include_str!("../../../templates/workspace/emails/src/main.rs");

/// A file to create.
#[derive(Debug)]
pub(super) struct File {
    /// The path within the new folder.
    pub(super) path: String,
    pub(super) content: String,
}

impl File {
    pub(super) fn new(path: &str, content: String) -> Self {
        Self { path: path.to_owned(), content }
    }
}

/// Adds the dependencies of a service to the `Cargo.toml` that cargo created. Also adds the release profile, except
/// for members: cargo reads profiles only in the root of a workspace.
pub(super) fn manifest(made: &str, dependencies: &Dependencies, is_member: bool) -> String {
    const HEADING: &str = "[dependencies]\n";
    let lines = format!("{HEADING}{}", dependencies.of_service());
    let text = if made.contains(HEADING) {
        made.replacen(HEADING, &lines, 1)
    } else {
        format!("{}\n\n{lines}", made.trim_end())
    };
    if is_member { text } else { format!("{}\n{PROFILE}", text.trim_end()) }
}

/// Returns the files of the workspace `name` with two services and their events. The packages are named after the
/// workspace: cargo does not distinguish packages of the same name and version in workspaces that share a target
/// directory.
pub(super) fn workspace(name: &str, dependencies: &Dependencies) -> Vec<File> {
    let named = |template: &str| template.replace("{{workspace}}", name);
    let member = |service: &str| named(MEMBER).replace("{{name}}", service);
    vec![
        File::new("Cargo.toml", named(&dependencies.fill(WORKSPACE)) + PROFILE),
        File::new(".gitignore", "/target\n.env\n".to_owned()),
        File::new("events/Cargo.toml", named(EVENTS_MANIFEST)),
        File::new("events/src/lib.rs", EVENTS.to_owned()),
        File::new("services/users/Cargo.toml", member("users")),
        File::new("services/users/src/main.rs", USERS.to_owned()),
        File::new("services/emails/Cargo.toml", member("emails")),
        File::new("services/emails/src/main.rs", EMAILS.to_owned()),
    ]
}

//! Tests `cargo eg new`: new projects build, pass their tests and are well formatted; refusals have clear messages.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::shell::Shell;

/// Checks the package or workspace in a folder as its owner would.
pub(crate) fn works(shell: &Shell, folder: &str, sources: &[&str], tests: usize) {
    shell.lock(folder);
    let test = shell.cargo(folder, &["test", "--workspace"]);
    assert_eq!(test.code, Some(0), "{test:?}");
    let results = test.stdout.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let passed: usize = results.map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(passed, tests, "{}", test.stdout);
    for source in sources {
        let source = shell.path().join(folder).join(source);
        let format =
            Command::new("rustfmt").args(["--edition", "2024", "--check"]).arg(source).output().unwrap();
        assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stdout));
    }
}

fn checkout() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap().display().to_string()
}

#[test]
fn a_new_service_works_and_says_what_to_type_next() {
    let shell = Shell::new();
    let made = shell.eg("", &["new", "my-orders"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:?}");
    let checkout = checkout();
    assert_eq!(
        made.stderr,
        format!(
            "made service my-orders; eg-runtime from {checkout}, which this cargo-eg was built from\n  \
             my-orders/Cargo.toml\n  my-orders/src/main.rs\n  my-orders/.gitignore\nnext\n  cd my-orders\n  cargo test\n  \
             cargo eg run\nthen, in another terminal\n  \
             curl -X POST localhost:4000/my-orders -H 'content-type: application/json' -d '{{\"id\":\"1\",\"name\":\"first\"}}'\n  \
             cargo eg logs --function announce\n  cargo eg events\n"
        )
    );
    assert!(shell.read("my-orders/src/main.rs").contains("#[http(POST, \"/my-orders\")]"));
    works(&shell, "my-orders", &["src/main.rs"], 2);
    let check = shell.eg("my-orders", &["check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert_eq!(check.stderr, "checked 1 service, 2 functions: no problems found\n");
    let manifest = shell.eg("my-orders", &["manifest"]);
    assert!(manifest.stdout.contains("my-orders-announce  on my-orders.created"), "{manifest:?}");
}

#[test]
fn a_new_workspace_works_and_takes_further_services() {
    let shell = Shell::new();
    let made = shell.eg("", &["new", "shop", "--workspace", "--eg-path", &checkout()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stderr.starts_with("made workspace shop; eg-runtime from "), "{made:?}");
    assert!(made.stderr.contains("as --eg-path says\n"), "{made:?}");

    let made = shell.eg("shop", &["new", "services/orders"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let root = shell.path().join("shop");
    assert!(made.stderr.starts_with("made service orders; eg-runtime as the workspace has it\n"), "{made:?}");
    assert!(
        made.stderr.contains(&format!("it is a member of the workspace {}\n", root.display())),
        "{made:?}"
    );
    let manifest = shell.read("shop/services/orders/Cargo.toml");
    assert!(manifest.contains("eg-runtime = { workspace = true }"), "{manifest}");
    assert!(!manifest.contains("[profile"), "profiles count in the root only: {manifest}");

    for (folder, package) in [("events", "shop-events"), ("services/users", "shop-users")] {
        let manifest = shell.read(&format!("shop/{folder}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{package}\"\n")), "{manifest}");
    }
    let sources = ["events/src/lib.rs", "services/users/src/main.rs", "services/emails/src/main.rs"];
    works(&shell, "shop", &sources, 4);
    let check = shell.eg("shop", &["check"]);
    assert_eq!(check.stderr, "checked 3 services, 4 functions: no problems found\n", "{check:?}");

    let nested = shell.eg("shop", &["new", "inner", "--workspace"]);
    nested.fails(
        2,
        &format!(
            "error: inner would be inside the workspace {}\nhint: leave --workspace out to add a service, or create the workspace elsewhere\n",
            root.display()
        ),
    );
    let member = shell.eg("shop", &["new", "extra"]);
    assert_eq!(member.code, Some(0), "{member:?}");
    assert!(shell.read("shop/Cargo.toml").contains("\"extra\""), "cargo has added the member");
}

/// Regression test: both had a package `events` in `events/`. Cargo does not distinguish such packages if the workspaces
/// share a target directory, so one workspace was built with the events of the other.
#[test]
fn workspaces_that_share_a_target_directory_are_independent() {
    let shell = Shell::new();
    for workspace in ["one", "two"] {
        let made = shell.eg("", &["new", workspace, "--workspace"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        shell.lock(workspace);
    }
    shell.edit("two/events/src/lib.rs", "user.created", "person.created");
    for workspace in ["one", "two", "one"] {
        let service = format!("{workspace}-users");
        let manifest = shell.eg(workspace, &["manifest", &service]);
        let event = if workspace == "one" { "user.created" } else { "person.created" };
        assert!(manifest.stdout.contains(&format!("emits {event}")), "{manifest:?}");
    }
    let name = "w".repeat(39);
    let refused = shell.eg("", &["new", &name, "--workspace"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("it has 39 characters, and only 38 leave room"), "{refused:?}");
}

#[test]
fn what_cannot_be_made_is_refused_and_changes_nothing() {
    let shell = Shell::new();
    fs::create_dir(shell.path().join("taken")).unwrap();
    shell
        .eg("", &["new", "taken"])
        .fails(2, "error: taken exists already\nhint: choose another name, or remove it\n");
    let rule = "hint: a service's name begins with a letter and has letters, digits, `-` and `_`\n";
    for (name, reason) in [
        ("a.b", "use letters, digits, `-` and `_`"),
        ("größe", "use letters, digits, `-` and `_`"),
        ("2x", "it does not begin with a letter"),
        ("serde", "it is the name of a crate that the service depends on"),
        (
            "a-name-of-a-service-that-is-much-too-long",
            "it has 41 characters, and only 40 leave room for a function's name in the 64 that Lambda allows",
        ),
    ] {
        let refused = shell.eg("", &["new", name]);
        refused.fails(2, &format!("error: {name:?} cannot name a service: {reason}\n{rule}"));
    }
    let keyword = shell.eg("", &["new", "match"]);
    assert_eq!(keyword.code, Some(2), "{keyword:?}");
    assert!(keyword.stderr.starts_with("error: cargo makes no package match: "), "{keyword:?}");
    let clone = shell.eg("", &["new", "orders", "--eg-path", "taken"]);
    clone.fails(
        6,
        "error: taken is not a clone of Event Gateway for Rust: it has no eg-runtime/Cargo.toml\n\
         hint: name the folder that contains eg-runtime/ and eg-sdk/\n",
    );
    let left: Vec<_> = fs::read_dir(shell.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["taken"]);
}

/// Returns what a workflow runs, one line of a shell each.
fn steps(workflow: &Value) -> Vec<String> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
    let runs = steps.filter_map(|step| step["run"].as_str());
    runs.flat_map(|run| run.lines().map(|line| line.trim().to_owned())).collect()
}

#[test]
fn a_workflow_deploys_from_github() {
    let shell = Shell::new();
    let made = shell.eg("", &["new", "shop", "--workspace", "--ci", "github"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stderr.contains("  shop/.github/workflows/deploy.yml\n"), "{made:?}");
    let text = shell.read("shop/.github/workflows/deploy.yml");
    let workflow: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(workflow["on"]["push"]["branches"], json!(["main"]));
    assert!(workflow["on"].as_object().unwrap().contains_key("pull_request"));
    assert_eq!(workflow["permissions"], json!({"contents": "read"}));
    let [plan, deploy] = ["plan", "deploy"].map(|job| &workflow["jobs"][job]);
    assert_eq!(plan["permissions"], Value::Null, "a plan needs no role");
    assert_eq!(deploy["permissions"], json!({"contents": "write", "id-token": "write"}));
    let role =
        deploy["steps"].as_array().unwrap().iter().find_map(|step| step["with"]["role-to-assume"].as_str());
    assert_eq!(role, Some("${{ vars.AWS_ROLE_ARN }}"));
    assert!(!text.contains("secrets."), "no key is stored");

    // The command line knows each command, and accepts its options.
    let commands: Vec<String> =
        steps(&workflow).into_iter().filter(|line| line.starts_with("cargo eg ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let documented =
        text.lines().filter_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("cargo eg "));
    let run = commands.iter().map(|line| line.strip_prefix("cargo eg ").unwrap());
    for command in run.chain(documented) {
        let words = command.split_whitespace().take_while(|word| *word != ">" && *word != "||");
        let words = words.map(|word| if word == "\"$STAGE\"" { "dev" } else { word });
        let help = shell.eg("shop", &[&words.collect::<Vec<_>>()[..], &["--help"]].concat());
        assert_eq!(help.code, Some(0), "{command}: {help:?}");
    }
    let version = format!("cargo install cargo-eg --locked --version {}", env!("CARGO_PKG_VERSION"));
    assert!(steps(&workflow).contains(&version));

    // An application that exists gets the file at the root of its repository.
    fs::create_dir_all(shell.path().join("mine/.git")).unwrap();
    fs::create_dir_all(shell.path().join("mine/services/order")).unwrap();
    let added = shell.eg("mine/services/order", &["new", "--ci", "github"]);
    assert_eq!((added.code, added.stdout.as_str()), (Some(0), ""), "{added:?}");
    assert!(
        added.stderr.ends_with("deploy.yml; the comment at its top lists the setup in AWS and GitHub\n"),
        "{added:?}"
    );
    assert_eq!(shell.read("mine/.github/workflows/deploy.yml"), text);
    let again = shell.eg("mine", &["new", "--ci", "github"]);
    assert!(
        again.code == Some(2)
            && again.stderr.contains("deploy.yml already exists\nhint: delete it first to write it again"),
        "{again:?}"
    );
    for more in [&["--workspace"][..], &["--eg-path", "taken"]] {
        let nameless = shell.eg("mine", &[&["new", "--ci", "github"], more].concat());
        assert!(nameless.code == Some(2) && nameless.stderr.contains("<NAME>"), "{nameless:?}");
    }
    let inside = shell.eg("shop", &["new", "services/extra", "--ci", "github"]);
    assert!(
        inside.code == Some(2) && inside.stderr.contains("error: the workflow is for the whole workspace"),
        "{inside:?}"
    );
    fs::create_dir(shell.path().join("empty")).unwrap();
    let nowhere = shell.eg("empty", &["new", "--ci", "github"]);
    assert!(
        nowhere.code == Some(6)
            && nowhere.stderr.contains("error: found no git repository or workspace around "),
        "{nowhere:?}"
    );
}

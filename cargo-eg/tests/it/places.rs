//! Tests from which folders the commands work, on which services, and how these are built.

use crate::support::app::{App, Main, RUN, Transcript, record};
use crate::support::{example, http};
use rustix::process::Signal;

const FINE: &str = "no problems found\n";

#[test]
fn a_folder_inside_a_service_stands_for_it_and_knows_its_siblings() {
    let app = App::new();
    let emits = |record: String, ty: &str| record.replace("\"emits\":[]", &format!("\"emits\":[\"{ty}\"]"));
    app.service(
        "users",
        &[
            emits(record("users", "create", "GET /users"), "user.created"),
            record("users", "odd", "order.typo"),
        ],
        &Main::Serves,
    )
    .service("mail", &[record("mail", "send", "user.created")], &Main::Serves);
    app.write("docs/guide.md", "");
    for folder in ["services/mail", "services/mail/src"] {
        let check = app.eg_in(folder, &["check"]);
        assert_eq!(check.code, Some(0), "{check:?}");
        let expected = format!("checked 1 service, 1 function, beside 1 other service: {FINE}");
        assert!(check.stderr.ends_with(&expected), "{folder}: {check:?}");
    }
    // What concerns a sibling alone is left out there, and found elsewhere.
    for folder in ["services/users/src", "services", "docs", ""] {
        let check = app.eg_in(folder, &["check"]);
        assert!(check.stderr.contains("order.typo"), "{folder}: {check:?}");
    }
    let named = app.eg(&["check", "services/mail"]);
    assert!(named.stderr.contains("user.created") && named.stderr.contains("1 warning"), "{named:?}");
    let named = app.eg_in("docs", &["check", "--package", "mail", "-p", "users"]);
    assert!(named.stderr.contains("checked 2 services"), "{named:?}");

    let library = app.eg_in("eg-runtime/src", &["check"]);
    assert_eq!(library.code, Some(6), "{library:?}");
    assert!(
        library.stderr.starts_with("error: package `eg-runtime` is not a service\nhint: "),
        "{library:?}"
    );
    let unknown = app.eg(&["check", "--package", "male"]);
    assert_eq!(unknown.code, Some(6), "{unknown:?}");
    assert!(unknown.stderr.contains("hint: its packages are eg-runtime, mail, users\n"), "{unknown:?}");
}

#[test]
fn a_folder_outside_any_project_is_not_searched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("stranger/deep")).unwrap();
    let declaration = "[[function]]\nname = \"evil\"\ncommand = [\"touch\", \"../ran\"]\ntriggers = [{ event = \"a.b\" }]\n";
    std::fs::write(root.join("stranger/eg.toml"), declaration).unwrap();
    let eg = |folder: &str, arguments: &[&str]| {
        let mut command = App::new().command(arguments);
        Transcript::of(command.current_dir(root.join(folder)).output().unwrap())
    };
    let message = format!(
        "error: {} has no Cargo.toml and no eg.toml, and neither has a folder above it\n\
         hint: run it in the folder of your workspace, or name a PATH\n",
        root.display()
    );
    for command in ["run", "check", "template", "manifest"] {
        eg("", &[command]).fails(2, &message);
    }
    assert!(!root.join("ran").exists());
    // Who is in the folder, below it, or names it means it.
    for (folder, arguments) in
        [("stranger", &["check"][..]), ("stranger/deep", &["check"]), ("", &["check", "stranger"])]
    {
        let check = eg(folder, arguments);
        assert!(check.stderr.contains("checked 1 service, 1 function"), "{folder}: {check:?}");
    }
}

#[test]
fn a_workspace_runs_no_declarations_outside_services() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let declaration =
        "[[function]]\nname = \"f\"\nurl = \"http://localhost:1/\"\ntriggers = [{ event = \"a.b\" }]\n";
    app.write("vendor/stranger/eg.toml", declaration);
    app.write("services/pictures/eg.toml", declaration);
    let taken = app.eg(&["check"]);
    assert_eq!(taken.code, Some(2), "{taken:?}");
    let hint = "hint: a folder with an eg.toml is no package: add `exclude = [\"services/pictures\"]` to [workspace]\n";
    assert!(taken.stderr.ends_with(hint), "{taken:?}");
    let workspace = std::fs::read_to_string(app.path().join("Cargo.toml")).unwrap();
    app.write("Cargo.toml", &format!("{workspace}exclude = [\"services/pictures\"]\n"));
    let check = app.eg(&["check", "--json"]).stdout;
    assert!(check.contains(r#""services":["pictures","shop"]"#), "{check}");
    app.write("eg.toml", &format!("service = \"root\"\n{declaration}"));
    let check = app.eg(&["check", "--json"]).stdout;
    assert!(check.contains(r#""services":["pictures","root","shop"]"#), "{check}");
}

#[test]
fn features_and_binaries_are_passed_to_cargo() {
    let app = App::new();
    app.service("mail", &[record("mail", "send", "user.created")], &Main::Serves);
    let manifest = std::fs::read_to_string(app.path().join("services/mail/Cargo.toml")).unwrap();
    let binary = |name: &str, feature: &str| {
        format!("[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\nrequired-features = [\"{feature}\"]\n")
    };
    app.write(
        "services/mail/Cargo.toml",
        &format!(
            "{manifest}[features]\nfake = []\nreal = []\n{}{}",
            binary("fake-mail", "fake"),
            binary("mail", "real")
        ),
    );
    app.eg(&["check"]).fails(
        3,
        "error: cargo did not build binary `fake-mail` of `mail`: it requires features\nhint: add --features fake\n",
    );
    for arguments in [
        &["--features", "fake"][..],
        &["-F", "fake,real", "--bin", "mail"],
        &["--all-features", "--bin", "fake-mail"],
    ] {
        let check = app.eg(&[&["check"], arguments].concat());
        assert!(check.stderr.contains("checked 1 service, 1 function"), "{arguments:?}: {check:?}");
        let manifest = app.eg(&[&["manifest", "mail"], arguments].concat());
        assert!(manifest.stdout.contains("mail-send"), "{arguments:?}: {manifest:?}");
    }
    let several = app.eg(&["manifest", "mail", "--all-features"]);
    several.fails(2, "error: several binaries of mail have functions\nhint: name one of them with --bin\n");
}

#[tokio::test]
async fn a_folder_with_only_an_eg_toml_works_with_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join("deep")).unwrap();
    let declaration = format!(
        "service = \"pictures\"\n[[function]]\nname = \"resize\"\ncommand = [{:?}]\ntriggers = [{{ event = \"picture.uploaded\" }}]\n",
        example("fixture")
    );
    std::fs::write(root.join("eg.toml"), declaration).unwrap();
    let app = App::new();
    let command = |folder: &str, arguments: &[&str]| {
        let mut command = app.command(arguments);
        command.current_dir(root.join(folder));
        command
    };
    let mut run = crate::support::app::Running::start(command("", &RUN), app.path().join("stderr"));
    drop(run.ready().await);
    let eg = |folder: &str, arguments: &[&str]| {
        let transcript = Transcript::of(command(folder, arguments).output().unwrap());
        assert_eq!(transcript.code, Some(0), "{arguments:?}: {transcript:?}");
        transcript
    };
    for folder in ["", "deep"] {
        let data = r#"{"do":"print","out":"small","err":"done"}"#;
        let invoked = eg(folder, &["invoke", "resize", "--data", data]);
        assert!(invoked.stderr.contains("\nsmall\n"), "{invoked:?}");
        eg(folder, &["emit", "--event", "picture.uploaded", "--data", "{}"]);
        assert!(eg(folder, &["logs"]).stdout.contains("pictures-resize | small\n"));
        assert!(eg(folder, &["logs", "--function", "resize"]).stdout.contains("\nsmall\n"));
        assert!(eg(folder, &["events"]).stdout.contains("picture.uploaded"));
        assert!(eg(folder, &["check"]).stderr.contains("checked 1 service"));
    }
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());
}

#[tokio::test]
async fn a_service_runs_from_its_sources_folder() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves).service(
        "mail",
        &[record("mail", "send", "GET /mail")],
        &Main::Serves,
    );
    let mut command = app.command(&RUN);
    command.current_dir(app.path().join("services/shop/src"));
    let mut run = crate::support::app::Running::start(command, app.path().join("stderr"));
    let url = run.ready().await;
    let text = http().get(url("events") + "/list").send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "from list");
    assert!(!run.stderr().contains("mail-send"), "{}", run.stderr());
    assert!(app.path().join(".eg").is_dir(), "the state is that of the workspace");
}

//! Tests the output and exit codes of `emit`, `logs`, `manifest` and the command line itself.

use std::fs;

use crate::support::app::{App, Main, record};
use crate::support::example;
use eg_gateway::{Activity, Gateway, Options};
use eg_sdk::manifest::Manifest;
use serde_json::{Value, json};

#[test]
fn help_documents_exit_codes_and_a_wrong_command_is_a_usage_error() {
    let app = App::new();
    let help = app.eg(&["--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Usage: cargo eg <COMMAND>"), "{}", help.stdout);
    assert!(help.stdout.contains("4  a port is in use"), "{}", help.stdout);
    let wrong = app.eg(&["rum"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("a similar subcommand exists: 'run'"), "{}", wrong.stderr);
}

#[test]
fn every_command_has_help_with_examples() {
    let app = App::new();
    let help = app.eg(&["--help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| *name != "help" && help.contains(&format!("\n  {name} ")))
        .collect();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let text = app.eg(&[command, "--help"]);
        assert_eq!(text.code, Some(0), "{text:?}");
        assert!(text.stdout.contains("Examples:\n  cargo eg "), "{command} has no examples: {}", text.stdout);
    }
}

#[test]
fn output_has_colours_on_terminals_only() {
    let app = App::new();
    app.service("users", &[record("users", "create", "GET /users")], &Main::Serves);
    let table = app.eg(&["manifest", "users"]);
    assert!(!table.stdout.contains('\u{1b}'), "{table:?}");
    let asked = std::process::Command::new(env!("CARGO_BIN_EXE_cargo-eg"))
        .args(["manifest", app.path().join("target/debug/users").to_str().unwrap()])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(String::from_utf8(asked.stdout).unwrap().contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emitted_event_is_acknowledged_with_its_id() {
    let app = App::new();
    let mut options = Options::new(app.path().join("gateway"));
    (options.events_addr, options.config_addr) = (0.into(), 0.into());
    let gateway = Gateway::start(options).await.unwrap();
    let mut activity = gateway.activity();
    let url = gateway.events_url().to_owned();
    app.write("user.json", "{\"id\": \"10\"}\n");

    let emit = async |arguments: &[&str]| {
        let arguments = [&["emit", "--url", &url, "--event", "user.created"], arguments].concat();
        let transcript = app.eg(&arguments);
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        transcript.stdout
    };
    let text = emit(&["--data", "@user.json", "--id", "order-1", "--subject", "users/10"]).await;
    assert_eq!(text, "Event emitted: user.created\nid: order-1\n");
    match activity.recv().await.unwrap() {
        Activity::Received { event_id: id, event_type, source, .. } => {
            assert_eq!((&*id, &*event_type, &*source), ("order-1", "user.created", "/cli/cargo-eg"));
        }
        other => panic!("{other:?}"),
    }
    let text = emit(&["--data", "[1, 2]", "--id", "order-2", "--source", "/tests", "--json"]).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answer["event"], &answer["id"]), (&json!("user.created"), &json!("order-2")));
    assert_eq!(
        (&answer["duplicate"], &answer["deliveries"]),
        (&json!(false), &Value::Null),
        "another gateway"
    );

    // The gateway drops an event that it has accepted before.
    let again = ["emit", "--url", &url, "--event", "user.created", "--data", "{}", "--id", "order-1"];
    let again = app.eg(&again);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "Duplicate: user.created\nid: order-1\n"));
    assert_eq!(
        again.stderr,
        "warning: the event with this id has another payload: give each event an id of its own\n\
         the gateway has accepted an event with this id and source before, so it stored nothing; \
         `cargo eg show order-1 --source /cli/cargo-eg` shows that event\n"
    );
    let text = emit(&["--data", "{}", "--id", "order-2", "--source", "/tests", "--json"]).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answer["duplicate"], &answer["conflict"]), (&json!(true), &json!(true)));
    // The gateway names its deliveries if its Config API is known.
    let config = gateway.config_url().to_owned();
    let nobody =
        app.eg(&["emit", "--url", &url, "--config-url", &config, "--event", "user.gone", "--data", "{}"]);
    assert_eq!(
        (nobody.code, nobody.stderr.as_str()),
        (Some(0), "no function is subscribed to it\n"),
        "{nobody:?}"
    );

    let piped = app
        .command(&["emit", "--url", &url, "--event", "user.created", "--data", "-", "--json"])
        .stdin(fs::File::open(app.path().join("user.json")).unwrap())
        .output()
        .unwrap();
    assert!(piped.status.success(), "{piped:?}");

    let invalid = app.eg(&["emit", "--url", &url, "--event", "user.created", "--data", "{}", "--id", ""]);
    assert_eq!(invalid.code, Some(2), "{invalid:?}");
    gateway.shutdown().await;
}

#[test]
fn data_that_is_no_json_is_pointed_at() {
    let app = App::new();
    app.write("bad.json", "{\n  \"id\": 10,\n}\n");
    app.write("good.json", "{}");
    let emit = |data: &str| app.eg(&["emit", "--event", "a.b", "--data", data]);
    emit("{\"id\": x}").fails(
        2,
        "error: --data is not JSON: expected value at line 1 column 8\nhint: here:\n    {\"id\": x}\n           ^\n",
    );
    emit("@bad.json").fails(
        2,
        "error: bad.json is not JSON: key must be a string at line 3 column 1\nhint: here:\n    }\n    ^\n",
    );
    emit("good.json").fails(
        2,
        "error: --data is not JSON: expected value at line 1 column 1\nhint: for the content of the file write --data @good.json\n",
    );
    emit("@missing.json")
        .fails(6, "error: cannot read missing.json: No such file or directory (os error 2)\n");
    emit("-").fails(2, "error: standard input is not JSON: EOF while parsing a value at line 1 column 0\n");
}

#[test]
fn a_gateway_that_does_not_run_is_told_apart() {
    let app = App::new();
    // Nothing listens on port 1, which needs privileges.
    let emit = app.eg(&["emit", "--url", "http://127.0.0.1:1", "--event", "a.b", "--data", "{}"]);
    assert_eq!(emit.code, Some(5), "{emit:?}");
    assert!(emit.stderr.contains("no answer from http://127.0.0.1:1/"), "{emit:?}");
    assert!(emit.stderr.contains("`cargo eg run` starts one"), "{emit:?}");
    let emit = app.eg(&["emit", "--url", "localhost:4000", "--event", "a.b", "--data", "{}"]);
    assert_eq!(emit.code, Some(2), "{emit:?}");
}

#[test]
fn logs_are_found_by_name_or_id() {
    let app = App::new();
    let root = app.path().canonicalize().unwrap();
    app.eg(&["logs", "--function", "create"]).fails(
        6,
        &format!(
            "error: no app has run in {} or a folder above it\n\
             hint: `cargo eg run` starts one; --state-dir names the state directory of one that runs elsewhere\n",
            root.display()
        ),
    );
    app.write(".eg/.gitignore", "*\n");
    app.eg(&["logs"]).fails(
        6,
        &format!(
            "error: no function has a log in {}\nhint: `cargo eg run` starts the app; its functions write logs\n",
            root.join(".eg").display()
        ),
    );
    app.write(".eg/logs/users-create.log", "START RequestId: 1 Version: $LATEST\nhello\n");
    app.write(".eg/logs/users-list.log", "");
    app.write(".eg/logs/shop-list.log", "");
    for name in ["create", "users-create"] {
        let transcript = app.eg(&["logs", "--function", name]);
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        assert_eq!(transcript.stdout, "START RequestId: 1 Version: $LATEST\nhello\n");
    }
    app.eg(&["logs", "--function", "delete"]).fails(
        6,
        "error: no function `delete` has a log\nhint: known functions: shop-list, users-create, users-list\n",
    );
    app.eg(&["logs", "--function", "list"]).fails(
        2,
        "error: several functions are named `list`\nhint: choose one by its id: shop-list, users-list\n",
    );
}

#[test]
fn a_followed_log_shows_what_is_added() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let app = App::new();
    app.write("state/logs/users-create.log", "first\n");
    let mut child = app.spawn(&["logs", "--function", "create", "--tail", "--state-dir", "state"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "first");
    let log = app.path().join("state/logs/users-create.log");
    let mut log = fs::OpenOptions::new().append(true).open(log).unwrap();
    writeln!(log, "second").unwrap();
    assert_eq!(lines.next().unwrap(), "second");
    crate::support::app::signal(&child, rustix::process::Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_manifest_is_printed_for_packages_and_binaries() {
    let app = App::new();
    app.service("users", &[record("users", "create", "GET /users")], &Main::Serves);
    app.service("empty", &[], &Main::Other("fn main() {}"));
    let program = example("fixture");
    let of_binary = app.eg(&["manifest", program.to_str().unwrap(), "--json"]);
    let printed: Manifest = serde_json::from_str(&of_binary.stdout).unwrap();
    assert_eq!(printed, Manifest::read(&program).unwrap());

    for of in ["users", "services/users"] {
        let of_package = app.eg(&["manifest", of, "--json"]);
        assert_eq!(of_package.code, Some(0), "{of_package:?}");
        let printed: Manifest = serde_json::from_str(&of_package.stdout).unwrap();
        assert_eq!((printed.service.as_str(), printed.functions[0].id.as_str()), ("users", "users-create"));
    }

    let table = app.eg(&["manifest", program.to_str().unwrap()]);
    assert_eq!(
        table.stdout,
        "fixture 0.3.0: 2 functions\n  fixture-first   GET /first/{id}  emits a.b  src/main.rs:9\n  \
         fixture-second  on a.b                      src/main.rs:20\n"
    );

    let root = app.path().canonicalize().unwrap();
    app.eg(&["manifest", "user"]).fails(
        6,
        &format!(
            "error: `user` is neither a file nor a package of the workspace {}\nhint: its packages are eg-runtime, empty, users\n",
            root.display()
        ),
    );
    app.eg(&["manifest", "empty"]).fails(
        7,
        &format!(
            "error: no functions in {}\nhint: annotate functions with #[http] or #[subscribe]; if they live in a \
             library crate, name that crate in main.rs (`use my_functions as _;`)\n",
            app.path().join("target/debug/empty").display()
        ),
    );
    app.eg(&["manifest", "Cargo.toml"])
        .fails(7, "error: Cargo.toml is not an ELF or Mach-O program: Unknown file magic\n");
    app.eg(&["manifest", "eg-runtime"])
        .fails(2, "error: package `eg-runtime` has no binary, so it has no manifest\n");
}

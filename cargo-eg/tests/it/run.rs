//! Tests `cargo eg run` on small workspaces: a complete run, a second run, and everything that prevents a start.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::app::{App, Main, RUN, Transcript, record};
use crate::support::load::SlowBuild;
use crate::support::{eventually, http};
use eg_sdk::{EventGateway, Settings};
use eg_tests::postgres::Postgres;
use rustix::process::Signal;

fn client(url: &impl Fn(&str) -> String) -> EventGateway {
    let mut settings = Settings::default();
    settings.url = url("events");
    settings.config_url = Some(url("config"));
    EventGateway::with_settings(settings).unwrap()
}

async fn registered(gateway: &EventGateway) -> (Vec<String>, Vec<String>, Vec<String>) {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let types = gateway.event_types().list().await.unwrap().into_iter().map(|ty| ty.name);
    let functions = gateway.functions().list().await.unwrap().into_iter().map(|one| one.function_id);
    let subscriptions = gateway.subscriptions().list().await.unwrap();
    let subscriptions =
        subscriptions.into_iter().map(|one| format!("{} {} {}", one.event_type, one.path, one.function_id));
    (sorted(types.collect()), sorted(functions.collect()), sorted(subscriptions.collect()))
}

#[tokio::test]
async fn an_app_runs_and_a_second_run_follows_the_code() {
    let app = App::new();
    app.service(
        "shop",
        &[record("shop", "list", "GET /list"), record("shop", "ship", "order.paid")],
        &Main::Serves,
    )
    .service("mail", &[record("mail", "send", "order.paid")], &Main::Serves);

    let mut run = app.run();
    let url = run.ready().await;
    let text = http().get(url("events") + "/list").send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "from list");
    let emit =
        ["emit", "--url", &url("events"), "--event", "order.paid", "--id", "order-1", "--data", "{\"n\":1}"];
    assert_eq!(app.eg(&emit).stdout, "Event emitted: order.paid\nid: order-1\n");
    eventually("both deliveries are shown", || run.stderr().matches("delivered").count() == 2).await;
    let shown = run.stderr();
    assert!(shown.contains("order.paid order-1 from /cli/cargo-eg: 2 subscriptions"), "{shown}");
    assert!(shown.contains("GET /list → shop-list 200"), "{shown}");
    assert!(shown.contains("  shop-ship  on order.paid\n"), "{shown}");
    let log = app.eg(&["logs", "--function", "ship"]).stdout;
    assert!(log.contains("\nship got {") && log.contains("\nREPORT RequestId: "), "{log}");
    assert_eq!(std::fs::read_to_string(app.path().join(".eg/.gitignore")).unwrap(), "*\n");
    let first = registered(&client(&url)).await;
    assert_eq!(first.1, ["mail-send", "shop-list", "shop-ship"]);
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    // This time the app is killed: its state must survive that, too.
    let mut run = app.run();
    let url = run.ready().await;
    assert_eq!(registered(&client(&url)).await, first, "a second run changes nothing");
    let log = app.eg(&["logs", "--function", "ship"]).stdout;
    assert!(log.contains("\nship got {"), "logs of earlier runs stay: {log}");
    run.signal(Signal::KILL);
    run.wait();

    app.service("shop", &[record("shop", "index", "GET /list")], &Main::Serves);
    let mut run = app.run();
    let url = run.ready().await;
    let (types, functions, subscriptions) = registered(&client(&url)).await;
    assert_eq!(types, ["http.request", "order.paid"]);
    assert_eq!(functions, ["mail-send", "shop-index"]);
    assert_eq!(subscriptions, ["http.request /list shop-index", "order.paid / mail-send"]);
    let text = http().get(url("events") + "/list").send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "from index");
    run.signal(Signal::TERM);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    let mut run = app.run_with(&["--fresh", "--no-watch"]);
    drop(run.ready().await);
    let (root, shown) = (app.path().canonicalize().unwrap().join(".eg"), run.stderr());
    let removed = format!("removed from {}: gateway, logs, data, bin, queues.db\n", root.display());
    assert!(shown.starts_with(&removed), "{shown}");
    assert!(shown.ends_with("ready; Ctrl-C stops\n"), "nothing is followed: {shown}");
    assert_eq!(app.log("mail-send"), "", "logs are gone");

    for folder in ["", "gateway", "logs"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is for its owner only: {mode:o}", entry.path().display());
        }
    }

    // Two apps at once would take each other's messages and binaries.
    let transcript = app.eg(&[&RUN[..], &["--fresh"]].concat());
    transcript.fails(
        1,
        &format!(
            "error: another `cargo eg run` (process {pid}) already runs with the state in {}\n\
             hint: stop it with Ctrl-C or `kill {pid}`, or give this one a folder of its own with --state-dir\n",
            root.display(),
            pid = run.child.id(),
        ),
    );
}

#[tokio::test]
async fn services_of_several_workspaces_run_together() {
    let (one, two) = (App::new(), App::new());
    one.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    two.service("mail", &[record("mail", "show", "GET /mail")], &Main::Serves);
    let other = two.path().to_str().unwrap();
    let mut run = one.run_with(&["services", other]);
    let url = run.ready().await;
    for (path, from) in [("/list", "from list"), ("/mail", "from show")] {
        let text = http().get(url("events") + path).send().await.unwrap().text().await.unwrap();
        assert_eq!(text, from);
    }
    assert!(
        one.path().join(".eg").exists() && !two.path().join(".eg").exists(),
        "one state, where one stands"
    );
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    two.service("mail", &[record("mail", "list", "GET /mail")], &Main::Serves).service(
        "shop",
        &[record("shop", "list", "GET /more")],
        &Main::Serves,
    );
    let mut folders = [&one, &two]
        .map(|app| app.path().canonicalize().unwrap().join("services/shop").display().to_string());
    folders.sort();
    // Each has its own target directory, because the binaries have the same name.
    let mut command = one.command(&["run", "services", other]);
    let transcript = Transcript::of(command.env_remove("CARGO_TARGET_DIR").output().unwrap());
    one.eg(&["run", "services", other]).fails(
        3,
        &format!(
            "error: {} and {} build the same file {}\n\
             hint: give each workspace its own target directory: CARGO_TARGET_DIR is set, or `build.target-dir`\n",
            folders[0],
            folders[1],
            one.path().canonicalize().unwrap().join("target/debug/shop").display(),
        ),
    );
    transcript.fails(
        7,
        &format!(
            "error: two functions have the id shop-list: services/shop/src/main.rs:4 in {} and services/shop/src/main.rs:4 in {}\n\
             hint: rename one of the services: `eg_runtime::service!(\"name\");` in its main.rs, or `service` in its eg.toml\n",
            folders[0],
            folders[1],
        ),
    );
}

#[test]
fn a_machine_without_cargo_is_told_how_to_get_one() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /")], &Main::Serves);
    let output = app.command(&["run"]).env("CARGO", "/nowhere/cargo").output().unwrap();
    Transcript::of(output).fails(
        3,
        "error: cannot run cargo: No such file or directory (os error 2)\n\
         hint: install Rust from https://rustup.rs, or set CARGO to the path of cargo\n",
    );
}

#[test]
fn a_service_that_does_not_build_is_named_and_nothing_starts() {
    let app = App::new();
    app.service("good", &[record("good", "list", "GET /")], &Main::Serves).service(
        "bad",
        &[record("bad", "list", "GET /bad")],
        &Main::Other("fn main() { let x: u8 = \"\"; }"),
    );
    let transcript = app.eg(&["run"]);
    transcript.fails(3, "error: bad not built\nhint: the compiler's messages are above\n");
    assert!(transcript.stderr.contains("mismatched types"), "{}", transcript.stderr);
    assert!(!app.path().join(".eg").exists());
}

#[test]
fn services_without_functions_or_with_the_same_ones_are_refused() {
    let app = App::new();
    app.service("empty", &[], &Main::Serves);
    let transcript = app.eg(&["run"]);
    assert_eq!(transcript.code, Some(7));
    assert!(transcript.stderr.starts_with("error: no functions in "), "{}", transcript.stderr);
    assert!(transcript.stderr.contains("hint: annotate functions with #[http]"), "{}", transcript.stderr);

    let app = App::new();
    app.service("one", &[record("one", "list", "GET /list")], &Main::Serves).service(
        "two",
        &[record("two", "show", "GET /list")],
        &Main::Serves,
    );
    app.eg(&["run"]).fails(
        7,
        "error: two functions answer GET /list: one-list (services/one/src/main.rs:4) and two-show (services/two/src/main.rs:4)\n\
         hint: a request has one answer: give one of them another path or method\n",
    );

    let named = "{\"service\":\"shop\",\"version\":\"1.0.0\"}\n".to_owned();
    let app = App::new();
    app.service("one", &[named.clone(), record("one", "list", "GET /one")], &Main::Serves).service(
        "two",
        &[named, record("two", "list", "GET /two")],
        &Main::Serves,
    );
    app.eg(&["run"]).fails(
        7,
        "error: two functions have the id shop-list: services/one/src/main.rs:4 and services/two/src/main.rs:4\n\
         hint: rename one of the services: `eg_runtime::service!(\"name\");` in its main.rs, or `service` in its eg.toml\n",
    );
}

#[test]
fn a_folder_without_services_says_what_a_service_is() {
    let app = App::new();
    let transcript = app.eg(&["run"]);
    assert_eq!(transcript.code, Some(6), "{transcript:?}");
    assert!(
        transcript.stderr.contains("hint: a service is a package that depends on eg-runtime"),
        "{transcript:?}"
    );
    app.eg(&["run", "nowhere"]).fails(
        6,
        &format!(
            "error: cannot find {}: No such file or directory (os error 2)\n",
            app.path().canonicalize().unwrap().join("nowhere").display()
        ),
    );
}

#[test]
fn a_port_in_use_is_named_with_its_option_before_the_build() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /")], &Main::Other("this does not build"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (option, what) in
        [("--port", "Events API"), ("--config-port", "Config API"), ("--lambda-port", "local Lambda")]
    {
        let mut ports = vec!["run"];
        for other in ["--port", "--config-port", "--lambda-port"] {
            ports.extend([other, if other == option { &port } else { "0" }]);
        }
        let transcript = app.eg(&ports);
        assert_eq!(transcript.code, Some(4), "{transcript:?}");
        let message = format!("error: port {port} is already in use, so the {what} cannot listen there\n");
        assert!(transcript.stderr.starts_with(&message), "{}", transcript.stderr);
        assert!(
            transcript.stderr.ends_with(&format!(" Choose another port with {option}\n")),
            "{}",
            transcript.stderr
        );
    }
    let transcript = app.eg(&["run", "--port", &port, "--config-port", "0", "--lambda-port", &port]);
    transcript.fails(
        4,
        &format!(
            "error: port {port} is already in use, so the Events API cannot listen there\n       \
             port {port} is already in use, so the local Lambda cannot listen there\n\
             hint: is another `cargo eg run` running? Choose other ports with --port, --lambda-port\n"
        ),
    );
}

#[tokio::test]
async fn an_interrupted_start_has_a_code_of_its_own() {
    let (app, build) = (App::new(), SlowBuild::new());
    app.service("shop", &[record("shop", "list", "GET /")], &Main::Serves);
    app.write("services/shop/build.rs", &build.script());
    build.hold();
    let mut run = app.run();
    build.begun().await;
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(130), "{}", run.stderr());
    assert!(run.stderr().ends_with("error: interrupted before the app was ready\n"), "{}", run.stderr());
    build.go();
}

#[tokio::test]
async fn a_second_ctrl_c_does_not_wait_for_what_is_under_way() {
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Slow { start: 0, event: 60 });
    let mut run = app.run();
    let url = run.ready().await;
    let asking = tokio::spawn(http().get(url("events") + "/list").send());
    run.says("shop-list | list got ", 1).await;
    run.signal(Signal::INT);
    run.says("stopping: waiting for running calls; Ctrl-C again stops at once\n", 1).await;
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(130), "{}", run.stderr());
    // The function that it called was killed by the stop, which is not a failure to report.
    let last = "Ctrl-C again stops at once\n\
                error: interrupted; events that were not delivered are delivered after the next start\n";
    assert!(run.stderr().ends_with(last), "{}", run.stderr());
    asking.abort();
}

#[test]
fn a_function_that_cannot_start_stops_the_app_with_its_reason() {
    let app = App::new();
    app.service(
        "shop",
        &[record("shop", "list", "GET /")],
        &Main::Other("fn main() { eprintln!(\"SHOP_DB is not set\"); std::process::exit(3); }"),
    );
    let transcript = app.eg(&RUN);
    let logs = app.path().canonicalize().unwrap().join(".eg/logs");
    transcript.fails(
        1,
        &format!(
            "error: function shop-list cannot start: Runtime exited with error: exit status 3; its last lines were:\n    \
             SHOP_DB is not set\nhint: the full logs are in {}\n",
            logs.display()
        ),
    );
}

#[tokio::test]
async fn the_store_may_be_in_a_database() {
    let Some(server) = Postgres::shared() else { return };
    let app = App::new();
    app.service("mail", &[record("mail", "send", "order.paid")], &Main::Serves);
    let url = server.database();
    let mut run = app.run_with(&["--store", &url]);
    let address = run.ready().await("events");
    let emit = ["emit", "--url", &address, "--event", "order.paid", "--id", "order-1", "--data", "{\"n\":1}"];
    assert_eq!(app.eg(&emit).code, Some(0));
    eventually("the delivery is shown", || run.stderr().contains("delivered")).await;
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());
    assert!(!app.path().join(".eg/gateway").exists(), "nothing is stored on this machine");

    let mut run = app.run_with(&["--store", &url]);
    let _urls = run.ready().await;
    let events = app.eg(&["events"]);
    assert!(events.stdout.contains("order-1"), "{events:?}");
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());

    let mut waiting = app.run_with(&["--store", "postgres://nobody@127.0.0.1:1/nothing"]);
    let waits = "waiting for the store: the database does not answer";
    eventually("it waits", || waiting.stderr().contains(waits)).await;
    waiting.signal(Signal::INT);
    assert_eq!(waiting.wait(), Some(130), "{}", waiting.stderr());

    let wrong = app.eg(&["run", "--store", "mysql://db.example/events"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("only `postgres` is known"), "{wrong:?}");
}

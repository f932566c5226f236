//! Tests `cargo eg build`: what is in the zip files and in `artifacts.json`, that the same sources give the same bytes, and what
//! is refused.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::app::{App, Main, Transcript, record};

/// The processor of this machine in the words of Lambda and of the compiler.
const OWN: [&str; 2] =
    if cfg!(target_arch = "aarch64") { ["arm64", "aarch64"] } else { ["x86_64", "x86_64"] };

/// Puts the file `records-bus` into the binary if `eg-runtime` has its feature for event buses, and `records` if not.
const MAIN: &str = r#"
const RECORDS: &[u8] = if eg_runtime::HAS_BUS { include_bytes!("records-bus") } else { include_bytes!("records") };

#[used]
#[unsafe(link_section = ".eg_manifest")]
static SECTION: [u8; RECORDS.len()] = {
    let mut bytes = [0; RECORDS.len()];
    bytes.copy_from_slice(RECORDS);
    bytes
};

fn main() {
    println!("{}", std::env::var("_HANDLER").unwrap_or_default());
}
"#;

/// Returns a function record in the format of `eg-runtime`.
fn function(name: &str, more: &Value) -> Value {
    let mut record = json!({
        "package": "order", "version": "1.2.0", "sinks": ["gateway"], "panic": "unwind", "name": name,
        "source": "services/order/src/main.rs:7", "triggers": [], "emits": [],
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// Adds the service `order`, whose program says what `eg-runtime` says about event buses.
fn order(app: &App, functions: &[Value]) {
    let records =
        |functions: &[Value]| functions.iter().map(|record| format!("{record}\n")).collect::<String>();
    let mut with_bus = functions.to_vec();
    for function in &mut with_bus {
        if function["sinks"].is_array() {
            function["sinks"] = json!(["gateway", "eventbridge"]);
        }
    }
    app.service("order", &[], &Main::Other(MAIN));
    app.write("services/order/src/records", &records(functions));
    app.write("services/order/src/records-bus", &records(&with_bus));
}

/// Builds for the processor of this machine.
fn build(app: &App, arguments: &[&str]) -> Transcript {
    app.eg(&[&["build", "--architecture", OWN[0]], arguments].concat())
}

fn built(app: &App, arguments: &[&str]) -> Value {
    let transcript = build(app, &[&["--json"], arguments].concat());
    assert_eq!(transcript.code, Some(0), "{transcript:?}");
    serde_json::from_str(&transcript.stdout).unwrap()
}

#[test]
fn a_zip_file_for_each_service_and_what_its_functions_need() {
    let app = App::new();
    let http = json!({"eventType": "http.request", "mode": "sync", "method": "POST", "path": "/orders/:id"});
    let on = json!({"eventType": "order.paid", "mode": "async", "method": "POST", "path": "/"});
    let place = json!({
        "doc": "Takes an order.", "triggers": [http], "emits": ["order.placed", "order.refused"],
        "sources": {"order.refused": "/shop"}, "timeout": 10, "memory": 512,
    });
    let ship = json!({"triggers": [on, {"schedule": "rate(1 day)"}, {"queue": "parcels", "batchSize": 5, "window": 2}]});
    let price = json!({"triggers": [{"invoke": true}]});
    order(&app, &[function("place", &place), function("ship", &ship), function("price", &price)]);
    let send =
        record("mail", "send", "order.placed").replace("\"emits\"", "\"sinks\":[\"eventbridge\"],\"emits\"");
    app.service("mail", &[send], &Main::Serves);

    let artifacts = built(&app, &[]);
    let folder = app.path().join("target/eg");
    let written = fs::read_to_string(folder.join("artifacts.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), artifacts);
    assert_eq!(artifacts["architecture"], OWN[0]);
    assert_eq!(artifacts["services"].as_array().unwrap().len(), 2);
    let service = &artifacts["services"][1];

    let zip = fs::read(folder.join(service["zip"].as_str().unwrap())).unwrap();
    let hash: String = Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&service["sha256"], &service["bytes"]), (&json!(hash), &json!(zip.len())));
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut program = Vec::new();
    zip.by_name("bootstrap").unwrap().read_to_end(&mut program).unwrap();
    let built = app.path().join(format!("target/{}-unknown-linux-gnu/release/order", OWN[1]));
    assert!(program == fs::read(built).unwrap(), "the program in the zip file is the one that cargo built");
    assert_eq!(service["unpackedBytes"], program.len());

    let log = json!({"actions": ["logs:CreateLogStream", "logs:PutLogEvents"], "on": "log", "reason": "every function writes its log"});
    let condition = json!({"StringEquals": {
        "events:detail-type": ["order.placed", "order.refused"], "events:source": ["/services/order", "/shop"],
    }});
    let emit = json!({"actions": ["events:PutEvents"], "on": "bus", "condition": condition,
        "reason": "it emits `order.placed` and `order.refused`"});
    let failures = json!({"actions": ["sqs:SendMessage"], "on": "failures",
        "reason": "what it fails to handle or rejects is kept"});
    let queue = json!({"actions": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "on": {"queue": "parcels"}, "reason": "it handles the messages of queue `parcels`"});
    let expected = json!([
        {"id": "order-place", "name": "place", "handler": "order.place", "source": "services/order/src/main.rs:7",
         "doc": "Takes an order.", "timeout": 10, "memory": 512, "variables": ["EVENT_BUS"], "invoked": false,
         "streamsAnswers": false, "patternsOfAws": [], "streams": [], "routes": [{"method": "POST", "path": "/orders/{id}"}], "patterns": [], "schedules": [], "queues": [],
         "permissions": [log, emit]},
        {"id": "order-price", "name": "price", "handler": "order.price", "source": "services/order/src/main.rs:7",
         "timeout": 30, "memory": 256, "variables": [], "invoked": true, "streamsAnswers": false,
         "patternsOfAws": [], "streams": [], "routes": [], "patterns": [], "schedules": [],
         "queues": [], "permissions": [log]},
        {"id": "order-ship", "name": "ship", "handler": "order.ship", "source": "services/order/src/main.rs:7",
         "timeout": 30, "memory": 256, "variables": ["EVENT_FAILURES_QUEUE"], "invoked": false, "streamsAnswers": false,
         "patternsOfAws": [], "streams": [], "routes": [], "patterns": [{"detail-type": ["order.paid"]}],
         "schedules": ["rate(1 day)"], "queues": [{"name": "parcels", "batchSize": 5, "window": 2}],
         "permissions": [log, failures, queue]},
    ]);
    assert_eq!(service["functions"], expected);
}

/// A deployment that compares hashes replaces only what has changed.
#[test]
fn the_same_sources_give_the_same_bytes() {
    let hash = |app: &App| built(app, &[])["services"][0]["sha256"].clone();
    let (here, there) = (App::new(), App::new());
    for app in [&here, &there] {
        order(app, &[function("place", &json!({}))]);
    }
    let first = hash(&here);
    // Another folder, another target directory.
    let mut command = there.command(&["build", "--json", "--architecture", OWN[0]]);
    command.env("CARGO_TARGET_DIR", there.path().join("elsewhere"));
    let second = Transcript::of(command.output().unwrap());
    let second: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(second["services"][0]["sha256"], first);
    // A later time: the program is built again, the zip file stays.
    let zip = here.path().join("target/eg/order/bootstrap.zip");
    let written = fs::metadata(&zip).unwrap().modified().unwrap();
    order(&here, &[function("place", &json!({}))]);
    fs::remove_dir_all(here.path().join("target").join(format!("{}-unknown-linux-gnu", OWN[1]))).unwrap();
    assert_eq!(hash(&here), first);
    assert_eq!(fs::metadata(&zip).unwrap().modified().unwrap(), written);
    order(&here, &[function("place", &json!({"timeout": 5}))]);
    assert_ne!(hash(&here), first);
}

#[test]
fn what_does_not_work_on_lambda_is_not_packed() {
    let app = App::new();
    order(&app, &[function("place", &json!({"panic": "abort"}))]);
    build(&app, &[]).fails(
        3,
        "error: a panic in a function of `order` would end its process, with all that it handles\n\
         hint: remove `panic = \"abort\"` from [profile.release] in the workspace's Cargo.toml\n",
    );
    let mut old = function("place", &json!({"emits": ["order.placed"]}));
    old.as_object_mut().unwrap().remove("sinks");
    order(&app, &[old]);
    build(&app, &[]).fails(
        3,
        "error: `order` cannot emit events on AWS, as `place` must (services/order/src/main.rs:7)\n\
         hint: make `eg-runtime` a dependency of the package itself, in a version with the feature `eventbridge`\n",
    );
    assert!(!app.path().join("target/eg").exists(), "nothing is written");
    app.write(
        "pictures/eg.toml",
        "[[function]]\nname = \"resize\"\ncommand = [\"python3\"]\ntriggers = [{ event = \"a\" }]\n",
    );
    build(&app, &["pictures"]).fails(6, "error: nothing to build: no service here is a program in Rust\n");
}

/// Their zip files would be one.
#[test]
fn two_programs_of_one_service_are_refused() {
    let app = App::new();
    app.service("one", &[record("shop", "pay", "order.placed")], &Main::Serves).service(
        "two",
        &[record("shop", "ship", "order.paid")],
        &Main::Serves,
    );
    for command in ["build", "template"] {
        let refused = app.eg(&[command, "--architecture", OWN[0]]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(7), ""), "{refused:?}");
        assert!(
            refused.stderr.contains("/two are both the service `shop`\nhint: rename one with"),
            "{refused:?}"
        );
    }
}

#[test]
fn the_user_says_what_is_built_and_where_it_goes() {
    let app = App::new();
    let ask = json!({"triggers": [{"eventType": "ask", "mode": "sync", "method": "POST", "path": "/"}]});
    order(&app, &[function("answer", &ask)]);
    app.service("mail", &[record("mail", "send", "order.placed")], &Main::Serves);
    let built = build(&app, &["services/order", "--output", "out"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let reason = "warning: order-answer: an event bus returns no answers, so nothing there asks for ask; with a `path`, the \
        subscription would be a route of the HTTP API\n";
    assert!(built.stderr.contains(reason), "{}", built.stderr);
    assert!(
        app.path().join("out/order/bootstrap.zip").exists() && app.path().join("out/artifacts.json").exists()
    );
    assert!(!app.path().join("out/mail").exists() && !app.path().join("target/eg").exists());
}

/// It links against Lambda's C library, whatever this machine has.
#[test]
fn zig_links_where_it_is_installed() {
    let app = App::new();
    order(&app, &[function("place", &json!({}))]);
    let bin = app.path().join("bin");
    fs::create_dir(&bin).unwrap();
    // Notes its arguments and builds without zig.
    let script = "#!/bin/sh\necho \"$@\" > \"$(dirname \"$0\")/arguments\"\nshift\n\
                  exec cargo build $(echo \"$@\" | sed s/-gnu.2.34/-gnu/)\n";
    let program = bin.join("cargo-zigbuild");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    app.write("eg.toml", "[deploy.stages.prod]\nfeatures = [\"order/quiet\"]\n");
    let manifest = app.path().join("services/order/Cargo.toml");
    let features = fs::read_to_string(&manifest).unwrap() + "\n[features]\nquiet = []\n";
    fs::write(&manifest, features).unwrap();
    let mut command = app.command(&["build", "--architecture", OWN[0], "--stage", "prod"]);
    let transcript = Transcript::of(command.env("PATH", path).output().unwrap());
    assert_eq!(transcript.code, Some(0), "{transcript:?}");
    assert!(transcript.stdout.starts_with("order  1 function  "), "{}", transcript.stdout);
    let arguments = fs::read_to_string(bin.join("arguments")).unwrap();
    let target = format!("--target {}-unknown-linux-gnu.2.34", OWN[1]);
    for expected in [
        "zigbuild --keep-going",
        "--release",
        &target,
        "--features=eg-runtime/eventbridge",
        "--features order/quiet",
    ] {
        assert!(arguments.contains(expected), "{expected} is missing: {arguments}");
    }
    assert!(Path::new(&app.path().join("target/eg/order/bootstrap.zip")).exists());
}

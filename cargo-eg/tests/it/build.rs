//! Tests `cargo eg build`: what is in the zip files and in `artifacts.json`, that the same sources give the same bytes, and what
//! is refused.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

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
    let retried = json!({"eventType": "order.sent", "mode": "async", "method": "POST", "path": "/", "retry": {"attempts": 5}});
    let ship = json!({"triggers": [on, retried, {"schedule": "rate(1 day)"}, {"queue": "parcels", "batchSize": 5, "window": 2}]});
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
         "environment": {}, "secrets": {}, "tables": {}, "sendsTo": {},
         "streamsAnswers": false, "patternsOfAws": [], "streams": [], "routes": [{"method": "POST", "path": "/orders/{id}"}], "patterns": [], "schedules": [], "queues": [],
         "permissions": [log, emit]},
        {"id": "order-price", "name": "price", "handler": "order.price", "source": "services/order/src/main.rs:7",
         "timeout": 30, "memory": 256, "variables": [], "invoked": true, "streamsAnswers": false,
         "environment": {}, "secrets": {}, "tables": {}, "sendsTo": {},
         "patternsOfAws": [], "streams": [], "routes": [], "patterns": [], "schedules": [],
         "queues": [], "permissions": [log]},
        {"id": "order-ship", "name": "ship", "handler": "order.ship", "source": "services/order/src/main.rs:7",
         "timeout": 30, "memory": 256, "variables": ["EVENT_FAILURES_QUEUE"], "invoked": false, "streamsAnswers": false,
         "environment": {}, "secrets": {}, "tables": {}, "sendsTo": {},
         "patternsOfAws": [], "streams": [], "routes": [], "patterns": [{"detail-type": ["order.paid"]}, {"detail-type": ["order.sent"]}],
         "asynchronous": {"maximumRetryAttempts": 2, "maximumEventAge": 21600},
         "retries": [{"pattern": {"detail-type": ["order.sent"]}, "attempts": 5, "pause": 30}],
         "schedules": ["rate(1 day)"], "queues": [{"name": "parcels", "batchSize": 5, "window": 2}],
         "permissions": [log, failures, queue]},
    ]);
    assert_eq!(service["functions"], expected);
    assert_eq!((&artifacts["tables"], &artifacts["queues"]), (&json!({}), &json!({})));
}

const DEPLOY: &str = r#"
[deploy]
environment = { LOG = "info", PICTURES = { Ref = "Pictures" } }
secrets = { API_KEY = "ssm:/shop/api-key" }
[deploy.tables.orders]
variable = "ORDER_TABLE"
services = ["order"]
partition_key = "customer"
sort_key = "number:N"
ttl = "expires"
actions = ["GetItem"]
[deploy.tables.customers]
variable = "CUSTOMER_TABLE"
services = ["order"]
existing = "customers"
actions = ["Query"]
[deploy.queues.parcels]
variable = "PARCEL_QUEUE"
services = ["order"]
[deploy.queues.letters]
variable = "LETTER_QUEUE"
services = ["order"]
existing = "https://sqs.eu-central-1.amazonaws.com/123456789012/letters"
[deploy.function.order-place]
memory = 1024
timeout = 7
concurrency = 3
[deploy.stages.prod]
environment = { LOG = "warn" }
"#;

#[test]
fn what_a_stage_excludes_is_left_out() {
    let app = App::new();
    let subscribed = |ty: &str| json!({"eventType": ty, "mode": "async", "method": "POST", "path": "/"});
    let log = json!({"triggers": [subscribed("order.paid"), subscribed("eventgateway.function.invoked")]});
    order(&app, &[function("log", &log), function("sim", &json!({}))]);
    app.service("partner", &[record("partner", "answer", "GET /")], &Main::Serves);
    app.write(
        "eg.toml",
        "[deploy]\nexclude = [\"partner\", \"order-sim\"]\n[deploy.function.order-log]\nexclude = [\"eventgateway.function.invoked\"]\n",
    );
    let done = build(&app, &["--json"]);
    assert!(done.code == Some(0) && !done.stderr.contains("eventgateway"), "{done:?}");
    let artifacts: Value = serde_json::from_str(&done.stdout).unwrap();
    let [service] = artifacts["services"].as_array().unwrap().as_slice() else { panic!("{artifacts}") };
    let [function] = service["functions"].as_array().unwrap().as_slice() else { panic!("{service}") };
    assert_eq!(
        (&function["id"], &function["patterns"]),
        (&json!("order-log"), &json!([{"detail-type": ["order.paid"]}]))
    );

    // The settings may name services that are not built.
    let part = build(&app, &["services/order"]);
    assert_eq!(part.code, Some(0), "{part:?}");
    app.write("eg.toml", "[deploy]\nexclude = [\"partnr\"]\n");
    let file = app.path().canonicalize().unwrap().join("eg.toml");
    let message = format!(
        "error: {}:2:12: no service or function `partnr`; did you mean `partner`?; here are",
        file.display()
    );
    let misspelt = build(&app, &[]);
    assert!(misspelt.code == Some(2) && misspelt.stderr.contains(&message), "{misspelt:?}");
}

/// Other tools make from the file what `template` makes.
#[test]
fn settings_of_a_stage_are_in_the_description() {
    let app = App::new();
    app.write("eg.toml", DEPLOY);
    order(&app, &[function("place", &json!({"secrets": true, "memory": 256}))]);
    let artifacts = built(&app, &["--stage", "prod"]);
    let described = &artifacts["services"][0]["functions"][0];
    let settings = ["environment", "secrets", "tables", "sendsTo", "variables"].map(|key| &described[key]);
    assert_eq!(
        settings,
        [
            &json!({"LOG": "warn", "PICTURES": {"Ref": "Pictures"}}),
            &json!({"API_KEY": "ssm:/shop/api-key"}),
            &json!({"ORDER_TABLE": "orders", "CUSTOMER_TABLE": "customers"}),
            &json!({"PARCEL_QUEUE": "parcels", "LETTER_QUEUE": "letters"}),
            &json!(["EG_SECRETS"]),
        ]
    );
    let limits = ["memory", "timeout", "concurrency"].map(|key| described[key].as_u64());
    assert_eq!(limits, [Some(1024), Some(7), Some(3)]);
    let permissions: Vec<_> = described["permissions"].as_array().unwrap()[1..]
        .iter()
        .map(|permission| (permission["actions"][0].as_str().unwrap(), permission["on"].clone()))
        .collect();
    assert_eq!(
        permissions,
        [
            ("dynamodb:Query", json!({"table": "customers"})),
            ("dynamodb:GetItem", json!({"table": "orders"})),
            ("sqs:SendMessage", json!({"queue": "letters"})),
            ("sqs:SendMessage", json!({"queue": "parcels"})),
            ("ssm:GetParameters", json!({"parameter": "/shop/api-key"})),
        ]
    );
    assert_eq!(
        artifacts["tables"],
        json!({
            "customers": {"existing": "customers"},
            "orders": {
                "partitionKey": {"name": "customer", "type": "S"}, "sortKey": {"name": "number", "type": "N"},
                "ttl": "expires",
            },
        })
    );
    let letters = json!({
        "arn": "arn:aws:sqs:eu-central-1:123456789012:letters",
        "url": "https://sqs.eu-central-1.amazonaws.com/123456789012/letters",
    });
    assert_eq!(artifacts["queues"], json!({"letters": letters, "parcels": {}}));
}

/// A deployment that compares hashes replaces only what has changed.
#[test]
fn the_same_sources_give_the_same_bytes() {
    give_the_same_bytes(OWN);
}

/// The same for the other processor, where the tools for it are installed.
#[test]
fn the_same_sources_give_the_same_bytes_for_the_other_processor() {
    let other = if OWN[0] == "arm64" { ["x86_64", "x86_64"] } else { ["arm64", "aarch64"] };
    let app = App::new();
    order(&app, &[function("place", &json!({}))]);
    let tried = app.eg(&["build", "--architecture", other[0]]);
    if tried.stderr.contains("` installs it\n") {
        return eprintln!("skipped: {}", tried.stderr);
    }
    give_the_same_bytes(other);
}

fn give_the_same_bytes([architecture, processor]: [&str; 2]) {
    let arguments = ["build", "--json", "--architecture", architecture];
    let hash = |command: &mut Command| {
        let transcript = Transcript::of(command.output().unwrap());
        assert_eq!(transcript.code, Some(0), "{transcript:?}");
        let artifacts: Value = serde_json::from_str(&transcript.stdout).unwrap();
        artifacts["services"][0]["sha256"].as_str().unwrap().to_owned()
    };
    let (here, there) = (App::new(), App::new());
    for app in [&here, &there] {
        order(app, &[function("place", &json!({}))]);
    }
    let first = hash(&mut here.command(&arguments));
    // Another folder, another target directory, and files that only their owner can read.
    let elsewhere = there.command(&arguments);
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"umask 077 && exec "$0" "$@""#])
        .arg(elsewhere.get_program())
        .args(elsewhere.get_args());
    for (name, value) in elsewhere.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(there.path()).env("CARGO_TARGET_DIR", there.path().join("elsewhere"));
    assert_eq!(hash(&mut command), first);
    let rights = fs::metadata(there.path().join("elsewhere/eg/order/bootstrap.zip")).unwrap().permissions();
    assert_eq!(rights.mode() & 0o777, 0o600, "the umask counted");
    // A later time: the program is built again, the zip file stays.
    let zip = here.path().join("target/eg/order/bootstrap.zip");
    let written = fs::metadata(&zip).unwrap().modified().unwrap();
    order(&here, &[function("place", &json!({}))]);
    fs::remove_dir_all(here.path().join("target").join(format!("{processor}-unknown-linux-gnu"))).unwrap();
    assert_eq!(hash(&mut here.command(&arguments)), first);
    assert_eq!(fs::metadata(&zip).unwrap().modified().unwrap(), written);
    order(&here, &[function("place", &json!({"timeout": 5}))]);
    assert_ne!(hash(&mut here.command(&arguments)), first);
}

#[test]
fn what_does_not_work_on_lambda_is_not_packed() {
    let app = App::new();
    order(&app, &[function("place", &json!({"panic": "abort"}))]);
    build(&app, &[]).fails(
        3,
        "error: a panic in a function of `order` would end its process, with all that it handles\n\
         hint: remove `panic = \"abort\"` from this profile (default: [profile.release]) in the workspace's Cargo.toml\n",
    );
    let mut old = function("place", &json!({"emits": ["order.placed"]}));
    old.as_object_mut().unwrap().remove("sinks");
    order(&app, &[old]);
    build(&app, &[]).fails(
        3,
        "error: `order` cannot emit events on AWS, as `place` must (services/order/src/main.rs:7)\n\
         hint: make `eg-runtime` a dependency of the package itself, in a version with the feature `eventbridge`\n",
    );
    app.write("eg.toml", "[deploy]\nsecrets = { API_KEY = \"ssm:/shop/api-key\" }\n");
    order(&app, &[function("place", &json!({}))]);
    build(&app, &[]).fails(
        3,
        "error: `order` cannot read secrets on AWS, and `place` has the secret `API_KEY` (services/order/src/main.rs:7)\n\
         hint: make `eg-runtime` a dependency of the package itself, in a version with the feature `secrets`\n",
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
    let retry = json!({"attempts": 2000, "minBackoff": 30, "maxBackoff": 30, "maxAge": 100_000});
    let often = json!({"triggers": [{"eventType": "order.paid", "mode": "async", "method": "POST", "path": "/", "retry": retry}]});
    order(&app, &[function("answer", &ask), function("often", &often)]);
    app.service("mail", &[record("mail", "send", "order.placed")], &Main::Serves);
    let built = build(&app, &["services/order", "--output", "out"]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let reason = "warning: order-answer: an event bus returns no answers, so nothing there asks for ask; with a `path`, the \
        subscription would be a route of the HTTP API\n";
    assert!(built.stderr.contains(reason), "{}", built.stderr);
    let reason = "): SQS delivers an event at most 1000 times, not 2000 times: lower `attempts` of `retry`\n";
    assert!(
        built.stderr.contains("warning: order-often (") && built.stderr.contains(reason),
        "{}",
        built.stderr
    );
    assert!(
        app.path().join("out/order/bootstrap.zip").exists() && app.path().join("out/artifacts.json").exists()
    );
    assert!(!app.path().join("out/mail").exists() && !app.path().join("target/eg").exists());
}

/// It links against Lambda's C library, whatever this machine has.
#[test]
fn zig_links_where_it_is_installed() {
    let app = App::new();
    order(&app, &[function("place", &json!({"secrets": true}))]);
    let bin = app.path().join("bin");
    fs::create_dir(&bin).unwrap();
    // Notes its arguments and builds without zig.
    let script = "#!/bin/sh\necho \"$@\" > \"$(dirname \"$0\")/arguments\"\nshift\n\
                  exec cargo build $(echo \"$@\" | sed s/-gnu.2.34/-gnu/)\n";
    let program = bin.join("cargo-zigbuild");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    app.write(
        "eg.toml",
        "[deploy.stages.prod]\nfeatures = [\"order/quiet\"]\nsecrets = { KEY = \"ssm:/key\" }\n",
    );
    let workspace = app.path().join("Cargo.toml");
    let profiles = fs::read_to_string(&workspace).unwrap() + "\n[profile.small]\ninherits = \"dev\"\n";
    fs::write(&workspace, profiles).unwrap();
    let manifest = app.path().join("services/order/Cargo.toml");
    let features = fs::read_to_string(&manifest).unwrap() + "\n[features]\nquiet = []\n";
    fs::write(&manifest, features).unwrap();
    let mut command =
        app.command(&["build", "--architecture", OWN[0], "--stage", "prod", "--cargo-profile", "small"]);
    let transcript = Transcript::of(command.env("PATH", path).output().unwrap());
    assert_eq!(transcript.code, Some(0), "{transcript:?}");
    assert!(transcript.stdout.starts_with("order  1 function  "), "{}", transcript.stdout);
    let arguments = fs::read_to_string(bin.join("arguments")).unwrap();
    let target = format!("--target {}-unknown-linux-gnu.2.34", OWN[1]);
    for expected in [
        "zigbuild --keep-going",
        "--profile small",
        &target,
        "--features=eg-runtime/eventbridge",
        "--features=eg-runtime/secrets",
        "--features order/quiet",
    ] {
        assert!(arguments.contains(expected), "{expected} is missing: {arguments}");
    }
    assert!(Path::new(&app.path().join("target/eg/order/bootstrap.zip")).exists());
    // The other stage has no secrets.
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = app.command(&["build", "--architecture", OWN[0]]);
    assert_eq!(Transcript::of(command.env("PATH", path).output().unwrap()).code, Some(0));
    let arguments = fs::read_to_string(bin.join("arguments")).unwrap();
    assert!(arguments.contains("eventbridge") && !arguments.contains("secrets"), "{arguments}");
}

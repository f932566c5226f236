//! Tests the examples of docs/deploying.md for other tools: `artifacts.json` has what they read, and CDK makes a stack of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::app::{App, Main, Transcript, record};

/// The packages for the example of CDK.
const PACKAGES: &str = r#"{"private": true, "dependencies": {"@types/node": "22", "aws-cdk-lib": "2", "constructs": "10", "typescript": "5"}}"#;

/// An app of CDK with the example.
const CDK_APP: &str = r#"import { App, Stack, aws_events as events, aws_sqs as sqs } from "aws-cdk-lib";
import { addServices } from "./services";

const stack = new Stack(new App(), "shop");
addServices(stack, new events.EventBus(stack, "Bus"), new sqs.Queue(stack, "Failures"));
console.log(JSON.stringify(App.of(stack)!.synth().getStackByName("shop").template));
"#;

/// Members that not every function has.
const OPTIONAL: [&str; 5] = ["asynchronous", "concurrency", "doc", "retries", "vpc"];

/// Returns the first block of a language after a heading of the document.
fn example(heading: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploying.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap();
    let (_, block) = section.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Builds a service with functions of every kind.
fn built() -> (App, Value) {
    let app = App::new();
    let records = ["GET /orders", "order.placed", "rate(1 day)", "queue parcels"].map(|trigger| {
        let name = trigger.split([' ', '.', '(']).next_back().unwrap().replace([')', '/'], "");
        record("order", &name, trigger)
            .replace("\"emits\":[]", "\"sinks\":[\"eventbridge\"],\"emits\":[\"order.paid\"]")
    });
    let retried = records[1]
        .replace("placed", "refused")
        .replace("\"path\":\"/\"", "\"path\":\"/\",\"retry\":{\"attempts\":4}");
    app.service("order", &[&records[..], &[retried]].concat(), &Main::Serves);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let done = app.eg(&["build", "--json", "--architecture", architecture, "--cargo-profile", "dev"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let artifacts = serde_json::from_str(&done.stdout).unwrap();
    (app, artifacts)
}

/// Returns the names that follow a prefix in a text, such as `zip` in `service.zip`.
fn members<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let begins = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    let found = text.match_indices(prefix).filter(|(at, _)| begins(&text[..*at]));
    found
        .map(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn examples_read_what_is_there() {
    let (_app, artifacts) = built();
    let service = &artifacts["services"][0];
    let functions = service["functions"].as_array().unwrap();
    let check = |text: &str, prefix: &str, places: &[&Value], own: &[&str]| {
        let found = members(text, prefix);
        assert!(!found.is_empty(), "{prefix}");
        for name in found.into_iter().filter(|name| !own.contains(name) && !OPTIONAL.contains(name)) {
            assert!(places.iter().all(|place| place.get(name).is_some()), "{prefix}{name}");
        }
    };
    let functions: Vec<&Value> = functions.iter().collect();
    let terraform = example("### Terraform", "hcl");
    check(&terraform, "local.built.", &[&artifacts], &[]);
    check(&terraform, "s.", &[service], &[]);
    check(&terraform, "f.", &functions, &[]);
    // The example itself adds some to each function and pattern, and the last ones are those of tables.
    let others =
        ["zip", "hash", "id", "pattern", "retry", "attempts", "pause", "partitionKey", "sortKey", "ttl"];
    check(&terraform, "each.value.", &functions, &others);
    let cdk = example("### CDK", "ts");
    check(&cdk, "built.", &[&artifacts], &[]);
    check(&cdk, "service.", &[service], &[]);
    check(&cdk, "described.", &functions, &[]);
    let retried = functions.iter().find(|function| function["id"] == "order-refused").unwrap();
    assert_eq!(retried["retries"][0]["pattern"], retried["patterns"][0]);
    for members in [members(&terraform, "f."), members(&cdk, "described.")] {
        assert!(members.contains("retries") && members.contains("patterns"), "{members:?}");
    }
    let permissions = functions.iter().flat_map(|function| function["permissions"].as_array().unwrap());
    check(&cdk, "permission.", &permissions.collect::<Vec<_>>(), &[]);

    // The example of the file itself.
    let shown: Value = serde_json::from_str(&example("## artifacts.json", "json")).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&shown), keys(&artifacts));
    assert_eq!(keys(&shown["services"][0]), keys(service));
    let every_time = |function: &Value| {
        keys(function).into_iter().filter(|key| !OPTIONAL.contains(&key.as_str())).collect::<BTreeSet<_>>()
    };
    assert_eq!(every_time(&shown["services"][0]["functions"][0]), every_time(functions[0]));
}

/// Its `locals` need no provider. Does nothing where Terraform is not installed.
#[test]
fn terraform_gives_a_queue_to_the_events_that_need_one() {
    let (app, _) = built();
    let terraform = example("### Terraform", "hcl");
    app.write("main.tf", terraform.split_once("\nresource ").unwrap().0);
    let question = "jsonencode({ for name, rule in local.patterns : rule.id => [name, rule.pattern, try(local.retries[name].attempts, 0)] })\n";
    app.write("question", question);
    let mut console = Command::new("terraform");
    console
        .arg("console")
        .current_dir(app.path())
        .stdin(fs::File::open(app.path().join("question")).unwrap());
    let Ok(output) = console.output() else { return };
    let done = Transcript::of(output);
    let text: String = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    let mut found: Value = serde_json::from_str(&text).unwrap();
    // A part of the hash of the pattern.
    for rule in ["order-placed", "order-refused"] {
        let name = found[rule][0].take();
        let name = name.as_str().and_then(|name| name.strip_prefix(rule)).unwrap();
        assert!(name.len() == 9 && name.starts_with('-'), "{name}");
    }
    let expected =
        |ty: &str, attempts: u32| json!([null, json!({"detail-type": [ty]}).to_string(), attempts]);
    assert_eq!(
        found,
        json!({"order-placed": expected("order.placed", 0), "order-refused": expected("order.refused", 4)})
    );
}

#[test]
#[ignore = "installs CDK from npm, 200 MB"]
fn cdk_makes_a_stack() {
    let (app, artifacts) = built();
    let write = |name: &str, text: &str| fs::write(app.path().join(name), text).unwrap();
    write("package.json", PACKAGES);
    write("services.ts", &example("### CDK", "ts"));
    write("main.ts", CDK_APP);
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(app.path()).output().unwrap();
        let done = Transcript::of(output);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    run("npm", &["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    let options = [
        "--strict",
        "--skipLibCheck",
        "--module",
        "commonjs",
        "--target",
        "es2022",
        "--types",
        "node",
        "main.ts",
    ];
    run("npx", &[&["tsc"], &options[..]].concat());
    let template: Value = serde_json::from_str(&run("node", &["main.js"])).unwrap();
    let of_kind = |kind: &str| {
        let resources = template["Resources"].as_object().unwrap().values();
        resources
            .filter(|resource| resource["Type"] == kind)
            .map(|resource| &resource["Properties"])
            .collect::<Vec<_>>()
    };
    let functions = of_kind("AWS::Lambda::Function");
    let described = artifacts["services"][0]["functions"].as_array().unwrap();
    assert_eq!(functions.len(), described.len());
    for wanted in described {
        let made = functions.iter().find(|made| made["FunctionName"] == wanted["id"]).unwrap();
        assert_eq!([&made["Handler"], &made["Timeout"]], [&wanted["handler"], &wanted["timeout"]]);
        assert!(made["Environment"]["Variables"]["EVENT_BUS"].is_object(), "{made}");
    }
    let rules = of_kind("AWS::Events::Rule");
    let patterns: Vec<_> =
        rules.iter().map(|rule| rule["EventPattern"]["detail-type"][0].as_str().unwrap()).collect();
    assert_eq!(patterns, ["order.placed", "order.refused"]);
    // One goes to the function, the other through a queue.
    let target = |rule: &Value| rule["Targets"][0]["Arn"]["Fn::GetAtt"][0].as_str().unwrap().to_owned();
    let kind = |id: String| template["Resources"][id.as_str()]["Type"].clone();
    let targets = [rules[0], rules[1]].map(|rule| kind(target(rule)));
    assert_eq!(targets, ["AWS::Lambda::Function", "AWS::SQS::Queue"]);
    let queue = &template["Resources"][target(rules[1]).as_str()]["Properties"];
    assert_eq!([&queue["VisibilityTimeout"], &queue["MessageRetentionPeriod"]], [30, 14 * 24 * 60 * 60]);
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 4);
    assert_eq!(of_kind("AWS::Lambda::EventSourceMapping").len(), 1);
    // Of the event and of the schedule.
    let retried = of_kind("AWS::Lambda::EventInvokeConfig");
    assert_eq!(retried.len(), 2);
    for config in retried {
        assert_eq!([&config["MaximumRetryAttempts"], &config["MaximumEventAgeInSeconds"]], [2, 21_600]);
        assert!(config["DestinationConfig"]["OnFailure"]["Destination"].is_object(), "{config}");
    }
}

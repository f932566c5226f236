//! The resources for each kind of trigger, the limits, and what AWS cannot do.
//! `goldens/template.yaml` is a complete template, which `tests/it/template.rs` also checks with AWS's own tools.

mod events;
mod gateway;
mod requests;
mod resources;
mod websockets;

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::project::deploy::Deploy;
use crate::registration::plan::tests::manifest;

/// Returns the template of services for a stage of this `[deploy]` section, or why there is none.
fn of(manifests: &[Manifest], deploy: &str) -> Result<(Value, Vec<String>), Vec<String>> {
    with(manifests, deploy, "")
}

/// The same, with the text of a file of further resources.
fn with(manifests: &[Manifest], deploy: &str, extra: &str) -> Result<(Value, Vec<String>), Vec<String>> {
    let deploy = Deploy::read(deploy, Path::new("/app/shop/eg.toml")).unwrap();
    let code = |service: &str| format!("{service}.zip");
    let stage = deploy.stage(None).unwrap();
    let extra = Extra::read(extra, Path::new("/app/shop/extra.yaml")).unwrap();
    let made = template(&Application { manifests, stage, architecture: "arm64", code: &code, extra: &extra });
    made.map(|made| (serde_json::to_value(made.tree).unwrap(), made.notes))
        .map_err(|Refused(problems)| problems)
}

/// Returns a service `shop` with one function, whose record has further members.
fn shop(triggers: &str, more: &Value) -> Manifest {
    let mut functions =
        serde_json::to_value(manifest("shop", &[("shop-ship_it", "a.rs:1", triggers)])).unwrap();
    for (key, value) in more.as_object().unwrap() {
        functions["functions"][0][key] = value.clone();
    }
    serde_json::from_value(functions).unwrap()
}

/// Returns the template of one function as JSON, and its notes.
fn made(triggers: &str, more: &Value) -> (Value, Vec<String>) {
    of(&[shop(triggers, more)], "").unwrap()
}

/// Returns the resources of a type, by their logical ids.
fn all<'a>(made: &'a Value, ty: &str) -> Vec<(&'a str, &'a Value)> {
    let resources = made["Resources"].as_object().unwrap();
    let of_type = resources.iter().filter(|(_, resource)| resource["Type"] == ty);
    of_type.map(|(id, resource)| (id.as_str(), &resource["Properties"])).collect()
}

fn on(retry: &str) -> String {
    format!(r#"[{{"eventType":"order.paid","mode":"async","method":"POST","path":"/"{retry}}}]"#)
}

fn route(path: &str, more: &str) -> String {
    format!(r#"{{"eventType":"http.request","mode":"sync","method":"GET","path":"{path}"{more}}}"#)
}

/// Returns the statements of the function's role, without the one for its traces.
fn rights(made: &Value) -> Vec<Value> {
    let policies = &made["Resources"]["ShopShipItRole"]["Properties"]["Policies"];
    assert_eq!(policies.as_array().unwrap().len(), 1);
    let mut statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    assert_eq!(statements.pop().unwrap()["Sid"], "ItsCallsAreTraced");
    statements
}

#[test]
fn what_aws_does_differently_is_said() {
    let check = |trigger: &str, more: &Value, expected: &str| {
        let (_, notes) = made(&format!("[{trigger}]"), more);
        assert_eq!(notes, [expected]);
    };
    check(
        r#"{"eventType":"a","mode":"async","method":"PUT","path":"/x"}"#,
        &json!({}),
        "shop-ship_it: an event bus has no paths, so it gets every a, not only PUT /x",
    );
    check(
        r#"{"eventType":"http.request","mode":"async","method":"POST","path":"/bulk"}"#,
        &json!({}),
        "shop-ship_it: an HTTP API waits for the answer, also of POST /bulk",
    );
    check(
        &route("/slow", ""),
        &json!({"timeout": 60}),
        "shop-ship_it: an HTTP API waits 30 seconds for an answer, so its callers get a 503 before its timeout of 60 seconds",
    );
    let queues =
        [("shop-a", "a.rs:1", r#"[{"queue":"jobs"}]"#), ("shop-b", "a.rs:2", r#"[{"queue":"jobs"}]"#)];
    let (_, notes) = of(&[manifest("shop", &queues)], "").unwrap();
    assert_eq!(
        notes,
        ["queue jobs: `shop-a` and `shop-b` share its messages; each message goes to one of them"]
    );
}

#[test]
fn what_would_never_run_is_refused() {
    const EXCLUDE: &str = "leave the function out with `exclude` in [deploy] of eg.toml";
    let check = |trigger: &str, expected: &str| {
        let refused = of(&[shop(&format!("[{trigger}]"), &json!({}))], "").unwrap_err();
        assert_eq!(refused, [format!("shop-ship_it (a.rs:1): {expected}; {EXCLUDE}")]);
    };
    check(
        r#"{"eventType":"ask","mode":"sync","method":"POST","path":"/"}"#,
        "an event bus returns no answers, so nothing there asks for ask; with a `path`, the subscription would be a route of the \
         HTTP API",
    );
    check(
        r#"{"eventType":"com.amazonaws.sns.Notification","mode":"async","method":"POST","path":"/"}"#,
        "com.amazonaws.sns.Notification comes from a service of AWS, which must be connected by hand",
    );
    let dead =
        r#"{"eventType":"eventgateway.delivery.deadLettered","mode":"async","method":"POST","path":"/"}"#;
    let why = "eventgateway.delivery.deadLettered comes from an event gateway, and the stage has none: `gateway` in eg.toml names one";
    check(dead, why);
    // A function that is called by others, too, is worth deploying, but not without a word.
    let both = [shop(&on("").replace(']', &format!(",{dead}]")), &json!({}))];
    let instead = "leave the subscription out with `exclude = [\"eventgateway.delivery.deadLettered\"]` in [deploy.function.shop-ship_it] of \
                   eg.toml";
    assert_eq!(of(&both, "").unwrap_err(), [format!("shop-ship_it (a.rs:1): {why}; {instead}")]);
}

#[test]
fn limits_are_numbers() {
    let check = |manifests: &[Manifest], deploy: &str, expected: &[&str]| {
        let problems = of(manifests, deploy).unwrap_err();
        assert!(
            problems.len() == expected.len()
                && problems.iter().zip(expected).all(|(found, expected)| found.starts_with(expected)),
            "{problems:#?}"
        );
    };
    let ids: Vec<String> = (0..301).map(|number| format!("s-f{number}")).collect();
    let triggers: Vec<String> =
        (0..301).map(|number| format!("[{}]", route(&format!("/{number}"), ""))).collect();
    let many: Vec<_> =
        ids.iter().zip(&triggers).map(|(id, triggers)| (id.as_str(), "a.rs:1", triggers.as_str())).collect();
    check(
        &[manifest("s", &many)],
        "",
        &["the template has 301 routes in one HTTP API, and AWS allows 300: "],
    );
    let long = "f".repeat(54);
    check(
        &[manifest("s", &[(&format!("s-{long}"), "a.rs:1", "[]")])],
        "",
        &[&format!(
            "shop-dev-s-{long} has 65 characters, and names of functions have at most 64: shorten `stack`"
        )],
    );
    let large = format!("[deploy]\nenvironment = {{ LARGE = \"{}\" }}", "x".repeat(4092));
    check(
        &[shop("[]", &json!({"emits": []}))],
        &large,
        &["shop-ship_it: its variables have 4097 bytes, and Lambda allows 4096"],
    );
    let schedules: Vec<String> =
        (1..=51).map(|hours| format!(r#"{{"schedule":"rate({hours} minutes)"}}"#)).collect();
    let schedules = format!("[{}]", schedules.join(",")).replace("(1 minutes)", "(1 minute)");
    check(
        &[shop(&schedules, &json!({}))],
        "",
        &["shop-ship_it: it has 51 triggers, and a function's policy has room for 50"],
    );
    let table = "x".repeat(247);
    check(
        &[shop("[]", &json!({}))],
        &format!(
            "[deploy.tables.{table}]\nvariable = \"BIG_TABLE\"\nservices = [\"shop\"]\npartition_key = \"id\""
        ),
        &[&format!("\"shop-dev-{table}\" cannot name a table: use 3 to 255 letters")],
    );
    let functions = [("shop-ship_it", "a.rs:1", "[]"), ("shop-ship-it", "a.rs:9", "[]")];
    let clash = "shop-ship_it and shop-ship-it would both be `ShopShipIt";
    check(&[manifest("shop", &functions)], "", &[clash, clash, clash]);
}

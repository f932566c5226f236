//! Tests `cargo eg check` on small workspaces: its findings, its messages and its exit codes.

use crate::support::app::{App, Main, record};
use serde_json::{Value, json};

/// Returns a function record with any triggers and emitted types.
fn function(package: &str, name: &str, line: u32, triggers: &Value, emits: &[&str]) -> String {
    let source = format!("services/{package}/src/main.rs:{line}");
    json!({"package": package, "version": "0.1.0", "name": name, "source": source, "triggers": triggers, "emits": emits}).to_string() + "\n"
}

fn http(method: &str, path: &str) -> Value {
    json!({"eventType": "http.request", "mode": "sync", "method": method, "path": path})
}

fn on(ty: &str) -> Value {
    json!({"eventType": ty, "mode": "async", "method": "POST", "path": "/"})
}

#[test]
fn services_that_fit_are_told_so() {
    let app = App::new();
    app.service(
        "users",
        &[function("users", "create", 1, &json!([http("POST", "/users")]), &["user.created"])],
        &Main::Serves,
    )
    .service("mail", &[record("mail", "send", "user.created")], &Main::Serves);
    let check = app.eg(&["check"]);
    assert_eq!((check.code, check.stdout.as_str()), (Some(0), ""), "{check:?}");
    assert_eq!(check.stderr, "checked 2 services, 2 functions: no problems found\n");
    let json: Value = serde_json::from_str(&app.eg(&["check", "--json"]).stdout).unwrap();
    assert_eq!(json, json!({"services": ["mail", "users"], "functions": 2, "findings": []}));
}

#[test]
fn findings_have_their_source_lines_and_exit_codes() {
    let app = App::new();
    app.service(
        "users",
        &[
            function("users", "get", 2, &json!([http("GET", "/users/:id")]), &[]),
            function("users", "create", 3, &json!([http("POST", "/users")]), &["user.created"]),
        ],
        &Main::Serves,
    )
    .service(
        "admin",
        &[
            function("admin", "find", 1, &json!([http("GET", "/users/:name")]), &[]),
            function("admin", "note", 900, &json!([on("user.create"), on("order.placed")]), &[]),
        ],
        &Main::Serves,
    );
    let conflict = app.eg(&["check"]);
    assert_eq!(conflict.code, Some(21), "{conflict:?}");
    // Line 3 of the main.rs that the tests write begins its link section.
    let source = std::fs::read_to_string(app.path().join("services/users/src/main.rs")).unwrap();
    let line = source.lines().nth(1).unwrap();
    assert_eq!(
        conflict.stderr,
        format!(
            "error[route-conflict]: two functions answer GET /users/{{name}}\n \
             --> services/admin/src/main.rs:1 admin-find: GET /users/{{name}}\n  |\n1 |\n  |\n \
             --> services/users/src/main.rs:2 users-get: GET /users/{{id}}\n  |\n2 | {line}\n  |\n  \
             = help: a request has one answer: give one of them another path or method\n\n\
             warning[never-emitted]: no service emits order.placed\n   \
             --> services/admin/src/main.rs:900 admin-note: on order.placed\n    \
             = help: if another program emits it, use --allow never-emitted\n\n\
             warning[never-emitted]: no service emits user.create\n   \
             --> services/admin/src/main.rs:900 admin-note: on user.create\n    \
             = help: did you mean `user.created`, which users-create emits?\n\n\
             note[never-subscribed]: no service subscribes to user.created\n \
             --> services/users/src/main.rs:3 users-create: emits user.created\n  |\n3 | {}\n  |\n\n\
             error: checked 2 services, 4 functions: 1 error, 2 warnings, 1 note\n",
            source.lines().nth(2).unwrap()
        )
    );

    let warnings = app.eg(&["check", "--allow", "route-conflict"]);
    assert_eq!(warnings.code, Some(0), "{warnings:?}");
    assert!(
        warnings.stderr.ends_with("checked 2 services, 4 functions: 2 warnings, 1 note\n"),
        "{warnings:?}"
    );
    let denied = app.eg(&["check", "--allow", "route-conflict", "--deny", "warnings"]);
    assert_eq!(denied.code, Some(24), "{denied:?}");
    let denied = app.eg(&["check", "--allow", "route-conflict", "--deny", "never-subscribed"]);
    assert_eq!(denied.code, Some(26), "{denied:?}");
    assert_eq!(app.eg(&["check", "services/users"]).code, Some(0), "one service alone has no conflict");
    let unknown = app.eg(&["check", "--allow", "typos"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");

    let json = app.eg(&["check", "--json"]);
    assert_eq!(
        (json.code, json.stderr.as_str()),
        (Some(21), "error: checked 2 services, 4 functions: 1 error, 2 warnings, 1 note\n")
    );
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        report["findings"][0],
        json!({
            "class": "route-conflict", "severity": "error",
            "message": "two functions answer GET /users/{name}",
            "places": [
                {"source": "services/admin/src/main.rs:1", "function": "admin-find", "role": "GET /users/{name}"},
                {"source": "services/users/src/main.rs:2", "function": "users-get", "role": "GET /users/{id}"},
            ],
            "help": "a request has one answer: give one of them another path or method",
        })
    );
}

#[test]
fn every_class_of_error_has_its_exit_code() {
    let check = |records: &[(&str, Vec<String>)], arguments: &[&str], code: i32| {
        let app = App::new();
        for (service, records) in records {
            app.service(service, records, &Main::Serves);
        }
        let found = app.eg(&[&["check"], arguments].concat());
        assert_eq!(found.code, Some(code), "{found:?}");
        found.stderr
    };
    let named = "{\"service\":\"shop\",\"version\":\"1.0.0\"}\n".to_owned();
    let text = check(
        &[
            ("one", vec![named.clone(), record("one", "list", "GET /one")]),
            ("two", vec![named, record("two", "list", "GET /two")]),
        ],
        &[],
        20,
    );
    assert!(text.starts_with("error[duplicate-id]: several functions have the id shop-list\n"), "{text}");
    let long = "a".repeat(60);
    let text = check(&[("shop", vec![record("shop", &long, "GET /")])], &[], 23);
    assert!(
        text.starts_with(&format!(
            "error[bad-name]: function names on Lambda have at most 64 characters; shop-{long} has 65\n"
        )),
        "{text}"
    );
    let ping = function("ping", "ping", 1, &json!([on("pong")]), &["ping"]);
    let pong = function("pong", "pong", 1, &json!([on("ping")]), &["pong"]);
    let services = [("ping", vec![ping]), ("pong", vec![pong])];
    let text = check(&services, &[], 0);
    assert!(
        text.starts_with(
            "warning[loop]: ping may lead back to itself: pong-pong gets ping and emits pong, ping-ping gets pong and emits ping\n"
        ),
        "{text}"
    );
    check(&services, &["--deny", "loop"], 25);
}

#[test]
fn what_cannot_be_checked_is_told_as_ever() {
    let app = App::new();
    assert_eq!(app.eg(&["check"]).code, Some(6), "no services");
    app.service("bad", &[record("bad", "list", "GET /")], &Main::Other("fn main() { let x: u8 = \"\"; }"));
    let broken = app.eg(&["check"]);
    assert_eq!(broken.code, Some(3), "{broken:?}");
    assert!(broken.stderr.contains("mismatched types"), "{broken:?}");
}

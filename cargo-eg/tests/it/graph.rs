//! Tests `cargo eg graph` on a small workspace: its formats, and what it marks.

use crate::support::app::{App, Main, record};
use serde_json::{Value, json};

fn workspace() -> App {
    let app = App::new();
    let create = json!({
        "package": "users", "version": "0.1.0", "name": "create", "source": "services/users/src/main.rs:1",
        "triggers": [
            {"eventType": "http.request", "mode": "sync", "method": "POST", "path": "/users/:id"},
            {"schedule": "rate(1 day)"},
        ],
        "emits": ["user.created", "user.counted"],
    });
    app.service("users", &[create.to_string() + "\n"], &Main::Serves).service(
        "mail",
        &[record("mail", "send", "user.created")],
        &Main::Serves,
    );
    app
}

#[test]
fn the_map_of_an_application_is_printed() {
    let app = workspace();
    let mermaid = app.eg(&["graph"]);
    assert_eq!(mermaid.code, Some(0), "{mermaid:?}");
    assert!(mermaid.stdout.starts_with("flowchart LR\n    subgraph s0[\"mail\"]\n"), "{mermaid:?}");
    for line in ["[/\"POST /users/{id}\"/]", "{{\"rate(1 day)\"}}", "([\"user.created\"])", "[\"create\"]"] {
        assert!(mermaid.stdout.contains(line), "{line}: {mermaid:?}");
    }
    let dot = app.eg(&["graph", "--format", "dot"]).stdout;
    assert!(dot.starts_with("digraph application {\n") && dot.contains("label=\"user.counted\""), "{dot}");

    let graph: Value = serde_json::from_str(&app.eg(&["graph", "--format", "json"]).stdout).unwrap();
    let nodes = graph["nodes"].as_array().unwrap();
    let odd: Vec<&Value> = nodes.iter().filter(|node| node.get("remarks").is_some()).collect();
    assert_eq!(odd, [&json!({"kind": "event", "name": "user.counted", "remarks": ["never-subscribed"]})]);
    let name = |at: &Value| nodes[usize::try_from(at.as_u64().unwrap()).unwrap()]["name"].as_str().unwrap();
    let edges: Vec<(&str, &str)> = graph["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| (name(&edge["from"]), name(&edge["to"])))
        .collect();
    let expected = [
        ("POST /users/{id}", "users-create"),
        ("rate(1 day)", "users-create"),
        ("user.created", "mail-send"),
        ("users-create", "user.counted"),
        ("users-create", "user.created"),
    ];
    assert_eq!(edges, expected);
}

#[test]
fn a_service_that_does_not_exist_is_refused() {
    let app = workspace();
    let part = app.eg(&["graph", "--service", "mail", "--format", "json"]).stdout;
    let part: Value = serde_json::from_str(&part).unwrap();
    assert_eq!(part["nodes"].as_array().unwrap().len(), 2);
    app.eg(&["graph", "--service", "mial"])
        .fails(6, "error: no service `mial` has functions\nhint: the services are: mail, users\n");
}

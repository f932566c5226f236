//! Graphs of small applications: their remarks, their texts and their places.

use eg_sdk::config::Provider;

use super::*;

/// Returns a function that belongs to a service and emits event types.
fn function(id: &str, service: &str, emits: &[&str]) -> Function {
    let mut function = Function::new(id, Provider::Http { url: "http://localhost/".to_owned() });
    let mut notes = FunctionNotes::default();
    notes.service = Some(service.to_owned());
    notes.emits = emits.iter().map(|ty| (*ty).to_owned()).collect();
    notes.write(&mut function.metadata);
    function
}

/// Sign-up leads to a mail and to a loop of reminders; an audit hears what nobody emits.
fn application() -> Graph {
    let mut nightly = function("users-nightly", "users", &["user.counted"]);
    let mut notes = FunctionNotes::default();
    (notes.schedules, notes.queues) = (vec!["rate(1 day)".to_owned()], vec!["files".to_owned()]);
    notes.write(&mut nightly.metadata);
    let functions = [
        function("users-create", "users", &["user.created"]),
        nightly,
        function("mail-welcome", "mail", &["mail.sent"]),
        function("mail-remind", "mail", &["user.created"]),
        function("audit", "audit", &[]),
        function("idle", "audit", &[]),
    ];
    let subscriptions = [
        Subscription::http("POST", "/users/:id", "users-create"),
        Subscription::asynchronous("user.created", "mail-welcome"),
        Subscription::asynchronous("mail.sent", "mail-remind"),
        Subscription::asynchronous("card.charged", "audit"),
        Subscription::asynchronous("eventgateway.delivery.deadLettered", "audit"),
    ];
    Graph::of(&functions, &subscriptions)
}

#[test]
fn the_map_says_what_is_odd() {
    let graph = application();
    let odd: Vec<(&str, &[Remark])> = graph
        .nodes
        .iter()
        .filter(|node| !node.remarks.is_empty())
        .map(|node| (node.name.as_str(), node.remarks.as_slice()))
        .collect();
    assert_eq!(
        odd,
        [
            ("card.charged", [Remark::NeverEmitted].as_slice()),
            ("mail.sent", &[Remark::Loop]),
            ("user.counted", &[Remark::NeverSubscribed]),
            ("user.created", &[Remark::Loop]),
            ("idle", &[Remark::NeverCalled]),
        ]
    );
    let name = |at: usize| graph.nodes[at].name.as_str();
    let looping: Vec<(&str, &str)> =
        graph.edges.iter().filter(|edge| edge.in_loop).map(|edge| (name(edge.from), name(edge.to))).collect();
    assert_eq!(
        looping,
        [
            ("mail.sent", "mail-remind"),
            ("user.created", "mail-welcome"),
            ("mail-remind", "user.created"),
            ("mail-welcome", "mail.sent"),
        ]
    );
    assert_eq!(graph.services(), ["audit", "mail", "users"]);
}

#[test]
fn a_service_is_a_part_of_the_map() {
    let part = application().of_service("users");
    let names: Vec<&str> = part.nodes.iter().map(|node| node.name.as_str()).collect();
    let expected = [
        "POST /users/{id}",
        "rate(1 day)",
        "files",
        "user.counted",
        "user.created",
        "users-create",
        "users-nightly",
    ];
    assert_eq!(names, expected);
    let edges: Vec<(&str, &str)> = part.edges.iter().map(|edge| (names[edge.from], names[edge.to])).collect();
    assert!(edges.contains(&("files", "users-nightly")) && edges.contains(&("users-create", "user.created")));
    assert_eq!((edges.len(), application().of_service("none").nodes.len()), (5, 0));
}

#[test]
fn texts_for_other_programs() {
    let given = [function("a\"b", "s\"1", &["<x>"])];
    let graph = Graph::of(&given, &[Subscription::http("GET", "/", "a\"b")]);
    assert_eq!(
        graph.to_mermaid(),
        "flowchart LR\n    subgraph s0[\"s#34;1\"]\n    n2[\"a#34;b\"]\n    end\n    n0[/\"GET /\"/]\n    n1([\"#60;x#62;\"])\n    \
         n0 --> n2\n    n2 -.-> n1\n    classDef odd stroke:#b01818,stroke-width:2px\n    class n1 odd\n"
    );
    let dot = graph.to_dot();
    for part in [
        "    n2 [label=\"a\\\"b\", shape=box];\n",
        "    n1 [label=\"<x>\", shape=ellipse, color=\"#b01818\"];\n",
        "    n0 -> n2;\n    n2 -> n1 [style=dashed];\n}\n",
    ] {
        assert!(dot.contains(part), "{part} in {dot}");
    }
    let json = serde_json::to_value(&graph).unwrap();
    assert_eq!(
        json["nodes"][1],
        serde_json::json!({"kind": "event", "name": "<x>", "remarks": ["never-subscribed"]})
    );
    assert_eq!(json["edges"][0], serde_json::json!({"from": 0, "to": 2, "waits": true, "loop": false}));
}

#[test]
fn most_edges_lead_to_the_right() {
    let graph = application();
    let spots = layout::place(&graph);
    let back = graph.edges.iter().filter(|edge| spots[edge.from].column >= spots[edge.to].column);
    assert_eq!(back.count(), 1, "one edge closes the loop");
    let mut taken: Vec<(usize, usize)> = spots.iter().map(|spot| (spot.column, spot.row)).collect();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), graph.nodes.len(), "no two nodes have one place");
    assert_eq!(layout::place(&Graph::of(&[], &[])), []);
}

//! Checks that every example does what the comment at its top promises: runs the commands with other ports, and
//! compares their output. The form of the promises is in `promises`.

use std::collections::BTreeSet;

use super::promises::{Promise, Stage, of_comment, workspace};

/// The examples in the order in which they run: `emit-from-an-app` adds to the log of `hello-event`.
const EXAMPLES: [&str; 23] = [
    "hello-http",
    "server-sent-events",
    "hello-event",
    "typed-events",
    "retry-and-reject",
    "conditions",
    "sync-event",
    "sync-and-async",
    "schedule",
    "queue-batch",
    "shared-state",
    "middleware",
    "axum-router",
    "testing",
    "testing-services",
    "authorizer",
    "emit-from-an-app",
    "function-url",
    "aws-services",
    "events-of-aws",
    "streams",
    "websocket-chat",
    "webhooks",
];

fn source(example: &str) -> String {
    let path = workspace().join("examples").join(example).join("src/main.rs");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_do_what_their_comments_promise() {
    let sources = EXAMPLES.map(source);
    let services: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| of_comment(source))
        .filter_map(|promise| match promise {
            Promise::Output { command, .. } => Some(command.strip_prefix("cargo eg run ")?.to_owned()),
            Promise::Activity(_) => None,
        })
        .collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let mut stage = Stage::open(&services, &[]).await;
    for example in EXAMPLES {
        stage.perform(example, of_comment(&source(example))).await;
    }
    stage.close().await;
}

#[test]
fn every_folder_is_a_known_example_of_at_most_sixty_lines_with_promises() {
    let folders = std::fs::read_dir(workspace().join("examples")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), EXAMPLES.map(str::to_owned).into());
    for example in EXAMPLES {
        let source = source(example);
        assert!(source.lines().count() <= 60, "{example} is too long");
        let promised = of_comment(&source);
        let prints = |p: &Promise| !matches!(p, Promise::Output { output, .. } if output.is_empty());
        assert!(promised.iter().any(prints), "{example} promises nothing: {promised:#?}");
    }
}

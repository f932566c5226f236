//! Runs the walk-through of docs/deploying.md, from a new application to its removal, with moto in the place of AWS.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::aws::{Aws, ENVIRONMENT, Fault};
use crate::support::shell::Shell;

/// What moto cannot do, and what AWS answers.
const ELSEWHERE: [(&str, &str); 2] = [
    // moto has no functions as targets of rules.
    ("PutEvents", r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#),
    // moto runs functions in Docker.
    ("POST /2015-03-31/functions/", r#"{"statusCode":200,"body":"second"}"#),
];

/// What commands print.
const PRINTED: [(&str, &str); 7] = [
    ("cargo eg deploy --plan", "    + subscription orders.created\n"),
    ("cargo eg deploy --yes", "deployed stack orders-dev in "),
    ("cargo eg emit", "Event emitted: orders.created\n"),
    ("cargo eg invoke", "second"),
    ("cargo eg dead-letters", "no dead letters\n"),
    ("cargo eg rollback", "    ~ memory 512 → 256\n"),
    ("cargo eg remove", "removed stack orders-dev\n"),
];

/// A line of the document to execute, or a file to write.
enum Step<'a> {
    Command(&'a str),
    File(&'a str),
}

#[test]
#[ignore = "takes minutes: compiles a new application for Lambda"]
fn the_walk_through_is_true() {
    let Some(aws) = Aws::start() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploying.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## A walk-through\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut shell = Shell::new();
    let own = [
        ("AWS_ENDPOINT_URL", aws.url.as_str()),
        ("AWS_REGION", "eu-central-1"),
        // The release profile takes minutes more.
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ];
    for (name, value) in ENVIRONMENT.into_iter().chain(own) {
        shell.export(name, value);
    }
    for (operation, answer) in ELSEWHERE {
        aws.plan(operation, usize::MAX, Fault::Answer(200, answer.to_owned()));
    }
    let (mut folder, mut unseen) = (String::new(), PRINTED.iter().collect::<BTreeSet<_>>());
    for step in steps(section) {
        match step {
            Step::File(content) => shell.write(&format!("{folder}/eg.toml"), content),
            Step::Command(line) if line.starts_with("cd ") => {
                folder = line.replace("cd ", "");
                shell.lock(&folder);
            }
            Step::Command(line) => {
                let done = shell.line(&folder, line);
                let code = if line.ends_with("--plan") { 10 } else { 0 };
                assert_eq!(done.code, Some(code), "{line}: {done:?}");
                let printed = done.stdout.clone() + &done.stderr;
                for expected in PRINTED.iter().filter(|(command, _)| line.starts_with(command)) {
                    assert!(printed.contains(expected.1), "{line}: {expected:?}: {done:?}");
                    unseen.remove(expected);
                }
            }
        }
    }
    assert_eq!(unseen, BTreeSet::new(), "commands that the document no longer has");
}

/// Returns the steps in the blocks of a section.
fn steps(section: &str) -> Vec<Step<'_>> {
    let blocks = section.split("\n```").skip(1).step_by(2);
    let steps = blocks.flat_map(|block| match block.split_once('\n') {
        Some(("sh", lines)) => lines.lines().map(Step::Command).collect(),
        Some(("toml", content)) => vec![Step::File(content)],
        _ => panic!("a block of another kind: {block}"),
    });
    steps.collect()
}

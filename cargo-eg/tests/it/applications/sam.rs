//! Deploys both applications with SAM's command line from the template of `cargo eg template`, and compares what that makes with what
//! `cargo eg deploy` makes.

use std::process::Command;

use super::{ARCHITECTURE, Application, namespace};
use crate::support::app::Transcript;
use crate::support::aws::isolate;
use crate::support::stack::Stack;

#[test]
#[ignore = "installs SAM's command line, 200 MB, and packs programs four times"]
fn sam_makes_the_same_stacks() {
    if !namespace::is_inside() {
        if eg_tests::python::sam().is_some() {
            namespace::enter("applications::sam::sam_makes_the_same_stacks");
        }
        return;
    }
    for name in ["registration", "shop"] {
        let ours = Application::open(name);
        let deployed = ours.deploy(&["--yes"]);
        assert_eq!(deployed.code, Some(0), "{deployed:?}");
        let theirs = Application::open(name);
        by_sam(&theirs);
        let [ours, theirs] =
            [ours, theirs].map(|app| described(&Stack::tapped(&app.stack(), &app.aws), &app.aws.account));
        assert_eq!(ours, theirs, "{name}");
    }
}

fn by_sam(app: &Application) {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let template = template.to_str().unwrap();
    let written = app.eg(&["template", "--architecture", ARCHITECTURE, "--output", template]);
    assert_eq!(written.code, Some(0), "{written:?}");
    // Accounts share the names of buckets.
    let bucket = format!("sam-programs-{}", app.aws.account);
    let created = app.aws.block_on(async {
        let bucket = format!("{}/{bucket}", app.aws.url);
        eg_tests::http().put(bucket).body("").send().await.unwrap().status()
    });
    assert!(created.is_success(), "{created}");
    let mut command = Command::new(eg_tests::python::sam().unwrap());
    isolate(&mut command);
    command
        .args(["deploy", "--template-file", template, "--stack-name", &app.stack(), "--s3-bucket", &bucket])
        .args(["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--region", "eu-central-1"])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("SAM_CLI_TELEMETRY", "0")
        // moto finds the bucket in the path of the template's URL only if the host has this name.
        .env("AWS_ENDPOINT_URL", app.aws.url.replace("127.0.0.1", "localhost"));
    let done = Transcript::of(command.output().unwrap());
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Returns what a stack consists of, without what differs by account.
fn described(stack: &Stack, account: &str) -> String {
    let mut rules: Vec<_> = stack.rules.iter().map(|rule| (&rule.function, &rule.schedule)).collect();
    // Their names end in what AWS has chosen, so they come in any order.
    rules.sort();
    let mut text = format!("{:#?}\n{:#?}\n{rules:#?}", stack.functions, stack.tables);
    for (id, url) in &stack.queues {
        let name = url.rsplit('/').next().unwrap();
        text = text.replace(url, id).replace(name, id);
    }
    text.replace(account, "ACCOUNT")
}

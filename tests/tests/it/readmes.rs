//! Checks that the READMEs of the applications are true: runs their commands, in order, and compares the output. Among
//! them are the commands of the READMEs of the original applications.

use super::promises::{Promise, Stage, commands_of, of_document, workspace};

async fn check(application: &str, variables: &[(&str, &str)]) {
    let path = workspace().join(application).join("README.md");
    let promises = of_document(&std::fs::read_to_string(path).unwrap());
    assert!(promises.len() > 10, "{application} promises little: {promises:#?}");
    let mut stage = Stage::open(&[application], variables).await;
    stage.perform(application, promises).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registrations_readme_is_true() {
    check("services/registration", &[]).await;
}

/// Every payment succeeds, so that the story of the README is the only one.
#[tokio::test(flavor = "multi_thread")]
async fn the_shops_readme_is_true() {
    check("services/shop", &[("PAYMENT_FAIL_PROBABILITY", "0")]).await;
}

/// In the README of the project, the id of an event is an example.
#[tokio::test(flavor = "multi_thread")]
async fn the_projects_readme_is_true() {
    let text = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let (_, section) = text.split_once("\n## Run it\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let commands = commands_of(section);
    assert!(commands.len() > 7, "{commands:#?}");
    let mut stage = Stage::open(&["services/registration"], &[]).await;
    let event = "cargo eg emit --event user.created --sample --id 0199a5c3-7d24-7b1e-9c55-02c1f3ee5fc1";
    stage.perform("README.md", vec![Promise::of(event.to_owned())]).await;
    stage.perform("README.md", commands).await;
    stage.close().await;
}

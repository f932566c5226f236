//! Checks that the READMEs of the applications are true: runs their commands, in order, and compares the output. Among
//! them are the commands of the READMEs of the original applications.

use super::promises::{Stage, of_document, workspace};

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

//! Checks that the guide is true: runs the commands of its pages, in order, and compares the output. The page for the first five
//! minutes is left to the tests of `cargo eg`.

use super::promises::{Stage, of_document, workspace};

async fn check(page: &str, application: &str, variables: &[(&str, &str)]) {
    let promises = of_document(&std::fs::read_to_string(workspace().join("docs").join(page)).unwrap());
    assert!(promises.len() > 2, "{page} promises little: {promises:#?}");
    let mut stage = Stage::open(&[application], variables).await;
    stage.perform(page, promises).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn working_locally_is_true() {
    check("local.md", "services/registration", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_survives_is_true() {
    check("reliability.md", "services/shop", &[("PAYMENT_FAIL_PROBABILITY", "0")]).await;
}

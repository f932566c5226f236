//! Each function gets what its service sends, and its answer is what the service expects.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::put;
use eg_runtime::testing::TestApp;
use eg_runtime::{App, Error};
use serde_json::{Value, json};

use super::custom_resource;

fn app() -> Result<TestApp, Error> {
    TestApp::new(App::new().state(custom_resource::client()?))
}

/// Returns one of the samples of `cargo eg invoke --sample`.
fn sample(name: &str) -> Result<Value, Error> {
    let path = format!("{}/../../cargo-eg/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

#[tokio::test]
async fn users_of_the_company_are_confirmed() -> Result<(), Error> {
    let (app, mut event) = (app()?, sample("cognito-pre-sign-up")?);
    let answer = app.call("confirm", &event).await?;
    assert_eq!(answer["response"]["autoConfirmUser"], true);
    // Cognito gets back the rest of its event.
    assert_eq!(
        (&answer["userName"], &answer["triggerSource"]),
        (&event["userName"], &event["triggerSource"])
    );

    event["request"]["userAttributes"]["email"] = json!("gladstone@lucky.example");
    let refused = app.call("confirm", &event).await.unwrap_err();
    assert_eq!(refused.error_message, "`gladstone@lucky.example` is not an address of this company");
    Ok(())
}

#[tokio::test]
async fn a_state_machine_can_catch_an_error_by_its_type() -> Result<(), Error> {
    let app = app()?;
    assert_eq!(app.call("price", &sample("step-functions")?).await?, json!({"cents": 4500}));
    let error = app.call("price", &json!({"item": "lamp", "count": 10})).await.unwrap_err();
    assert_eq!(error.error_type, "OutOfStock");
    Ok(())
}

#[tokio::test]
async fn records_that_are_no_json_fail_alone() -> Result<(), Error> {
    let answer = app()?.call("mask", &sample("firehose")?).await?;
    let records: Vec<_> = answer["records"].as_array().unwrap().iter().map(|r| &r["result"]).collect();
    assert_eq!(records, ["Ok", "ProcessingFailed"]);
    Ok(())
}

/// What CloudFormation gets at its URL: bodies and headers.
type Outcomes = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

#[tokio::test]
async fn a_stack_gets_every_outcome() -> Result<(), Error> {
    let outcomes = Outcomes::default();
    let receive = |State(outcomes): State<Outcomes>, headers: HeaderMap, body: String| async move {
        outcomes.lock().unwrap().push((headers, serde_json::from_str(&body).unwrap()));
    };
    let server = axum::Router::new().route("/answer", put(receive)).with_state(outcomes.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/answer", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, server).await });

    let app = app()?;
    for (name, start, expected) in [
        ("cloudformation-create", "1", json!({"Status": "SUCCESS", "Data": {"Next": "2"}})),
        ("cloudformation-update", "41", json!({"Status": "SUCCESS", "Data": {"Next": "42"}})),
        ("cloudformation-delete", "", json!({"Status": "SUCCESS", "Data": {}})),
        (
            "cloudformation-create",
            "one",
            json!({"Status": "FAILED", "Reason": "`Start` is \"one\": invalid digit found in string"}),
        ),
    ] {
        let mut request = sample(name)?;
        request["ResponseURL"] = json!(url);
        request["ResourceProperties"]["Start"] = json!(start);
        assert_eq!(app.call("numbers", &request).await?, Value::Null);
        let (headers, outcome) = outcomes.lock().unwrap().pop().unwrap();
        assert!(!headers.contains_key("content-type"), "the URL is signed without: {headers:?}");
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&outcome[key], value, "{name}: {outcome}");
        }
        for key in ["StackId", "RequestId", "LogicalResourceId"] {
            assert_eq!(outcome[key], request[key]);
        }
        let physical_id = request.get("PhysicalResourceId").unwrap_or(&request["RequestId"]);
        assert_eq!(&outcome["PhysicalResourceId"], physical_id);
    }
    Ok(())
}

/// If CloudFormation does not get the outcome, Lambda calls the function again.
#[tokio::test]
async fn an_outcome_that_is_not_sent_is_a_failure() -> Result<(), Error> {
    let mut request = sample("cloudformation-create")?;
    request["ResponseURL"] = json!("http://127.0.0.1:1/");
    assert_eq!(app()?.call("numbers", &request).await.unwrap_err().error_type, "Retry");
    Ok(())
}

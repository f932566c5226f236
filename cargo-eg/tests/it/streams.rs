//! Tests that `cargo eg run` reads streams where the environment names servers for them, with moto: records reach their function in
//! order, and one that fails is tried again before those behind it.

use eg_tests::moto::Moto;
use serde_json::{Value, json};

use crate::support::app::{App, Main, RUN, Running};
use crate::support::eventually;

/// Calls an operation as the functions do.
async fn call(moto: &Moto, service: &str, target: &str, body: &Value) -> Value {
    let scope = format!("Credential=local/20260101/us-east-1/{service}/aws4_request");
    let call = eg_tests::http()
        .post(&moto.url)
        .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string());
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{target}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
}

fn record(name: &str, trigger: &str) -> String {
    format!(
        r#"{{"package":"shop","version":"0.1.0","name":"{name}","source":"a.rs:1","triggers":[{trigger}],"emits":[]}}"#
    ) + "\n"
}

#[tokio::test]
async fn records_of_tables_and_streams_reach_their_functions() {
    let Some(moto) = Moto::start() else { return };
    let app = App::new();
    app.write(
        "eg.toml",
        "[deploy]\nstack = \"books\"\n\n[deploy.tables.orders]\nvariable = \"ORDER_TABLE\"\nservices = [\"shop\"]\n\
         partition_key = \"id\"\n",
    );
    let records = [
        record("ship", r#"{"stream":"orders","source":"dynamodb"}"#),
        record("count", r#"{"stream":"clicks","source":"kinesis"}"#),
    ];
    app.service("shop", &records, &Main::Serves);
    call(
        &moto,
        "kinesis",
        "Kinesis_20131202.CreateStream",
        &json!({"StreamName": "clicks", "ShardCount": 1}),
    )
    .await;
    let put = async |data: &str| {
        let record = json!({"StreamName": "clicks", "PartitionKey": "1", "Data": data});
        call(&moto, "kinesis", "Kinesis_20131202.PutRecord", &record).await;
    };
    put("YmVmb3Jl").await;

    let mut command = app.command(&RUN);
    command.env("AWS_ENDPOINT_URL", &moto.url);
    let mut run = Running::start(command, app.path().join("stderr"));
    drop(run.ready().await);
    for id in ["1", "2"] {
        let item = json!({"TableName": "books-local-orders", "Item": {"id": {"S": id}}});
        call(&moto, "dynamodb", "DynamoDB_20120810.PutItem", &item).await;
    }
    put("bm93").await;

    let ids = || {
        let log = app.log("shop-ship");
        let places: Vec<_> =
            ["1", "2"].map(|id| log.find(&format!(r#""NewImage":{{"id":{{"S":"{id}"}}}}"#))).into();
        places
    };
    eventually("both items", || ids().iter().all(Option::is_some)).await;
    assert!(ids().is_sorted(), "in their order");
    assert!(app.log("shop-ship").contains(":table/orders/stream/"), "the name in the code");
    eventually("the record", || app.log("shop-count").contains(r#""data":"bm93""#)).await;
    assert!(!app.log("shop-count").contains("YmVmb3Jl"), "what was there before the start is not read");
    run.says("table books-local-orders → shop-ship", 1).await;
    run.says("stream clicks → shop-count 1 record handled", 1).await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named() {
    let app = App::new();
    app.service("shop", &[record("count", r#"{"stream":"clicks","source":"kinesis"}"#)], &Main::Serves);
    let mut command = app.command(&RUN);
    command.env("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:1");
    let mut run = Running::start(command, app.path().join("stderr"));
    drop(run.ready().await);
    run.says("stream clicks failed: cannot connect to 127.0.0.1:1", 1).await;
}

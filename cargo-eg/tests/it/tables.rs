//! Tests that `cargo eg run` creates the tables of `[deploy.tables]` where the environment names a DynamoDB, with moto.

use eg_tests::moto::Moto;
use serde_json::{Value, json};

use crate::support::app::{App, Main, Running, record};
use crate::support::eventually;

const TABLES: &str = r#"
[deploy]
stack = "books"

[deploy.tables.orders]
variable = "ORDER_TABLE"
services = ["shop"]
partition_key = "customer"
sort_key = "number:N"
ttl = "expires"

[deploy.tables.customers]
variable = "CUSTOMER_TABLE"
services = ["shop"]
existing = "customers"

[deploy.tables.mine]
variable = "MY_TABLE"
services = ["shop"]
partition_key = "id"
"#;

/// Calls an operation of DynamoDB as the functions do.
async fn call(moto: &Moto, operation: &str, body: &Value) -> Value {
    let scope = "Credential=local/20260101/us-east-1/dynamodb/aws4_request";
    let call = eg_tests::http()
        .post(&moto.url)
        .header("authorization", format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"))
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .body(body.to_string());
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{operation}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn start(app: &App, variable: &str, url: &str) -> Running {
    let mut command = app.command(&["run", "--port", "0", "--config-port", "0", "--lambda-port", "0"]);
    command.env(variable, url).env("MY_TABLE", "mine");
    Running::start(command, app.path().join("stderr"))
}

#[tokio::test]
async fn the_tables_of_the_application_are_created_once() {
    let Some(moto) = Moto::start() else { return };
    let app = App::new();
    app.write("eg.toml", TABLES);
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let mut run = start(&app, "AWS_ENDPOINT_URL_DYNAMODB", &moto.url);
    drop(run.ready().await);
    let tables = call(&moto, "ListTables", &json!({})).await;
    assert_eq!(tables["TableNames"], json!(["books-local-orders"]), "others are somebody else's");
    let name = json!({"TableName": "books-local-orders"});
    let table = &call(&moto, "DescribeTable", &name).await["Table"];
    let key = json!([
        {"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}]);
    assert_eq!(table["KeySchema"], key);
    let expiry = &call(&moto, "DescribeTimeToLive", &name).await["TimeToLiveDescription"];
    assert_eq!(
        (&expiry["AttributeName"], &expiry["TimeToLiveStatus"]),
        (&json!("expires"), &json!("ENABLED"))
    );

    let item = json!({"customer": {"S": "7"}, "number": {"N": "1"}});
    call(&moto, "PutItem", &json!({"TableName": "books-local-orders", "Item": item})).await;
    drop(run);
    // A run that ended early has created the table without its expiry.
    let off = json!({"AttributeName": "expires", "Enabled": false});
    let change = json!({"TableName": "books-local-orders", "TimeToLiveSpecification": off});
    call(&moto, "UpdateTimeToLive", &change).await;
    let main = Main::Tells("AWS_ENDPOINT_URL_DYNAMODB");
    app.service("shop", &[record("shop", "list", "GET /list")], &main);
    let mut again = start(&app, "AWS_ENDPOINT_URL", &moto.url);
    let gateway = again.ready().await;
    assert_eq!(call(&moto, "Scan", &name).await["Count"], 1, "a table that exists keeps its items");
    let expiry = call(&moto, "DescribeTimeToLive", &name).await;
    assert_eq!(expiry["TimeToLiveDescription"]["TimeToLiveStatus"], "ENABLED");
    // Functions use the DynamoDB in which the tables were created.
    let answer = eg_tests::http().get(gateway("events") + "/list").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let told = format!("AWS_ENDPOINT_URL_DYNAMODB is Ok(\"{}\")", moto.url);
    eventually("the variable", || app.log("shop-list").contains(&told)).await;
    drop(again);

    app.write("eg.toml", &TABLES.replace("number:N", "number"));
    let mut other = start(&app, "AWS_ENDPOINT_URL", &moto.url);
    assert_eq!(other.wait(), Some(1));
    let shown = other.stderr();
    let expected = format!(
        "error: table `books-local-orders` at {} has the partition key `customer:S` and the sort key `number:N`, but \
         eg.toml declares the partition key `customer:S` and the sort key `number:S`\nhint: delete the table there",
        moto.url
    );
    assert!(shown.contains(&expected), "{expected}\n{shown}");
    assert_eq!(call(&moto, "Scan", &name).await["Count"], 1);
}

#[test]
fn a_dynamodb_that_does_not_answer_is_named() {
    let app = App::new();
    app.write("eg.toml", TABLES);
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    let mut run = start(&app, "AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1");
    assert_eq!(run.wait(), Some(1));
    let shown = run.stderr();
    let begin = "error: cannot create table `books-local-orders` at http://127.0.0.1:1: cannot connect to 127.0.0.1:1: ";
    let hint = "hint: start the DynamoDB that AWS_ENDPOINT_URL_DYNAMODB names, or unset the variable\n";
    assert!(shown.contains(begin) && shown.ends_with(hint), "{shown}");
}

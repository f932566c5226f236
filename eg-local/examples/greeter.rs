//! The function that the other examples deploy: greets whom its event or each message of its batch names. It is an
//! ordinary Lambda function, here with AWS's `lambda_runtime`; `cargo build -p eg-local --examples` builds it.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let Some(records) = event.payload["Records"].as_array() else {
        return Ok(json!(greet(event.payload["name"].as_str())?));
    };
    let failed = records.iter().filter(|record| greet(record["body"].as_str()).is_err());
    let failed: Vec<Value> = failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
    Ok(json!({ "batchItemFailures": failed }))
}

fn greet(name: Option<&str>) -> Result<String, Error> {
    let name = name.filter(|name| *name != "nobody").ok_or("there is nobody to greet")?;
    let greeting = std::env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());
    println!("greeting {name}");
    Ok(format!("{greeting}, {name}!"))
}

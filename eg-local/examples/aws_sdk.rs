//! Points AWS's SDK at a local cloud, as an application under test does with `AWS_ENDPOINT_URL`:
//!
//! ```text
//! $ cargo build -p eg-local --examples
//! $ cargo run -p eg-local --example aws_sdk
//! Lambda answers: "Hello, Ada!"
//! SQS has a queue: guests
//! ```

use aws_sdk_lambda::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use eg_local::{Cloud, FunctionSpec};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greeter = std::env::current_exe()?.with_file_name("greeter");
    let cloud = Cloud::start().await?;
    cloud.deploy(FunctionSpec::new("greet", greeter)).await?;

    let http = aws_smithy_http_client::Builder::new().build_http();
    let (region, credentials) =
        (Region::new("us-east-1"), Credentials::new("local", "local", None, None, "local"));
    let lambda = aws_sdk_lambda::Client::from_conf(
        aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .endpoint_url(cloud.url())
            .build(),
    );
    let answer =
        lambda.invoke().function_name("greet").payload(Blob::new(r#"{"name": "Ada"}"#)).send().await?;
    let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
    println!("Lambda answers: {}", String::from_utf8(payload)?);

    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(region)
            .credentials_provider(credentials)
            .endpoint_url(cloud.url())
            .build(),
    );
    sqs.create_queue().queue_name("guests").send().await?;
    let urls = sqs.list_queues().queue_name_prefix("guests").send().await?.queue_urls.unwrap_or_default();
    let names = urls.iter().filter_map(|url| url.rsplit('/').next());
    println!("SQS has a queue: {}", names.filter(|name| *name == "guests").collect::<String>());
    cloud.stop().await;
    Ok(())
}

//! Kinesis, Firehose and SQS as functions, and AWS's own client as an emitter. The other side is moto, which the tests share: no two of
//! them create a resource of the same kind and name.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_firehose::types::ExtendedS3DestinationConfiguration;
use aws_sdk_kinesis::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kinesis::types::ShardIteratorType;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use eg_gateway::{Activity, DeliveryOutcome};
use eg_sdk::config::Secret;
use serde_json::{Value, json};

use crate::support::{Functions, TestGateway};
use eg_tests::moto::Moto;
use eg_tests::python::python;

const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/test","type":"e","data":{"n":1}}"#;

fn client_config(moto: &Moto) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.build_https())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
        .region(Region::new("eu-central-1"))
        .endpoint_url(&moto.url)
        .build()
}

/// A gateway on which a function of this type is subscribed to `e`.
async fn subscribed(endpoint: Option<&Moto>, kind: &str, mut provider: Value) -> TestGateway {
    let endpoint = endpoint.map(|moto| moto.url.clone());
    let gateway = TestGateway::with(|options| {
        options.aws_endpoint = endpoint;
        options.retry.attempts = 2;
    })
    .await;
    for (name, value) in [("region", "eu-central-1"), ("awsAccessKeyId", "k"), ("awsSecretAccessKey", "s")] {
        provider[name] = json!(value);
    }
    gateway.api.event_type("e").await;
    gateway.api.create("functions", json!({ "functionId": "f", "type": kind, "provider": provider })).await;
    gateway.api.subscribe("e", "f").await;
    gateway
}

/// Emits an event and returns what came of the delivery.
async fn emit(gateway: &TestGateway, id: &str) -> DeliveryOutcome {
    let mut watcher = gateway.activity();
    gateway.api.emit("e", id).await;
    match watcher.delivery().await {
        Activity::Delivery { outcome, .. } => outcome,
        other => panic!("not a delivery: {other:?}"),
    }
}

#[tokio::test]
async fn kinesis() {
    let Some(moto) = Moto::shared() else { return };
    let client = aws_sdk_kinesis::Client::new(&client_config(moto));
    client.create_stream().stream_name("events").shard_count(1).send().await.unwrap();
    let gateway = subscribed(Some(moto), "awskinesis", json!({ "streamName": "events" })).await;
    assert_eq!(emit(&gateway, "1").await, DeliveryOutcome::Delivered);
    let shards = client.list_shards().stream_name("events").send().await.unwrap();
    let iterator = client
        .get_shard_iterator()
        .stream_name("events")
        .shard_id(shards.shards()[0].shard_id())
        .shard_iterator_type(ShardIteratorType::TrimHorizon);
    let iterator = iterator.send().await.unwrap().shard_iterator.unwrap();
    let records = client.get_records().shard_iterator(iterator).send().await.unwrap().records;
    assert_eq!(records.len(), 1);
    assert_eq!(std::str::from_utf8(records[0].data().as_ref()).unwrap(), EVENT);
    assert_eq!(records[0].partition_key().map(str::len), Some(36));

    client.delete_stream().stream_name("events").send().await.unwrap();
    let DeliveryOutcome::Retry { error, .. } = emit(&gateway, "2").await else {
        panic!("a stream that is gone")
    };
    assert!(error.starts_with("ResourceNotFoundException: "), "{error}");
}

#[tokio::test]
async fn firehose() {
    let Some(moto) = Moto::shared() else { return };
    let http = reqwest::Client::new();
    let bucket = format!("{}/archive", moto.url);
    assert_eq!(http.put(&bucket).send().await.unwrap().status(), 200);
    let destination = ExtendedS3DestinationConfiguration::builder()
        .role_arn("arn:aws:iam::123456789012:role/delivery")
        .bucket_arn("arn:aws:s3:::archive")
        .build()
        .unwrap();
    let client = aws_sdk_firehose::Client::new(&client_config(moto));
    let create = client.create_delivery_stream().delivery_stream_name("events");
    create.extended_s3_destination_configuration(destination).send().await.unwrap();
    let gateway = subscribed(Some(moto), "awsfirehose", json!({ "deliveryStreamName": "events" })).await;
    assert_eq!(emit(&gateway, "1").await, DeliveryOutcome::Delivered);
    let list = http.get(&bucket).send().await.unwrap().text().await.unwrap();
    let key = list.split_once("<Key>").unwrap().1.split_once("</Key>").unwrap().0;
    // moto wants a signature here, and takes any.
    let object = http.get(format!("{bucket}/{key}")).header("authorization", "AWS k:s").send().await.unwrap();
    assert_eq!((object.status().as_u16(), object.text().await.unwrap().as_str()), (200, EVENT));
}

/// The queue's own URL says where it is.
#[tokio::test]
async fn sqs() {
    let Some(moto) = Moto::shared() else { return };
    let client = aws_sdk_sqs::Client::new(&client_config(moto));
    let queue = client.create_queue().queue_name("events").send().await.unwrap().queue_url.unwrap();
    assert!(queue.starts_with(&moto.url), "{queue}");
    let gateway = subscribed(None, "awssqs", json!({ "queueUrl": queue })).await;
    assert_eq!(emit(&gateway, "1").await, DeliveryOutcome::Delivered);
    let messages = client.receive_message().queue_url(&queue).send().await.unwrap().messages.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].body(), Some(EVENT));
}

/// What they answer is no HTTP response, so nobody can wait for it; the event is delivered all the same.
#[tokio::test]
async fn a_queue_answers_no_request() {
    let Some(moto) = Moto::shared() else { return };
    let client = aws_sdk_sqs::Client::new(&client_config(moto));
    let queue = client.create_queue().queue_name("requests").send().await.unwrap().queue_url.unwrap();
    let gateway = subscribed(Some(moto), "awssqs", json!({ "queueUrl": queue })).await;
    gateway.api.event_type("ask").await;
    gateway
        .api
        .create("subscriptions", json!({ "type": "sync", "eventType": "ask", "functionId": "f" }))
        .await;
    let response = gateway.api.try_emit("ask", "1").await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("HTTP response object malformed"));
    let messages = client.receive_message().queue_url(&queue).send().await.unwrap().messages.unwrap();
    assert_eq!(messages.len(), 1);
}

const PUT: &str = r#"
import boto3, json, sys
client = boto3.client("events", endpoint_url=sys.argv[1], region_name="eu-central-1",
                      aws_access_key_id="root", aws_secret_access_key="any")
entry = {"Source": "my.app", "DetailType": "e", "Detail": json.dumps({"n": 1}), "Resources": ["r"]}
answer = client.put_events(Entries=[entry, {**entry, "Detail": "oops"}])
del answer["ResponseMetadata"]
print(json.dumps(answer))
"#;

#[tokio::test]
async fn an_aws_client_emits() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| {
        options.access_keys.spaces.insert("default".to_owned(), Secret::from("root"));
        options.access_keys.events = true;
    })
    .await;
    let open = |kind: &str, resource: Value| {
        let url = format!("{}/v1/spaces/default/{kind}", gateway.api.config);
        let request = gateway.api.client.post(url).bearer_auth("root").body(resource.to_string());
        async move { assert_eq!(request.send().await.unwrap().status(), 201) }
    };
    open("eventtypes", json!({ "name": "e" })).await;
    open(
        "functions",
        json!({ "functionId": "f", "type": "http", "provider": { "url": functions.url("/") } }),
    )
    .await;
    open("subscriptions", json!({ "type": "async", "eventType": "e", "functionId": "f" })).await;
    let endpoint = gateway.api.events.clone();
    let Some(output) = tokio::task::spawn_blocking(move || python(PUT, &[&endpoint])).await.unwrap() else {
        return;
    };
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(answer["FailedEntryCount"], 1);
    assert_eq!(answer["Entries"][1]["ErrorCode"], "MalformedDetail");
    let event = functions.next_call().await.json();
    assert_eq!(event["id"], answer["Entries"][0]["EventId"]);
    assert_eq!((&event["data"], &event["awsresources"]), (&json!({ "n": 1 }), &json!("r")));
}

//! Every sample of `cargo eg invoke --sample`, and every sample event of SAM's command line, reaches a function that a user can
//! write: with a type of `aws_lambda_events` where there is one, with an attribute for its trigger, or with a type of the user's
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use eg_runtime::aws_lambda_events as aws;
use eg_runtime::testing::TestApp;
use eg_runtime::{App, Bytes, Json, http, invoke, queue, schedule, stream, subscribe};
use eg_tests::python;
use serde::Deserialize;
use serde_json::Value;

use super::promises::workspace;

/// Defines a function for each type, and lists the samples that it gets.
macro_rules! typed {
    ($($name:ident: $ty:ty, [$($sample:literal),+];)+) => {
        $(
            #[invoke]
            async fn $name(payload: $ty) -> $ty {
                payload
            }
        )+

        const TYPED: &[(&str, &[&str])] = &[$((stringify!($name), &[$($sample),+])),+];
    };
}

typed! {
    activemq: aws::activemq::ActiveMqEvent, ["activemq"];
    appsync_authorizer: aws::appsync::AppSyncLambdaAuthorizerRequest, ["authorizer-appsync"];
    appsync_resolver: aws::appsync::AppSyncDirectResolverEvent, ["appsync-resolver"];
    autoscaling: aws::autoscaling::AutoScalingEvent, ["autoscaling-terminate"];
    bedrock: aws::event::bedrock_agent_runtime::AgentEvent, ["bedrock-agent"];
    client_vpn: aws::clientvpn::ClientVpnConnectionHandlerRequest, ["client-vpn"];
    custom_resource: aws::cloudformation::CloudFormationCustomResourceRequest,
        ["cloudformation-create", "cloudformation-update", "cloudformation-delete"];
    alarm: aws::cloudwatch_alarms::CloudWatchAlarm, ["cloudwatch-alarm"];
    code_commit: aws::code_commit::CodeCommitEvent, ["codecommit"];
    codebuild: aws::codebuild::CodeBuildEvent, ["codebuild-state-change"];
    codepipeline: aws::codepipeline_job::CodePipelineJobEvent, ["codepipeline-job"];
    cognito_sync: aws::cognito::CognitoEvent, ["cognito-sync"];
    pre_sign_up: aws::cognito::CognitoEventUserPoolsPreSignup, ["cognito-pre-sign-up"];
    post_confirmation: aws::cognito::CognitoEventUserPoolsPostConfirmation, ["cognito-post-confirmation"];
    pre_authentication: aws::cognito::CognitoEventUserPoolsPreAuthentication, ["cognito-pre-authentication"];
    post_authentication: aws::cognito::CognitoEventUserPoolsPostAuthentication, ["cognito-post-authentication"];
    pre_token_generation: aws::cognito::CognitoEventUserPoolsPreTokenGen, ["cognito-pre-token-generation"];
    pre_token_generation_v2: aws::cognito::CognitoEventUserPoolsPreTokenGenV2, ["cognito-pre-token-generation-v2"];
    user_migration: aws::cognito::CognitoEventUserPoolsMigrateUser, ["cognito-user-migration"];
    custom_message: aws::cognito::CognitoEventUserPoolsCustomMessage, ["cognito-custom-message"];
    define_challenge: aws::cognito::CognitoEventUserPoolsDefineAuthChallenge, ["cognito-define-auth-challenge"];
    create_challenge: aws::cognito::CognitoEventUserPoolsCreateAuthChallenge, ["cognito-create-auth-challenge"];
    verify_challenge: aws::cognito::CognitoEventUserPoolsVerifyAuthChallenge, ["cognito-verify-auth-challenge"];
    config: aws::config::ConfigEvent, ["config-change", "config-periodic"];
    connect: aws::connect::ConnectEvent, ["connect-contact-flow"];
    documentdb: aws::documentdb::DocumentDbEvent, ["documentdb"];
    dynamodb: aws::dynamodb::Event, ["dynamodb-stream"];
    firehose: aws::firehose::KinesisFirehoseEvent, ["firehose"];
    iot_button: aws::iot_button::IoTButtonEvent, ["iot-button"];
    kafka: aws::kafka::KafkaEvent, ["kafka", "kafka-self-managed"];
    kinesis: aws::kinesis::KinesisEvent, ["kinesis-stream"];
    kinesis_analytics: aws::kinesis::analytics::KinesisAnalyticsOutputDeliveryEvent, ["kinesis-analytics"];
    lex: aws::lex::LexEvent, ["lex-v1"];
    logs: aws::cloudwatch_logs::LogsEvent, ["cloudwatch-logs"];
    rabbitmq: aws::rabbitmq::RabbitMqEvent, ["rabbitmq"];
    secret_rotation: aws::secretsmanager::SecretsManagerSecretRotationEvent, ["secret-rotation"];
    ses: aws::ses::SimpleEmailEvent, ["ses-receive"];
}

/// A function for payloads of any other type.
#[invoke]
async fn whatever(payload: Value) -> Value {
    payload
}

fn samples() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(workspace().join("cargo-eg/samples")).unwrap();
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

/// Collects the texts and numbers in a value.
fn contents(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| contents(value, found)),
        Value::Array(items) => items.iter().for_each(|value| contents(value, found)),
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        Value::Bool(_) | Value::Null => {}
    }
}

/// The functions for events with an attribute, and the sample events of SAM that they get.
const TRIGGERED: [(&str, &[&str]); 6] = [
    ("answer", &["alb request", "apigateway aws-proxy", "apigateway http-api-proxy"]),
    ("work", &["sqs receive-message"]),
    ("notice", &["sns notification"]),
    ("sweep", &["cloudwatch scheduled-event"]),
    ("follow_table", &["dynamodb update"]),
    ("follow_stream", &["kinesis get-records"]),
];

/// The parts of a notification of S3 that a user needs.
#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: Place,
}

#[derive(Deserialize)]
struct Place {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

#[invoke]
async fn s3(notification: Notification) -> Vec<String> {
    notification.records.into_iter().map(|record| record.s3.object.key).collect()
}

#[http(ANY, "/path/to/resource")]
async fn answer(body: Bytes) -> Bytes {
    body
}

/// Fails for anything else than what a sample contains. A panic would fail the fuzz targets, which call these functions, too.
fn expect(found: &impl Display, is_expected: bool) -> Result<(), String> {
    if is_expected { Ok(()) } else { Err(format!("unexpected: {found}")) }
}

#[queue("MyQueue")]
async fn work(message: String) -> Result<(), String> {
    expect(&message, message == "Hello from SQS!")
}

#[subscribe("com.amazonaws.sns.Notification")]
async fn notice(message: String) -> Result<(), String> {
    expect(&message, message == "example message")
}

#[schedule("rate(1 hour)")]
async fn sweep() {}

#[stream(dynamodb("ExampleTableWithStream"))]
async fn follow_table(Json(change): Json<eg_runtime::Change<Value>>) -> Result<(), String> {
    expect(&change.keys, change.keys["Id"] == 101)
}

#[stream(kinesis("EXAMPLE"))]
async fn follow_stream(record: String) -> Result<(), String> {
    expect(&record, record.starts_with("Hello, this is a test"))
}

/// The sample events of SAM for which `aws_lambda_events` or this test has a type, by the function with that type. Some events of SAM
/// do not fit the crate's types, for example because their data is not base64: `whatever` takes them.
const TYPED_OF_SAM: [(&str, &[&str]); 14] = [
    ("appsync_resolver", &["appsync resolver"]),
    ("custom_resource", &["cloudformation create-request"]),
    ("code_commit", &["codecommit repository"]),
    ("codepipeline", &["codepipeline job"]),
    ("cognito_sync", &["cognito sync-trigger"]),
    (
        "config",
        &[
            "config item-change-notification",
            "config oversized-item-change-notification",
            "config periodic-rule",
        ],
    ),
    ("connect", &["connect contact-flow-event"]),
    ("dynamodb", &["dynamodb update"]),
    ("logs", &["cloudwatch logs"]),
    ("kinesis", &["kinesis get-records"]),
    ("firehose", &["kinesis kinesis-firehose", "kinesis cloudwatch-logs-processor"]),
    (
        "kinesis_analytics",
        &["kinesis analytics", "kinesis analytics-compressed", "kinesis analytics-dynamodb"],
    ),
    ("lex", &["lex make-appointment", "lex order-flowers"]),
    ("s3", &["rekognition s3-request", "s3 delete", "s3 put"]),
];

/// Returns the sample events of SAM with its default values, as `sam local generate-event <service> <event>` prints them.
fn events_of_sam() -> Option<BTreeMap<String, Value>> {
    use base64::Engine as _;

    let folder = python::sam_events()?;
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
    let mapping: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(&read("event-mapping.json")).unwrap();
    let mut events = BTreeMap::new();
    for (service, of_service) in mapping {
        for (event, described) in of_service {
            let mut text =
                read(&format!("events/{service}/{}.json", described["filename"].as_str().unwrap()));
            let mut tags: Vec<(&String, &Value)> = described["tags"].as_object().unwrap().iter().collect();
            let children = tags.iter().filter_map(|(_, tag)| tag["children"].as_object()).flatten();
            tags.extend(children.collect::<Vec<_>>());
            for (name, tag) in tags {
                let value = match &tag["default"] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let value = match tag["encoding"].as_str() {
                    Some("base64") => base64::engine::general_purpose::STANDARD.encode(value),
                    _ => value,
                };
                for name in [name.clone(), name.replace('-', "_")] {
                    if tag["type"] == "dict" {
                        text = text.replace(&format!("\"{{{{{{{name}}}}}}}\""), &value);
                    }
                    text = text.replace(&format!("{{{{{{{name}}}}}}}"), &value);
                    text = text.replace(&format!("{{{{{name}}}}}"), &value);
                }
            }
            let json =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{service} {event}: {e}: {text}"));
            events.insert(format!("{service} {event}"), json);
        }
    }
    Some(events)
}

#[tokio::test]
async fn every_sample_event_of_sam_reaches_a_function() {
    let Some(events) = events_of_sam() else { return };
    assert_eq!(events.len(), 68);
    let app = TestApp::new(App::new()).unwrap();
    for (name, event) in &events {
        assert_eq!(app.call("whatever", event).await.unwrap(), *event, "{name}");
    }
    let mut refused = Vec::new();
    for (function, names) in TYPED_OF_SAM.into_iter().chain(TRIGGERED) {
        for name in names {
            let wrong = match app.call(function, &events[*name]).await {
                Err(error) => Some(error.to_string()),
                Ok(answer) if function == "answer" && answer["statusCode"] != 200 => Some(answer.to_string()),
                Ok(answer) => answer["batchItemFailures"]
                    .as_array()
                    .filter(|failures| !failures.is_empty())
                    .map(|_| answer.to_string()),
            };
            refused.extend(wrong.map(|wrong| format!("{function}, {name}: {wrong}")));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[tokio::test]
async fn every_sample_reaches_a_function() {
    let app = TestApp::new(App::new()).unwrap();
    let samples = samples();
    for (function, names) in TYPED {
        for name in *names {
            let sample = &samples[*name];
            let answer = app.call(function, sample).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            let (mut sent, mut kept) = (BTreeSet::new(), BTreeSet::new());
            contents(sample, &mut sent);
            contents(&answer, &mut kept);
            // A type whose fields have other names would be read, too, and be empty.
            let (kept, sent) = (sent.intersection(&kept).count(), sent.len());
            // The type of log lines unpacks them, and packs them in another way.
            assert!(
                2 * kept >= sent || *name == "cloudwatch-logs",
                "{name}: the type keeps {kept} of {sent} values: {answer}"
            );
        }
    }
    for (name, sample) in &samples {
        assert_eq!(app.call("whatever", sample).await.unwrap(), *sample, "{name}");
    }
}

//! Every sample of `cargo eg invoke --sample` reaches a function that a user can write: with a type of `aws_lambda_events`
//! where there is one, else with one of the user's own.

use std::collections::{BTreeMap, BTreeSet};

use eg_runtime::aws_lambda_events as aws;
use eg_runtime::testing::TestApp;
use eg_runtime::{App, invoke};
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

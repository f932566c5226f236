//! Samples of the payloads that AWS's services send to functions, at least one for each family. They are files in
//! `samples/`, in the formats that AWS documents. Payloads for the triggers of a function are left to `sample`.

use serde_json::Value;

/// The word that lists the samples instead of choosing one.
pub(crate) const LIST: &str = "list";

/// A sample.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// Who sends it, and when.
    pub(crate) doc: &'static str,
    json: &'static str,
}

macro_rules! samples {
    ($($name:literal: $doc:literal,)+) => {
        &[$(Sample { name: $name, doc: $doc, json: include_str!(concat!("../../samples/", $name, ".json")) },)+]
    };
}

/// All samples: requests, events, messages and streams first, then the services that call a function themselves.
pub(crate) const SAMPLES: &[Sample] = samples! {
    "http": "request of an HTTP API (payload format 2.0)",
    "rest-api": "request of a REST API, or of an HTTP API (payload format 1.0)",
    "function-url": "request to a function URL",
    "load-balancer": "request of an Application Load Balancer",
    "lattice": "request of VPC Lattice (event structure 2.0)",
    "websocket-connect": "new connection of a WebSocket API",
    "websocket-message": "message of a WebSocket API",
    "websocket-disconnect": "closed connection of a WebSocket API",
    "authorizer-http": "question of an HTTP API: may this request pass? (format 2.0)",
    "authorizer-request": "question of a REST API about a request",
    "authorizer-token": "question of a REST API about a token",
    "authorizer-appsync": "question of AppSync about a token",
    "authorizer-iot": "question of IoT Core about a connection",
    "event": "CloudEvent",
    "eventbridge": "event of an application on an EventBridge bus",
    "schedule": "tick of an EventBridge rule or of EventBridge Scheduler",
    "s3-object-created": "EventBridge event of S3: Object Created",
    "ec2-state-change": "EventBridge event of EC2: instance state",
    "autoscaling-terminate": "EventBridge event of EC2 Auto Scaling: instance terminates",
    "codebuild-state-change": "EventBridge event of CodeBuild: build state",
    "ecr-image-push": "EventBridge event of ECR: image pushed",
    "step-functions-state": "EventBridge event of Step Functions: execution state",
    "sqs": "batch of an SQS queue",
    "sqs-fifo": "batch of an SQS FIFO queue",
    "sns": "notification of an SNS topic",
    "activemq": "messages of Amazon MQ for ActiveMQ",
    "rabbitmq": "messages of Amazon MQ for RabbitMQ",
    "dynamodb-stream": "changes of a DynamoDB table",
    "kinesis-stream": "records of a Kinesis stream",
    "kafka": "records of Amazon MSK",
    "kafka-self-managed": "records of a self-managed Kafka cluster",
    "documentdb": "changes of a DocumentDB collection",
    "firehose": "records for a transformation of Firehose",
    "kinesis-analytics": "output of Kinesis Data Analytics",
    "cloudwatch-logs": "log lines of a subscription filter (compressed)",
    "s3-put": "notification of S3: object created",
    "s3-delete": "notification of S3: object removed",
    "s3-batch": "task of S3 Batch Operations",
    "s3-object-lambda": "request of S3 Object Lambda",
    "cognito-pre-sign-up": "Cognito: before a user is registered",
    "cognito-post-confirmation": "Cognito: after a user is confirmed",
    "cognito-pre-authentication": "Cognito: before a user signs in",
    "cognito-post-authentication": "Cognito: after a user has signed in",
    "cognito-pre-token-generation": "Cognito: before tokens are issued (version 1)",
    "cognito-pre-token-generation-v2": "Cognito: before tokens are issued (version 2)",
    "cognito-user-migration": "Cognito: an unknown user signs in",
    "cognito-custom-message": "Cognito: before a message is sent",
    "cognito-define-auth-challenge": "Cognito: which challenge is next?",
    "cognito-create-auth-challenge": "Cognito: the challenge is created",
    "cognito-verify-auth-challenge": "Cognito: is the response right?",
    "cognito-sync": "Cognito Sync: a dataset changes",
    "step-functions": "input of a task of Step Functions",
    "step-functions-callback": "input of a task that waits for its token",
    "step-functions-error": "input of a task after a caught error",
    "cloudformation-create": "custom resource of CloudFormation is created",
    "cloudformation-update": "custom resource of CloudFormation is updated",
    "cloudformation-delete": "custom resource of CloudFormation is deleted",
    "cloudwatch-alarm": "action of a CloudWatch alarm",
    "config-change": "AWS Config rule: a resource changes",
    "config-periodic": "AWS Config rule: periodic",
    "codepipeline-job": "job of CodePipeline",
    "codecommit": "trigger of a CodeCommit repository",
    "secret-rotation": "step of a rotation in Secrets Manager",
    "ses-receive": "e-mail that SES receives",
    "workmail": "e-mail that passes WorkMail",
    "batch-job": "input of a function that submits a job to AWS Batch",
    "cloudfront-viewer-request": "Lambda@Edge: request of a viewer",
    "cloudfront-origin-response": "Lambda@Edge: response of an origin",
    "appsync-resolver": "call of a direct Lambda resolver of AppSync",
    "alexa-skill": "request of an Alexa skill",
    "alexa-smart-home": "directive of an Alexa smart home skill",
    "lex-v1": "turn of a Lex bot (version 1)",
    "lex-v2": "turn of a Lex bot (version 2)",
    "connect-contact-flow": "contact flow of Amazon Connect",
    "bedrock-agent": "action group of a Bedrock agent",
    "iot-rule": "message that an IoT rule passes on",
    "iot-button": "click of an IoT button",
    "client-vpn": "question of Client VPN: may this connection be made?",
    "transfer-identity": "question of Transfer Family: who is this user?",
    "ground-truth-annotation": "task before labelling in SageMaker Ground Truth",
    "ground-truth-consolidation": "labels of several workers in SageMaker Ground Truth",
    "lambda-destination": "failed invocation in an on-failure destination",
    "stream-failure": "failed batch of a stream in an on-failure destination",
};

/// Returns the words for `--sample`.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|sample| sample.name).chain([LIST])
}

/// Returns the sample with this name, with the members of `change` in it (RFC 7396): those that are `null` are removed,
/// and those of objects are changed one by one.
pub(crate) fn named(name: &str, change: Option<&Value>) -> Option<Value> {
    let sample = SAMPLES.iter().find(|sample| sample.name == name)?;
    let mut payload = serde_json::from_str(sample.json).ok()?;
    if let Some(change) = change {
        merge(&mut payload, change);
    }
    Some(payload)
}

/// Returns the detail of the sample with this detail type.
pub(crate) fn detail(detail_type: &str) -> Option<Value> {
    SAMPLES.iter().find_map(|sample| {
        let mut event: Value = serde_json::from_str(sample.json).ok()?;
        (event["detail-type"] == detail_type).then(|| event["detail"].take())
    })
}

fn merge(into: &mut Value, change: &Value) {
    let Value::Object(changes) = change else {
        *into = change.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = into else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_file_is_a_sample_and_every_sample_is_json() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
        let files =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let known = SAMPLES.iter().map(|sample| format!("{}.json", sample.name));
        assert_eq!(files.collect::<BTreeSet<_>>(), known.collect());
        for sample in SAMPLES {
            assert!(named(sample.name, None).is_some(), "{} is no JSON", sample.name);
        }
    }

    #[test]
    fn members_of_a_sample_can_be_changed() {
        let change = json!({"request": {"userAttributes": {"email": "daisy@example.com", "phone_number": "+15550100"}},
            "callerContext": null, "response": {"autoConfirmUser": true}, "userName": "daisy"});
        let changed = named("cognito-pre-sign-up", Some(&change)).unwrap();
        assert_eq!(
            (&changed["request"]["userAttributes"], &changed["userName"], changed.get("callerContext")),
            (&json!({"email": "daisy@example.com", "phone_number": "+15550100"}), &json!("daisy"), None)
        );
        assert_eq!(changed["response"]["autoVerifyEmail"], false);
        assert_eq!(changed["response"]["autoConfirmUser"], true);
        assert_eq!(named("cognito-pre-sign-in", None), None);
    }
}

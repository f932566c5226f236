//! No payload panics. The fixtures of `aws_lambda_events`, which cover what AWS services send, are broken in every
//! way a field can be broken, and requests are filled with what clients should not send.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use eg_runtime::testing::{InvocationError, TestApp};
use eg_runtime::{
    App, Bytes, CloudEvent, Data, HeaderMap, Query, Request, Uri, http, queue, schedule, subscribe,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Reads all that a request has.
#[http(GET, "/{*rest}")]
#[http(POST, "/{*rest}")]
#[http(PUT, "/{*rest}")]
async fn reads(
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    body: Bytes,
) -> String {
    format!("{uri} {headers:?} {query:?} {body:?}")
}

#[http(GET, "/")]
#[http(POST, "/")]
async fn root(request: Request) -> String {
    format!("{request:?}")
}

#[queue("some")]
#[schedule("rate(1 day)")]
#[subscribe(
    "websocket.connect",
    "websocket.message",
    "websocket.disconnect",
    "com.amazonaws.sns.Notification"
)]
async fn takes(event: CloudEvent<Data>) -> String {
    format!("{event:?}")
}

fn fixtures() -> BTreeMap<String, Value> {
    let metadata =
        cargo_metadata::MetadataCommand::new().other_options(["--offline".to_owned()]).exec().unwrap();
    let package = metadata.packages.iter().find(|package| package.name == "aws_lambda_events").unwrap();
    let folder: PathBuf = package.manifest_path.parent().unwrap().join("src/fixtures").into();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("example-").to_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    })
    .collect()
}

fn app() -> TestApp {
    TestApp::new(App::new()).unwrap()
}

/// Every failure is one that the runtime has a name for, and no function was called with what breaks it.
fn check(result: &Result<Value, InvocationError>, payload: &str) {
    if let Err(error) = result {
        assert!(["Reject", "Retry"].contains(&error.error_type.as_str()), "{error} for {payload}");
        assert!(!error.error_message.is_empty(), "{payload}");
    }
}

#[tokio::test]
async fn fixtures_are_what_they_are() {
    let app = app();
    let fixtures = fixtures();
    assert!(fixtures.len() >= 173, "{}", fixtures.len());
    for (name, fixture) in fixtures {
        let result = app.invoke(&fixture.to_string()).await;
        check(&result, &name);
        let request = name.contains("request") && !name.contains("custom-auth");
        match name.as_str() {
            n if n.contains("custom-auth") && n.contains("apigw") && n.contains("request") => {
                let error = result.unwrap_err();
                assert!(error.error_message.contains("Lambda authorizer"), "{name}: {error}");
            }
            n if n.starts_with("apigw-websocket") => {
                assert_eq!(result.unwrap()["statusCode"], 200, "{name}");
            }
            n if request && ["apigw-", "alb-", "vpc-lattice-"].iter().any(|family| n.starts_with(family)) => {
                let status = result.unwrap()["statusCode"].as_u64().unwrap();
                assert!([200, 405].contains(&status), "{name}: {status}");
            }
            "sqs-event" | "sqs-event-obj" => {
                assert!(result.unwrap()["batchItemFailures"].is_array(), "{name}");
            }
            n if n.starts_with("sns-event") || n.starts_with("cloudwatch-alarm-sns") => {
                assert_eq!(result.unwrap()["statusCode"], 200, "{name}");
            }
            _ if is_of_a_stream(&fixture) => match result {
                Ok(answer) => assert!(answer["batchItemFailures"].is_array(), "{name}"),
                Err(error) => assert!(error.error_message.contains("batch of"), "{name}: {error}"),
            },
            "eventbridge-schedule" => assert_eq!(result.unwrap()["statusCode"], 200, "{name}"),
            _ if fixture.get("detail-type").is_some() && fixture.get("detail").is_some() => {
                let error = result.unwrap_err();
                assert!(error.error_message.contains("subscribes to event type"), "{name}: {error}");
            }
            _ => {
                let error = result.unwrap_err().error_message;
                assert!(
                    ["unknown payload", "batch of records from", "Lambda authorizer"]
                        .iter()
                        .any(|m| error.contains(m)),
                    "{name}: {error}"
                );
            }
        }
    }
}

/// Returns the record of an invocation that failed with this payload.
fn failed(payload: &Value) -> Value {
    json!({"version": "1.0", "requestContext": {"functionArn": "arn:aws:lambda:r:1:function:f", "condition": "Rejected"},
        "requestPayload": payload, "responsePayload": {"errorType": "Reject", "errorMessage": "no"}})
}

/// Whoever can send messages could write such a record, so what is in it must not pass for a request with its headers.
#[tokio::test]
async fn nothing_in_a_record_or_an_array_is_a_request() {
    let app = app();
    let mut requests = 0;
    for (name, fixture) in fixtures() {
        let is_request = name.contains("request") && !name.contains("custom-auth");
        if !is_request || !["apigw-", "alb-", "vpc-lattice-"].iter().any(|family| name.starts_with(family)) {
            continue;
        }
        requests += 1;
        for (payload, family) in
            [(json!([fixture]), "array of events"), (failed(&fixture), "failed invocation")]
        {
            let error = app.invoke(&payload.to_string()).await.unwrap_err();
            assert!(error.error_message.contains(family), "{name}: {error}");
        }
        let message = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "eventSourceARN": "a:some",
            "body": failed(&fixture).to_string()}]});
        let answer = app.invoke(&message.to_string()).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "1"}]), "{name}");
    }
    assert!(requests > 10, "{requests}");
}

fn is_of_a_stream(payload: &Value) -> bool {
    let source = |value: &Value| value["eventSource"].as_str().unwrap_or_default().to_owned();
    ["aws:dynamodb", "aws:kinesis"].contains(&source(&payload["Records"][0]).as_str())
        || ["aws:kafka", "SelfManagedKafka"].contains(&source(payload).as_str())
}

/// What is done to one field.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    Delete,
    Duplicate,
    Replace(&'static str),
}

const MUTATIONS: [Mutation; 11] = [
    Mutation::Delete,
    Mutation::Duplicate,
    Mutation::Replace("null"),
    Mutation::Replace("true"),
    Mutation::Replace("-1"),
    Mutation::Replace("1e400"),
    Mutation::Replace("123456789012345678901234567890"),
    Mutation::Replace("\"\""),
    Mutation::Replace("\"\\u0000\\ud83d\\ude00%zz{}\""),
    Mutation::Replace("[]"),
    Mutation::Replace("{\"\":{}}"),
];

/// Writes JSON with one field, counted in the order of writing, changed.
struct Writer {
    out: String,
    field: usize,
    target: usize,
    mutation: Mutation,
}

impl Writer {
    fn write(value: &Value, target: usize, mutation: Mutation) -> Option<String> {
        let mut writer = Self { out: String::new(), field: 0, target, mutation };
        writer.value(value);
        (writer.field > target).then_some(writer.out)
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                self.out.push('{');
                for (name, value) in members {
                    self.field(&format!("{}:", Value::from(name.as_str())), value);
                }
                self.end('}');
            }
            Value::Array(elements) => {
                self.out.push('[');
                for value in elements {
                    self.field("", value);
                }
                self.end(']');
            }
            scalar => self.out.push_str(&scalar.to_string()),
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        let mutation = (self.field == self.target).then_some(self.mutation);
        self.field += 1;
        let times = match mutation {
            Some(Mutation::Delete) => 0,
            Some(Mutation::Duplicate) => 2,
            _ => 1,
        };
        for _ in 0..times {
            self.out.push_str(name);
            match mutation {
                Some(Mutation::Replace(json)) => self.out.push_str(json),
                _ => self.value(value),
            }
            self.out.push(',');
        }
        if times == 0 {
            // Counts the fields inside as well, so that the count ends where it would have ended.
            let length = self.out.len();
            self.value(value);
            self.out.truncate(length);
        }
    }

    fn end(&mut self, close: char) {
        if self.out.ends_with(',') {
            self.out.pop();
        }
        self.out.push(close);
    }
}

#[tokio::test]
async fn each_field_deleted_duplicated_and_retyped() {
    let app = app();
    let mut payloads = 0;
    let fixtures = fixtures();
    let inside = ["eventbridge-schedule", "sqs-event", "kinesis-event"].map(|name| fixtures[name].clone());
    let message = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "eventSourceARN": "a:some",
        "body": failed(&inside[0]).to_string()}]});
    let around = inside.iter().map(failed).chain([json!([inside[0], inside[0]]), message]);
    for fixture in fixtures.values().cloned().chain(around) {
        for mutation in MUTATIONS {
            for target in 0.. {
                let Some(payload) = Writer::write(&fixture, target, mutation) else { break };
                check(&app.invoke(&payload).await, &payload);
                payloads += 1;
            }
        }
    }
    assert!(payloads > 50_000, "{payloads}");
}

#[tokio::test]
async fn nesting_of_any_depth() {
    let app = app();
    for depth in [127, 128, 129, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let text = Value::from(deep.as_str());
        for payload in [
            deep.clone(),
            format!("{{\"x\":{deep}}}"),
            format!("{{\"Records\":{deep}}}"),
            format!(
                "{{\"requestContext\":{{\"elb\":{deep}}},\"httpMethod\":\"GET\",\"path\":\"/\",\"headers\":{deep}}}"
            ),
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"t\",\"x\":{deep},\"data\":{deep}}}"
            ),
            format!("{{\"id\":\"1\",\"source\":\"x\",\"detail-type\":\"t\",\"detail\":{deep}}}"),
            format!(
                "{{\"id\":\"1\",\"source\":\"x\",\"detail-type\":\"t\",\"detail\":{{\"specversion\":{deep},\"id\":1}}}}"
            ),
            format!(
                "{{\"Records\":[{{\"eventSource\":\"aws:sqs\",\"eventSourceARN\":\"q\",\"messageId\":\"1\",\"body\":{text}}}]}}"
            ),
            format!(
                "{}{deep}{}",
                "{\"requestContext\":{\"functionArn\":\"f\",\"condition\":\"c\"},\"requestPayload\":"
                    .repeat(depth),
                "}".repeat(depth)
            ),
        ] {
            check(&app.invoke(&payload).await, "nested");
        }
        let request =
            json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1"});
        let data = format!("{{\"method\":\"POST\",\"path\":\"/x\",\"body\":{deep}}}");
        let payload = request.to_string().replace("}", &format!(",\"data\":{data}}}"));
        check(&app.invoke(&payload).await, "nested");
    }
}

/// Text as hostile clients send it: near the grammars that it has to pass.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[%/?#&=;:@\\[\\]{}\\\\ \"<>\u{0}\r\n\t.*+a-zé]{0,40}",
        "(%[0-9a-fA-F]{0,2}|/|\\.\\.|//|\\?){0,20}",
        "[A-Za-z0-9+/=]{0,20}",
    ]
}

fn invoke(payload: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let payload = payload.to_string();
    check(&runtime.block_on(app().invoke(&payload)), &payload);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn hostile_requests_through_api_gateway(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), hostile()],
        path in hostile(),
        query in hostile(),
        headers in prop::collection::btree_map(prop_oneof![Just("host".to_owned()), hostile()], hostile(), 0..4),
        cookies in prop::collection::vec(hostile(), 0..3),
        body in hostile(),
        base64 in any::<bool>(),
        stage in hostile(),
        route in hostile(),
    ) {
        let params = json!({(route.clone()): path.clone()});
        invoke(&json!({"version": "2.0", "routeKey": format!("GET {route}"), "rawPath": path, "rawQueryString": query,
            "headers": headers, "cookies": cookies, "pathParameters": params, "body": body, "isBase64Encoded": base64,
            "requestContext": {"stage": stage, "http": {"method": method}}}));
        invoke(&json!({"resource": route, "httpMethod": method, "path": path, "headers": headers,
            "queryStringParameters": {(query.clone()): query.clone()}, "pathParameters": params,
            "requestContext": {"stage": stage}, "body": body, "isBase64Encoded": base64}));
        invoke(&json!({"requestContext": {"elb": {}}, "httpMethod": method, "path": path,
            "multiValueHeaders": {"host": [query]}, "multiValueQueryStringParameters": {(path.clone()): [query]},
            "body": body, "isBase64Encoded": base64}));
        invoke(&json!({"raw_path": path, "method": method, "headers": headers, "body": body, "is_base64_encoded": base64,
            "query_string_parameters": {(query.clone()): query}}));
    }

    #[test]
    fn hostile_requests_through_the_gateway(
        method in prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), hostile()],
        path in hostile(),
        query in prop::collection::btree_map(hostile(), prop::collection::vec(hostile(), 0..3), 0..3),
        headers in prop::collection::btree_map(hostile(), hostile(), 0..3),
        rest in hostile(),
        body in hostile(),
    ) {
        invoke(&json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
            "data": {"method": method, "path": path, "query": query, "headers": headers, "host": path, "body": body,
                "params": {"rest": rest}}}));
    }

    #[test]
    fn any_text_is_no_payload(text in any::<String>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        check(&runtime.block_on(app().invoke(&text)), &text);
    }

    #[test]
    fn hostile_messages(body in hostile(), id in "[a-z]{1,5}", group in prop::option::of(hostile()), arn in hostile()) {
        invoke(&json!({"Records": [{"eventSource": "aws:sqs", "messageId": id, "eventSourceARN": arn, "body": body,
            "attributes": {"MessageGroupId": group, "SentTimestamp": body}}]}));
        invoke(&json!({"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": id, "TopicArn": arn, "Message": body,
            "Timestamp": body, "Subject": group}}]}));
    }
}

//! Defines the fuzz targets, one function each. No input may cause a panic, an invalid answer, or a failure without a
//! reason.

use std::cell::OnceCell;

pub use eg_gateway::fuzz::{filter, framing, rules};
use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Data, Request, http, queue, stream, subscribe};
use serde_json::{Map, Value, json};

/// A target: it takes an input.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 20] = [
    ("event", event),
    ("eventbridge", eventbridge),
    ("http_message", http_message),
    ("payload", payload),
    ("cloud_event", cloud_event),
    ("gateway_request", gateway_request),
    ("http_api", http_api),
    ("rest_api", rest_api),
    ("balancer", balancer),
    ("lattice_1", lattice_1),
    ("lattice_2", lattice_2),
    ("websocket", websocket),
    ("sqs", sqs),
    ("sns", sns),
    ("dynamodb", dynamodb),
    ("kinesis", kinesis),
    ("kafka", kafka),
    ("framing", framing),
    ("filter", filter),
    ("rules", rules),
];

/// Defines the program of a target: cargo-fuzz fuzzes it; otherwise it runs the files that are its arguments.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::$name(input));

        #[cfg(not(fuzzing))]
        fn main() {
            for file in std::env::args_os().skip(1) {
                let input = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                $crate::$name(&input);
            }
        }
    };
}

/// Reads an event in the JSON format. What it reads, it can write, and reads as the same event again.
pub fn event(input: &[u8]) {
    let Ok(event) = CloudEvent::from_json(input) else { return };
    let written = event.to_json().expect("what was read can be written");
    let again = CloudEvent::from_json(&written).expect("what was written can be read");
    assert_eq!((event.source(), event.id(), event.ty()), (again.source(), again.id(), again.ty()));
    assert_eq!((event.time(), event.data), (again.time(), again.data));
}

/// Reads an event in EventBridge's envelope.
pub fn eventbridge(input: &[u8]) {
    if let Ok(event) = CloudEvent::from_eventbridge(input) {
        event.to_json().expect("what was read can be written");
    }
}

/// Reads an event as an HTTP message: lines `name: value`, an empty line, the body.
pub fn http_message(input: &[u8]) {
    let (head, body) = match input.windows(2).position(|window| window == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let mut headers = ::http::HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = ::http::HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = ::http::HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Ok(event) = CloudEvent::from_http(&headers, body.to_vec().into()) {
        event.to_json().expect("what was read can be written");
    }
}

/// Handles any payload of any family.
pub fn payload(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        invoke(text);
    }
}

/// Handles a CloudEvent.
pub fn cloud_event(input: &[u8]) {
    let skeleton = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}});
    invoke(&mutated(skeleton, &["specversion"], &["id", "source", "subject", "data", "traceparent"], input));
}

/// Handles an HTTP request through the event gateway.
pub fn gateway_request(input: &[u8]) {
    let data = json!({"method": "POST", "path": "/", "headers": {}, "query": {}, "body": "", "params": {}});
    let data = mutated(data, &[], &["path", "body", "method", "host"], input);
    invoke(&format!(
        r#"{{"eventType":"http.request","cloudEventsVersion":"0.1","source":"/x","eventID":"1","data":{data}}}"#
    ));
}

/// Handles a request through an HTTP API or a function URL.
pub fn http_api(input: &[u8]) {
    let skeleton = json!({"version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
        "headers": {}, "requestContext": {"stage": "$default", "http": {"method": "POST"}}});
    invoke(&mutated(
        skeleton,
        &["version", "requestContext"],
        &["rawPath", "rawQueryString", "body", "routeKey"],
        input,
    ));
}

/// Handles a request through a REST API.
pub fn rest_api(input: &[u8]) {
    let skeleton = json!({"resource": "/{proxy+}", "path": "/", "httpMethod": "POST", "headers": {},
        "multiValueHeaders": {}, "pathParameters": {}, "requestContext": {"stage": "prod"}});
    invoke(&mutated(skeleton, &["requestContext"], &["path", "httpMethod", "body", "resource"], input));
}

/// Handles a request through a load balancer.
pub fn balancer(input: &[u8]) {
    let skeleton = json!({"httpMethod": "POST", "path": "/", "headers": {}, "queryStringParameters": {},
        "requestContext": {"elb": {}}});
    invoke(&mutated(skeleton, &["requestContext"], &["path", "httpMethod", "body"], input));
}

/// Handles a request through VPC Lattice, event structure 1.
pub fn lattice_1(input: &[u8]) {
    let skeleton = json!({"raw_path": "/", "method": "POST", "headers": {}, "query_string_parameters": {}});
    invoke(&mutated(skeleton, &[], &["raw_path", "method", "body"], input));
}

/// Handles a request through VPC Lattice, event structure 2.
pub fn lattice_2(input: &[u8]) {
    let skeleton = json!({"version": "2.0", "path": "/", "method": "POST", "headers": {},
        "requestContext": {"serviceNetworkArn": "arn"}});
    invoke(&mutated(skeleton, &["version", "requestContext"], &["path", "method", "body"], input));
}

/// Handles a message or another event on a connection of a WebSocket API.
pub fn websocket(input: &[u8]) {
    let context = json!({"connectionId": "c", "eventType": "MESSAGE", "requestId": "r"});
    let context =
        mutated(context, &["connectionId"], &["eventType", "requestId", "domainName", "stage"], input);
    let body = Value::from(String::from_utf8_lossy(input));
    invoke(&format!(r#"{{"requestContext":{context},"body":{body}}}"#));
}

/// Handles a batch of messages, the first of which has the input as its body.
pub fn sqs(input: &[u8]) {
    let record = json!({"messageId": "m", "body": "", "eventSource": "aws:sqs", "attributes": {},
        "eventSourceARN": "arn:aws:sqs:r:1:jobs"});
    let record = mutated(record, &["eventSource"], &["messageId", "eventSourceARN"], input);
    let body = Value::from(String::from_utf8_lossy(input));
    invoke(&format!(
        r#"{{"Records":[{{"messageId":"1","body":{body},"eventSource":"aws:sqs","eventSourceARN":"q"}},{record}]}}"#
    ));
}

/// Handles a notification of a topic.
pub fn sns(input: &[u8]) {
    let notification = json!({"MessageId": "m", "TopicArn": "arn", "Message": "", "Timestamp": ""});
    let notification = mutated(notification, &[], &["Message", "Subject", "Timestamp", "TopicArn"], input);
    invoke(&format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{notification}}}]}}"#));
}

/// Handles a change of a table, with the input as its images.
pub fn dynamodb(input: &[u8]) {
    let change = mutated(json!({"SequenceNumber": "1"}), &[], &["SequenceNumber", "Keys"], input);
    let record = json!({"eventSource": "aws:dynamodb", "eventID": "e", "eventName": "MODIFY",
        "eventSourceARN": "arn:aws:dynamodb:r:1:table/t/stream/1"});
    let record =
        mutated(record, &["eventSource", "dynamodb"], &["eventID", "eventName", "eventSourceARN"], input);
    let members = record.strip_suffix('}').expect("a skeleton is an object");
    invoke(&format!(r#"{{"Records":[{members},"dynamodb":{change}}}]}}"#));
}

/// Handles a record of a Kinesis stream, with the input as its content.
pub fn kinesis(input: &[u8]) {
    let content = json!({"sequenceNumber": "1", "partitionKey": "k", "data": ""});
    let content = mutated(content, &[], &["data", "partitionKey", "sequenceNumber"], input);
    invoke(&format!(
        r#"{{"Records":[{{"eventSource":"aws:kinesis","eventID":"s:1","eventSourceARN":"a/b","kinesis":{content}}}]}}"#
    ));
}

/// Handles a record of a topic, with the input as its content.
pub fn kafka(input: &[u8]) {
    let record = json!({"topic": "t", "partition": 0, "offset": 1, "timestamp": 0, "value": ""});
    let record = mutated(record, &[], &["value", "key", "topic"], input);
    invoke(&format!(
        r#"{{"eventSource":"aws:kafka","bootstrapServers":"b:1","records":{{"t-0":[{record}]}}}}"#
    ));
}

/// Returns the skeleton with the members of an input that is a JSON object, except those that identify the family; or
/// with the lines of any other input in `slots`.
fn mutated(skeleton: Value, fixed: &[&str], slots: &[&str], input: &[u8]) -> String {
    let Value::Object(mut payload) = skeleton else { unreachable!("skeletons are objects") };
    match serde_json::from_slice::<Map<String, Value>>(input) {
        Ok(members) => {
            payload.extend(members.into_iter().filter(|(name, _)| !fixed.contains(&name.as_str())));
        }
        Err(_) => {
            let text = String::from_utf8_lossy(input);
            for (slot, line) in slots.iter().zip(text.split('\n')) {
                payload.insert((*slot).to_owned(), line.into());
            }
        }
    }
    Value::from(payload).to_string()
}

fn invoke(payload: &str) {
    thread_local! {
        static APP: OnceCell<(TestApp, tokio::runtime::Runtime)> = const { OnceCell::new() };
    }
    APP.with(|app| {
        let (app, runtime) = app.get_or_init(|| {
            let app = TestApp::new(App::new()).expect("the functions below fit together");
            (app, tokio::runtime::Builder::new_current_thread().build().expect("a thread suffices"))
        });
        match runtime.block_on(app.invoke(payload)) {
            Ok(answer) => {
                let status = answer["statusCode"].as_u64();
                let batch = answer["batchItemFailures"].is_array();
                assert!(batch || status.is_some_and(|status| (100..600).contains(&status)), "{answer}");
            }
            Err(error) => {
                assert!(["Reject", "Retry"].contains(&error.error_type.as_str()), "{error}");
                assert!(!error.error_message.is_empty());
            }
        }
    });
}

/// Handles any path with any body.
#[http(POST, "/{*rest}")]
async fn anywhere(request: Request) -> String {
    format!("{} {:?}", request.uri(), request.headers())
}

#[http(POST, "/")]
async fn root(body: String) -> String {
    body
}

#[subscribe(
    "t",
    "websocket.connect",
    "websocket.message",
    "websocket.disconnect",
    "com.amazonaws.sns.Notification"
)]
async fn any(event: CloudEvent<Data>) -> String {
    format!("{event:?}")
}

#[stream(dynamodb("table"))]
async fn change(event: CloudEvent<Data>) -> String {
    format!("{event:?}")
}

#[queue("jobs")]
async fn job(event: CloudEvent<Value>) -> String {
    format!("{event:?}")
}

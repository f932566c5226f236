//! Tables of payloads: the result for each family, and the errors of unreadable ones.

use axum::extract::Request;
use eg_sdk::CloudEvent;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{Payload, read, read_gateway_request, read_http};

/// Returns method, path and query, and body, as a handler sees them.
async fn seen(request: Request) -> (String, String, Vec<u8>) {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    (parts.method.to_string(), parts.uri.to_string(), body)
}

fn http(payload: &Value) -> Request {
    match read(&payload.to_string(), Some(read_http)).unwrap() {
        Payload::Http(request, ..) => request.unwrap(),
        other => panic!("no request: {other:?}"),
    }
}

fn event(payload: &Value) -> CloudEvent {
    match read(&payload.to_string(), Some(read_http)).unwrap() {
        Payload::CloudEvent(event) | Payload::EventBridge(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

fn api_gateway(path: &str, stage: &str, changes: &Value) -> Value {
    let mut payload = json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {}, "requestContext": {"stage": stage, "http": {"method": "GET"}}, "isBase64Encoded": false});
    for (key, value) in changes.as_object().unwrap() {
        payload[key] = value.clone();
    }
    payload
}

#[tokio::test]
async fn api_gateway_paths_queries_and_bodies() {
    let check = async |payload: Value, path: &str, body: &[u8]| {
        assert_eq!(seen(http(&payload)).await, ("GET".into(), path.into(), body.to_vec()), "{payload}");
    };
    check(api_gateway("/users/a%2Fb", "$default", &json!({})), "/users/a%2Fb", b"").await;
    check(api_gateway("/prod/users", "prod", &json!({})), "/users", b"").await;
    check(api_gateway("/prod", "prod", &json!({})), "/", b"").await;
    check(api_gateway("/production/users", "prod", &json!({})), "/production/users", b"").await;
    check(api_gateway("/", "$default", &json!({"rawQueryString": "a=1&a=2&b=%20"})), "/?a=1&a=2&b=%20", b"")
        .await;
    check(api_gateway("/", "$default", &json!({"body": "text"})), "/", b"text").await;
    check(api_gateway("/", "$default", &json!({"body": "AP8=", "isBase64Encoded": true})), "/", &[0, 255])
        .await;
}

#[test]
fn api_gateway_headers_and_cookies() {
    let changes = json!({"headers": {"x-list": "1, 2", "bad name": "x", "x-bad": "a\nb", "cookie": "stale=1"},
        "cookies": ["a=1", "b=2"]});
    let request = http(&api_gateway("/", "$default", &changes));
    assert_eq!(request.headers()["x-list"], "1, 2");
    assert_eq!(request.headers()["cookie"], "a=1; b=2");
    assert_eq!(request.headers().len(), 2, "what HTTP does not know is left out");
}

#[test]
fn eventbridge_attributes() {
    let event = event(&json!({"version": "0", "id": "7", "detail-type": "order.paid", "source": "shop",
        "account": "123", "region": "eu-central-1", "resources": ["a", "b"], "time": "2026-01-02T03:04:05Z",
        "detail": {"n": 1}}));
    assert_eq!((event.id(), event.ty(), event.source()), ("7", "order.paid", "shop"));
    assert_eq!(event.extension("awsaccount"), Some(&json!("123")));
    assert_eq!(event.extension("awsregion"), Some(&json!("eu-central-1")));
    assert_eq!(event.extension("awsresources"), Some(&json!("a,b")));
    assert_eq!(event.time().unwrap().unix_timestamp(), 1_767_323_045);
    assert_eq!(event.data.as_bytes(), br#"{"n":1}"#);
}

/// Reads an `http.request` event with this `data` back as a request.
fn gateway(data: &Value, routes: &[&'static str]) -> Result<Request, String> {
    let event = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "data": data});
    let event = CloudEvent::from_json(event.to_string().as_bytes()).unwrap();
    read_gateway_request(event, &|_| routes.to_vec()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn gateway_requests_get_their_escapes_and_bodies_back() {
    let check = async |changes: Value, routes: &[&'static str], uri: &str, body: &[u8]| {
        let mut data =
            json!({"method": "POST", "path": "/", "headers": {}, "query": {}, "body": "", "params": null});
        for (key, value) in changes.as_object().unwrap() {
            data[key] = value.clone();
        }
        let request = gateway(&data, routes).unwrap();
        assert_eq!(seen(request).await, ("POST".into(), uri.into(), body.to_vec()), "{data}");
    };
    let params = json!({"path": "/u/a/b c", "params": {"id": "a%2Fb%20c"}});
    check(params, &["/x/{id}", "/u/{id}"], "/u/a%2Fb%20c", b"").await;
    check(json!({"path": "/f/a/b", "params": {"rest": "a/b"}}), &["/f/{*rest}"], "/f/a/b", b"").await;
    check(json!({"path": "/ä b?c"}), &[], "/%C3%A4%20b%3Fc", b"").await;
    check(json!({"query": {"a": ["1", " z&"], "e": [""]}}), &[], "/?a=1&a=%20z%26&e=", b"").await;
    let json = json!({"Content-Type": "application/problem+json; charset=utf-8"});
    check(json!({"body": null, "headers": json}), &[], "/", b"null").await;
    check(json!({"body": "WzFdCg==", "headers": json}), &[], "/", b"[1]\n").await;
    let space = json!({"body": [1], "bodyWhitespace": ["\n", " \r\n"], "headers": json});
    check(space, &[], "/", b"\n[1] \r\n").await;
    check(json!({"body": null, "bodyWhitespace": ["", "\n"], "headers": json}), &[], "/", b"null\n").await;
    let raw = json!({"rawQuery": "b=%20&a&b=1", "query": {"b": [" ", "1"], "a": [""]}});
    check(raw, &[], "/?b=%20&a&b=1", b"").await;
    let upload = json!({"Content-Type": "multipart/form-data; boundary=x"});
    let opaque = json!({"body": "AP8=", "headers": upload, "isBase64Encoded": true});
    check(opaque, &[], "/", &[0, 255]).await;
    check(json!({"body": {"z": 1, "a": 2}}), &[], "/", br#"{"a":2,"z":1}"#).await;
    check(json!({"body": [1]}), &[], "/", b"[1]").await;
    check(json!({"body": null}), &[], "/", b"").await;
    check(json!({"body": "AP8="}), &[], "/", &[0, 255]).await;
    let form = json!({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"});
    check(json!({"body": "a=1", "headers": form}), &[], "/", b"a=1").await;
}

/// JSON objects were read into sorted maps, so that the names of a query came in another order.
#[test]
fn queries_keep_the_order_of_their_names() {
    let data = r#"{"method":"GET","path":"/","query":{"z":["1"],"a":["2","3"],"m":["4"]}}"#;
    let json = format!(
        r#"{{"eventType":"http.request","cloudEventsVersion":"0.1","source":"/x","eventID":"1","data":{data}}}"#
    );
    let event = CloudEvent::from_json(json.as_bytes()).unwrap();
    let request = read_gateway_request(event, &|_| Vec::new()).unwrap();
    assert_eq!(request.uri().query(), Some("z=1&a=2&a=3&m=4"));
    for (payload, expected) in [
        (
            r#"{"httpMethod":"GET","path":"/","requestContext":{},"multiValueQueryStringParameters":{"z":["1"],"a":["2"]}}"#,
            "z=1&a=2",
        ),
        (
            r#"{"httpMethod":"GET","path":"/","requestContext":{"elb":{}},"queryStringParameters":{"z":"1","a":"2"}}"#,
            "z=1&a=2",
        ),
    ] {
        let Payload::Http(request, ..) = read(payload, Some(read_http)).unwrap() else { panic!("a request") };
        assert_eq!(request.unwrap().uri().query(), Some(expected), "{payload}");
    }
}

#[test]
fn requests_of_the_gateway_have_their_host() {
    let host = |data: Value| {
        gateway(&data, &[]).unwrap().headers().get("host").map(|v| v.to_str().unwrap().to_owned())
    };
    let request = |host: &str| json!({"method": "GET", "path": "/", "host": host});
    assert_eq!(host(request("localhost:4000")), Some("localhost:4000".to_owned()));
    assert_eq!(host(request("")), None);
    assert_eq!(host(request("a\nb")), None, "no header has a line break");
    let own = json!({"method": "GET", "path": "/", "host": "a", "headers": {"Host": "b"}});
    assert_eq!(host(own), Some("b".to_owned()));
}

#[test]
fn gateway_requests_that_cannot_be() {
    for (data, reason) in [
        (json!({"method": "GET"}), "missing field `path`"),
        (json!({"method": "G ET", "path": "/"}), "method `G ET`"),
        (json!({"method": "GET", "path": "/", "body": "not base64!"}), "not base64"),
        (json!("text"), "invalid type"),
    ] {
        let message = gateway(&data, &[]).unwrap_err();
        assert!(message.contains(reason), "{data}: {message}");
    }
}

#[test]
fn bytes_of_the_payload_are_kept() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","data":{"z": 12345678901234567890, "a":1.50}}"#;
    let Payload::CloudEvent(event) = read(json, None).unwrap() else { panic!("an event") };
    assert_eq!(event.data.as_bytes(), br#"{"z": 12345678901234567890, "a":1.50}"#);
}

/// The result in short: the family, and the types of the events.
fn read_as(payload: &Value) -> String {
    let types = |events: &[CloudEvent]| {
        events.iter().map(|event| event.ty().to_owned()).collect::<Vec<_>>().join(" ")
    };
    match read(&payload.to_string(), Some(read_http)) {
        Ok(Payload::CloudEvent(event)) => format!("cloud event {}", event.ty()),
        Ok(Payload::EventBridge(event)) => format!("bus {}", event.ty()),
        Ok(Payload::Events(events)) => format!("events {}", types(&events)),
        Ok(Payload::Http(..)) => "request".to_owned(),
        Ok(Payload::WebSocket(event, _)) => format!("connection {}", event.ty()),
        Ok(Payload::Queue(records)) => {
            let events = records.into_iter().map(|record| match record.event {
                Ok(event) => event.ty().to_owned(),
                Err(error) => format!("({error})"),
            });
            format!("queue {}", events.collect::<Vec<_>>().join(" "))
        }
        Ok(Payload::Stream(records)) => format!("stream of {}", records.len()),
        Err(error) => error.to_string(),
    }
}

fn bus_event() -> Value {
    json!({"id": "7", "detail-type": "order.paid", "source": "shop", "detail": {}})
}

/// An event that only the gateway may send as a request.
fn request_event() -> Value {
    json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "data": {"method": "POST", "path": "/", "headers": {}}})
}

fn failure_record(payload: &Value) -> Value {
    json!({"version": "1.0", "timestamp": "2026-01-02T03:04:05.678Z", "requestContext": {"requestId": "r1",
        "functionArn": "arn:aws:lambda:r:1:function:f:$LATEST", "condition": "RetriesExhausted",
        "approximateInvokeCount": 3}, "requestPayload": payload, "responseContext": {"statusCode": 200},
        "responsePayload": {"errorMessage": "down", "errorType": "Retry"}})
}

fn sqs_record(body: &str) -> Value {
    json!({"messageId": "1", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:1:q", "body": body})
}

#[test]
fn arrays_are_batches() {
    let cloud_event = json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "t"});
    let table = json!({"eventID": "1", "eventName": "REMOVE", "eventSource": "aws:dynamodb",
        "eventSourceARN": "arn:aws:dynamodb:r:1:table/t/stream/s", "dynamodb": {"SequenceNumber": "1"}});
    for (payload, expected) in [
        (json!([cloud_event, bus_event()]), "events t order.paid"),
        (json!([request_event()]), "events http.request"),
        (
            json!([sqs_record("a"), sqs_record("b")]),
            "queue com.amazonaws.sqs.Message com.amazonaws.sqs.Message",
        ),
        (json!([table]), "stream of 1"),
        (json!([]), "the payload is not a valid array of events: it is empty"),
        (
            json!([cloud_event, api_gateway("/", "$default", &json!({}))]),
            "the payload is not a valid array of events: element 2: only CloudEvents and events of EventBridge are read \
             from an array",
        ),
        (
            json!([{"eventSource": "aws:s3"}]),
            "the payload is a batch of records from `aws:s3`; only those from `aws:sqs`, `aws:sns`, `aws:dynamodb` and \
             `aws:kinesis` are read, and with `#[invoke]` all others",
        ),
    ] {
        assert_eq!(read_as(&payload), expected, "{payload}");
    }
    let error = read_as(&json!([1]));
    assert!(
        error.starts_with("the payload is not a valid array of events: element 1: invalid type"),
        "{error}"
    );
}

/// A dead letter is handed in again as it is in a failures queue.
#[test]
fn records_of_failed_invocations_hold_the_payload() {
    let nested = |times: usize| (0..times).fold(bus_event(), |payload, _| failure_record(&payload));
    let in_message = |payload: &Value| json!({"Records": [sqs_record(&payload.to_string())]});
    let batch = json!([bus_event(), bus_event()]);
    for (payload, expected) in [
        (failure_record(&bus_event()), "bus order.paid"),
        (failure_record(&batch), "events order.paid order.paid"),
        (failure_record(&request_event()), "events http.request"),
        (failure_record(&json!({"Records": [sqs_record("a")]})), "queue com.amazonaws.sqs.Message"),
        (
            failure_record(&api_gateway("/", "$default", &json!({}))),
            "the payload is not a valid record of a failed invocation: its `requestPayload` is a request, whose sender \
             waits no longer",
        ),
        (nested(16), "bus order.paid"),
        (
            nested(18),
            "the payload is not a valid record of a failed invocation: it is in 16 others, or more: hand in the payload \
             that the innermost one holds",
        ),
        (in_message(&failure_record(&bus_event())), "queue order.paid"),
        (in_message(&failure_record(&json!([bus_event()]))), "queue order.paid"),
        (
            in_message(&failure_record(&json!({"Records": [sqs_record(&bus_event().to_string())]}))),
            "queue order.paid",
        ),
        // What a rule could not deliver.
        (in_message(&bus_event()), "queue order.paid"),
        (
            in_message(&failure_record(&batch)),
            "queue (the payload is not a valid record of a failed invocation: it holds a batch, and a message holds one \
             event: invoke the function with it)",
        ),
        (in_message(&json!({"requestPayload": 1, "requestContext": {}})), "queue com.amazonaws.sqs.Message"),
        (
            json!({"requestContext": {"functionArn": "f", "condition": "c"}, "KinesisBatchInfo": {"shardId": "s"}}),
            "the payload is the record of a failed batch of a stream, which names the records and does not contain them: \
             read them from the stream between the sequence numbers in it",
        ),
    ] {
        assert_eq!(read_as(&payload), expected, "{payload}");
    }
}

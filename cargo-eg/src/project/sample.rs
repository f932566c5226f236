//! Generates sample values from a JSON Schema, and payloads in the format in which each kind of trigger sends them.
//! Which function gets them is left to the callers.

use eg_grammar::{Method, Path, Spelling};
use eg_local::emulator::{ACCOUNT, REGION};
use eg_local::schedules::event_of_now;
use eg_sdk::CloudEvent;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::exit::Failure;

/// How deeply nested references are followed; deeper values are left out where the schema allows it.
const DEPTH: usize = 6;

/// Returns a value that the schema allows. Texts are derived from the names of the fields, so that they look
/// realistic.
pub(crate) fn of(schema: &Value) -> Value {
    value(schema, schema, "value", 0)
}

fn value(root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return match target {
            Some(target) if depth < 2 * DEPTH => value(root, target, name, depth + 1),
            _ => Value::Null,
        };
    }
    let given = ["const", "default"].iter().find_map(|key| schema.get(*key));
    let listed = ["examples", "enum"].iter().find_map(|key| schema.get(*key)?.get(0));
    if let Some(value) = given.or(listed).filter(|value| !value.is_null()) {
        return value.clone();
    }
    let choices = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
    if let Some(choices) = choices {
        let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
        let first = choices.iter().find(|choice| !is_null(choice) && depth < DEPTH);
        let chosen = first.map_or(Value::Null, |choice| value(root, choice, name, depth + 1));
        // A schema may have fields next to its alternatives.
        return match (schema.get("properties").map(|_| object(root, schema, depth)), chosen) {
            (Some(mut members), Value::Object(more)) => {
                members.extend(more);
                Value::Object(members)
            }
            (Some(members), _) => Value::Object(members),
            (None, chosen) => chosen,
        };
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
        let mut members = object(root, schema, depth);
        for part in parts {
            if let Value::Object(more) = value(root, part, name, depth + 1) {
                members.extend(more);
            }
        }
        return Value::Object(members);
    }
    match kind(schema) {
        "object" => Value::Object(object(root, schema, depth)),
        "array" => array(root, schema, name, depth),
        "string" => string(schema, name).into(),
        "integer" => schema.get("minimum").and_then(Value::as_i64).map_or(1, |least| least.max(1)).into(),
        "number" => schema.get("minimum").and_then(Value::as_f64).map_or(1.5, |least| least.max(1.5)).into(),
        "boolean" => true.into(),
        "null" => Value::Null,
        _ => json!({}),
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(ty)) => ty,
        Some(Value::Array(types)) => {
            let mut types = types.iter().filter_map(Value::as_str);
            types.find(|ty| *ty != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "",
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Map<String, Value> {
    let required = |name: &String| {
        schema
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| names.iter().any(|one| one == name))
    };
    let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut object: Map<String, Value> = members
        .filter(|(name, _)| depth < DEPTH || required(name))
        .map(|(name, member)| (name.clone(), value(root, member, name, depth + 1)))
        .collect();
    if let Some(rest) = schema.get("additionalProperties").filter(|rest| rest.is_object() && depth < DEPTH) {
        object.insert("key".to_owned(), value(root, rest, "value", depth + 1));
    }
    object
}

fn array(root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
    if let Some(tuple) = schema.get("prefixItems").and_then(Value::as_array) {
        return tuple.iter().map(|item| value(root, item, name, depth + 1)).collect();
    }
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    match schema.get("items") {
        Some(items) if depth < DEPTH || least > 0 => {
            let one = value(root, items, name.trim_end_matches('s'), depth + 1);
            Value::Array(vec![one; usize::try_from(least.max(1)).unwrap_or(1)])
        }
        _ => json!([]),
    }
}

fn string(schema: &Value, name: &str) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("date") => "2026-01-31",
        Some("time") => "12:00:00Z",
        Some("uuid") => "01890a5d-ac96-774b-bcce-b302099a8057",
        Some("email") => "donald.duck@example.com",
        Some("uri" | "url") => "https://example.com/",
        _ if name.to_lowercase().ends_with("email") => "donald.duck@example.com",
        _ if name == "id" || name.ends_with("_id") || name.ends_with("Id") => "10",
        _ => name,
    };
    let number = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let mut text = text.to_owned();
    while number("minLength").is_some_and(|least| text.chars().count() < least) {
        text.push('x');
    }
    number("maxLength").map_or(text.clone(), |most| text.chars().take(most).collect())
}

/// Returns a sample body for a route, as JSON. Routes have no schema; most take what their function then emits, so
/// the body is generated from the schemas of the emitted events.
pub(crate) fn body<'a>(emitted: impl IntoIterator<Item = &'a Value>) -> String {
    emitted.into_iter().next().map_or_else(|| "{}".to_owned(), |schema| of(schema).to_string())
}

/// Returns a request in the format of API Gateway's HTTP APIs, sent now.
pub(crate) fn http(method: Method, route: &Path, body: Option<&str>) -> Value {
    let now = OffsetDateTime::now_utc();
    let parameters: Map<String, Value> =
        route.parameters().map(|name| (name.to_owned(), "1".into())).collect();
    let path = route.fill(|_| "1");
    let method = method.as_str();
    let route_key = format!("{method} {}", route.spelled(Spelling::ApiGateway));
    let mut request = json!({
        "version": "2.0", "routeKey": route_key, "rawPath": path, "rawQueryString": "",
        "headers": {"accept": "*/*", "content-type": "application/json", "host": "localhost", "user-agent": "cargo-eg"},
        "requestContext": {
            "accountId": ACCOUNT, "apiId": "local", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "cargo-eg"},
            "requestId": "sample", "routeKey": route_key, "stage": "$default",
            "time": log_time(now), "timeEpoch": millis(now),
        },
        "isBase64Encoded": false,
    });
    if !parameters.is_empty() {
        request["pathParameters"] = Value::Object(parameters);
    }
    if let Some(body) = body {
        request["body"] = body.into();
    }
    request
}

/// Returns the question of an HTTP API to an authorizer, for a request with this value of `Authorization`.
pub(crate) fn authorizer(token: Option<&str>) -> Value {
    let mut question = http(Method::Get, &Path::root(), None);
    let token = token.unwrap_or("Bearer sample");
    question["type"] = "REQUEST".into();
    question["routeArn"] = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:local/$default/GET/").into();
    question["identitySource"] = json!([token]);
    question["headers"]["authorization"] = token.into();
    question
}

/// Returns an event in the format of the gateway.
pub(crate) fn event(ty: &str, data: Value) -> Result<Value, Failure> {
    let event = CloudEvent::of_type(ty, "/cli/cargo-eg", data).encode().map_err(eg_sdk::Error::from)?;
    let json = event.to_json().map_err(|source| eg_sdk::Error::Event { ty: ty.to_owned(), source })?;
    Ok(serde_json::from_slice(&json).unwrap_or_default())
}

/// Returns a batch of one message in the format of SQS, sent now.
pub(crate) fn sqs(queue: &str, body: &str) -> Value {
    let sent = millis(OffsetDateTime::now_utc()).to_string();
    json!({"Records": [{
        "messageId": "sample", "receiptHandle": "sample", "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": sent, "SenderId": "AIDALOCAL",
            "ApproximateFirstReceiveTimestamp": sent,
        },
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"), "awsRegion": REGION,
    }]})
}

/// Returns the event of a schedule that is due now, in the format of EventBridge.
pub(crate) fn schedule(function: &str) -> Value {
    serde_json::from_slice(&event_of_now(function)).unwrap_or_default()
}

/// Returns an event in EventBridge's envelope, sent now.
pub(crate) fn eventbridge(source: &str, detail_type: &str, detail: &Value) -> Value {
    let mut event = serde_json::from_slice::<Value>(&event_of_now("sample")).unwrap_or_default();
    event["source"] = source.into();
    event["detail-type"] = detail_type.into();
    event["detail"] = detail.clone();
    event["resources"] = json!([]);
    event
}

/// Returns a time in milliseconds since 1970.
fn millis(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1000 + i64::from(time.millisecond())
}

/// Formats a time like API Gateway: `31/Jan/2026:12:00:00 +0000`.
fn log_time(time: OffsetDateTime) -> String {
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    let month = &date.month().to_string()[..3];
    format!("{:02}/{month}/{}:{hour:02}:{minute:02}:{second:02} +0000", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_what_their_schemas_allow() {
        let check = |schema: Value, expected: Value| {
            let sample = of(&schema);
            assert_eq!(sample, expected, "{schema}");
        };
        check(json!({"type": "string"}), json!("value"));
        check(json!({"type": ["null", "integer"]}), json!(1));
        check(json!({"type": "integer", "minimum": 7}), json!(7));
        check(json!({"enum": ["a", "b"]}), json!("a"));
        check(json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}), json!(true));
        check(json!({"type": "array", "items": {"type": "number"}, "minItems": 2}), json!([1.5, 1.5]));
        check(
            json!({"type": "array", "prefixItems": [{"type": "string"}, {"const": 5}]}),
            json!(["value", 5]),
        );
        check(json!({"type": "string", "maxLength": 2}), json!("va"));
        check(
            json!({"type": "object", "properties": {
                "id": {"type": "string"}, "email": {"type": "string"}, "firstName": {"type": "string"},
                "at": {"type": "string", "format": "date-time"}, "tags": {"type": "array", "items": {"type": "string"}},
            }, "required": ["id"]}),
            json!({"id": "10", "email": "donald.duck@example.com", "firstName": "firstName", "at": "2026-01-31T12:00:00Z", "tags": ["tag"]}),
        );
        check(
            json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"kind": {"const": "a"}}}}}),
            json!({"kind": "a"}),
        );
        check(
            json!({"properties": {"id": {"type": "string"}}, "oneOf": [{"properties": {"kind": {"const": "a"}}}]}),
            json!({"id": "10", "kind": "a"}),
        );
        // Recursive types end.
        let tree = json!({"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["children"]});
        assert!(of(&tree)["children"].is_array());
    }

    #[test]
    fn a_route_takes_what_its_function_emits() {
        let schema = json!({"type": "object", "properties": {"id": {"type": "string"}}});
        assert_eq!(body([&schema, &json!({"type": "string"})]), r#"{"id":"10"}"#);
        assert_eq!(body([]), "{}");
    }

    #[test]
    fn samples_are_of_now() {
        use time::format_description::well_known::Rfc3339;
        let before = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let time = schedule("shop-sweep")["time"].as_str().unwrap().to_owned();
        assert!(OffsetDateTime::parse(&time, &Rfc3339).unwrap() >= before, "{time}");
        let request = http(Method::Get, &Path::root(), None);
        assert!(request["requestContext"]["timeEpoch"].as_i64().unwrap() >= millis(before));
        let noon = OffsetDateTime::parse("2026-01-31T12:00:00Z", &Rfc3339).unwrap();
        assert_eq!(log_time(noon), "31/Jan/2026:12:00:00 +0000");
    }

    #[test]
    fn routes_become_requests() {
        let request = http(Method::Get, &"/users/{id}/files/{*rest}".parse().unwrap(), None);
        assert_eq!(request["rawPath"], "/users/1/files/1");
        assert_eq!(request["pathParameters"], json!({"id": "1", "rest": "1"}));
        assert_eq!(http(Method::Post, &Path::root(), Some("{}"))["body"], "{}");
    }
}

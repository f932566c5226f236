//! What API Gateway sends to functions about a connection. Source: AWS's description of the Lambda integrations of WebSocket
//! APIs, and of `requestContext`.

use std::collections::BTreeMap;

use eg_grammar::websocket::STAGE;
use http::HeaderMap;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::connection::Connection;

/// The id of the local API.
const API: &str = "local";

/// Values by name, in the order in which they were sent.
type Values = BTreeMap<String, Vec<String>>;

impl Connection {
    /// Returns the payload of `$connect`.
    pub(super) fn connect(&self, headers: &HeaderMap, query: &[(String, String)]) -> Value {
        let mut sent = Values::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            sent.entry(name.as_str().to_owned()).or_default().push(value);
        }
        let mut asked = Values::new();
        for (name, value) in query {
            asked.entry(name.clone()).or_default().push(value.clone());
        }
        // Of several values, the last one counts.
        let last = |values: &Values| -> Value {
            values.iter().filter_map(|(name, values)| Some((name.clone(), json!(values.last()?)))).collect()
        };
        let mut payload = json!({
            "requestContext": self.context("CONNECT", "$connect"),
            "headers": last(&sent),
            "multiValueHeaders": sent,
            "isBase64Encoded": false,
        });
        if !asked.is_empty() {
            payload["queryStringParameters"] = last(&asked);
            payload["multiValueQueryStringParameters"] = json!(asked);
        }
        payload
    }

    /// Returns the payload of a message.
    pub(super) fn message(&self, text: &str) -> Value {
        let mut context = self.context("MESSAGE", "$default");
        context["messageId"] = id().into();
        json!({ "requestContext": context, "body": text, "isBase64Encoded": false })
    }

    /// Returns the payload of `$disconnect`.
    pub(super) fn disconnect(&self, code: u16, reason: &str) -> Value {
        let mut context = self.context("DISCONNECT", "$disconnect");
        (context["disconnectStatusCode"], context["disconnectReason"]) = (code.into(), reason.into());
        json!({ "requestContext": context, "headers": { "Host": self.host }, "isBase64Encoded": false })
    }

    fn context(&self, event: &str, route: &str) -> Value {
        let (now, request) = (OffsetDateTime::now_utc(), id());
        json!({
            "routeKey": route,
            "eventType": event,
            "extendedRequestId": request,
            "requestTime": request_time(now),
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": millis(self.since),
            "requestTimeEpoch": millis(now),
            "identity": { "sourceIp": "127.0.0.1", "userAgent": self.user_agent },
            "requestId": request,
            "domainName": self.host,
            "connectionId": self.id,
            "apiId": API,
        })
    }
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(super) fn millis(time: OffsetDateTime) -> i64 {
    time.unix_timestamp() * 1000 + i64::from(time.millisecond())
}

/// Returns a time as API Gateway writes it: `31/Jan/2026:12:00:00 +0000`.
fn request_time(time: OffsetDateTime) -> String {
    // `Sat, 31 Jan 2026 12:00:00 +0000`
    let text = time.format(&Rfc2822).unwrap_or_default();
    match text.split(' ').collect::<Vec<_>>()[..] {
        [_, day, month, year, clock, zone] => format!("{day}/{month}/{year}:{clock} {zone}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_members_of_api_gateway() {
        let time = OffsetDateTime::from_unix_timestamp(1_769_860_800).unwrap();
        assert_eq!(request_time(time), "31/Jan/2026:12:00:00 +0000");
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost:4002".parse().unwrap());
        headers.append("x-tag", "a".parse().unwrap());
        headers.append("x-tag", "b".parse().unwrap());
        let connection = Connection::new(&headers);
        let query = [("room", "1"), ("room", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let payload = connection.connect(&headers, &query);
        assert_eq!(payload["headers"], json!({ "host": "localhost:4002", "x-tag": "b" }));
        assert_eq!(payload["multiValueHeaders"]["x-tag"], json!(["a", "b"]));
        assert_eq!(payload["queryStringParameters"], json!({ "room": "2" }));
        assert_eq!(payload["multiValueQueryStringParameters"], json!({ "room": ["1", "2"] }));
        assert!(connection.connect(&headers, &[]).get("queryStringParameters").is_none());
        let context = &payload["requestContext"];
        assert_eq!((&context["connectionId"], &context["stage"]), (&json!(connection.id), &json!("ws")));
        assert_eq!(context["domainName"], "localhost:4002");
        let disconnect = connection.disconnect(1001, "Going away");
        assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1001);
    }
}

//! Turns a function's reply into the HTTP response for the waiting emitter, as in Event Gateway 0.9.1, except that
//! base64 is decoded and no reply can break the connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// The HTTP response that a function asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The reply is not the response object `{statusCode, headers, body, isBase64Encoded}`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP response object malformed")]
pub(crate) struct Malformed;

/// Headers that belong to the connection or that the server derives from the body.
const NOT_THE_FUNCTIONS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

/// Reads a function's reply.
pub(crate) fn read(reply: &[u8]) -> Result<Reply, Malformed> {
    let members = match serde_json::from_slice(reply).map_err(|_| Malformed)? {
        Value::Object(members) => members,
        Value::Null => serde_json::Map::new(),
        _ => return Err(Malformed),
    };
    let (mut status, mut headers, mut body, mut base64) =
        (StatusCode::OK, HeaderMap::new(), String::new(), false);
    for (name, value) in members {
        match (name.to_ascii_lowercase().as_str(), value) {
            (_, Value::Null) => {}
            ("statuscode", value) => status = status_of(&value)?,
            ("headers", Value::Object(members)) => headers = headers_of(members)?,
            ("body", Value::String(text)) => body = text,
            ("isbase64encoded", Value::Bool(flag)) => base64 = flag,
            ("headers" | "body" | "isbase64encoded", _) => return Err(Malformed),
            _ => {}
        }
    }
    let body = if base64 { STANDARD.decode(body).map_err(|_| Malformed)? } else { body.into_bytes() };
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Reply { status, headers, body: Vec::new() });
    }
    if !body.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sniff(&body)));
    }
    Ok(Reply { status, headers, body })
}

/// Reads a final status; interim ones (1xx) would leave the emitter waiting.
fn status_of(value: &Value) -> Result<StatusCode, Malformed> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).ok_or(Malformed)?;
    StatusCode::from_u16(number).ok().filter(|status| !status.is_informational()).ok_or(Malformed)
}

fn headers_of(members: serde_json::Map<String, Value>) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::new();
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            _ => return Err(Malformed),
        };
        let text: String = text.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(text.trim().as_bytes()));
        if let (Ok(name), Ok(value)) = pair
            && !NOT_THE_FUNCTIONS.contains(&name)
        {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Returns the media type of a body for which the function set none: HTML, other text, or bytes.
fn sniff(body: &[u8]) -> &'static str {
    const TAGS: [&str; 17] = [
        "<!DOCTYPE HTML",
        "<HTML",
        "<HEAD",
        "<SCRIPT",
        "<IFRAME",
        "<H1",
        "<DIV",
        "<FONT",
        "<TABLE",
        "<A",
        "<STYLE",
        "<TITLE",
        "<B",
        "<BODY",
        "<BR",
        "<P",
        "<!--",
    ];
    let start = body.trim_ascii_start();
    let is_html = |tag: &str| {
        let (head, rest) = start.split_at_checked(tag.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(tag.as_bytes())
            && !head.is_empty()
            && (tag.ends_with("--") || matches!(rest.first(), Some(b' ' | b'>')))
    };
    let binary = |b: &u8| matches!(b, 0..=8 | 11 | 14..=26 | 28..=31);
    if TAGS.iter().any(|tag| is_html(tag)) {
        "text/html; charset=utf-8"
    } else if body.iter().take(512).any(binary) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let plain = Some("text/plain; charset=utf-8");
        for (reply, status, content_type, body) in [
            ("{}", 200, None, ""),
            ("null", 200, None, ""),
            (r#"{"message":"x"}"#, 200, None, ""),
            (r#"{"statusCode":201,"body":"hi"}"#, 201, plain, "hi"),
            (r#"{"STATUSCODE":404,"Body":"hi"}"#, 404, plain, "hi"),
            (r#"{"statusCode":null,"headers":null,"body":null}"#, 200, None, ""),
            (r#"{"body":"{\"a\":1}"}"#, 200, plain, r#"{"a":1}"#),
            (
                r#"{"body":" <!doctype html><p>"}"#,
                200,
                Some("text/html; charset=utf-8"),
                " <!doctype html><p>",
            ),
            (r#"{"body":"<bold"}"#, 200, plain, "<bold"),
            (r#"{"body":"aGk=","isBase64Encoded":true}"#, 200, plain, "hi"),
            (r#"{"body":"aGk=","isBase64Encoded":false}"#, 200, plain, "aGk="),
            (r#"{"body":"AAE=","isBase64Encoded":true}"#, 200, Some("application/octet-stream"), "\0\u{1}"),
            (r#"{"body":"x","headers":{"Content-Type":"a/b"}}"#, 200, Some("a/b"), "x"),
            (r#"{"statusCode":204,"body":"x"}"#, 204, None, ""),
            (r#"{"statusCode":304,"body":"x"}"#, 304, None, ""),
            (r#"{"statusCode":999,"body":"x"}"#, 999, plain, "x"),
        ] {
            let read = read(reply.as_bytes()).unwrap();
            let found = read.headers.get("content-type").map(|value| value.to_str().unwrap());
            assert_eq!(
                (read.status.as_u16(), found, &*read.body),
                (status, content_type, body.as_bytes()),
                "{reply}"
            );
        }
    }

    #[test]
    fn malformed_replies() {
        for reply in [
            "",
            "text",
            r#""text""#,
            "[]",
            "{} x",
            r#"{"statusCode":"200"}"#,
            r#"{"statusCode":200.5}"#,
            r#"{"statusCode":0}"#,
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":1000}"#,
            r#"{"statusCode":-200}"#,
            r#"{"body":{}}"#,
            r#"{"headers":{"a":1}}"#,
            r#"{"headers":{"a":["b"]}}"#,
            r#"{"headers":[]}"#,
            r#"{"body":"%","isBase64Encoded":true}"#,
            r#"{"isBase64Encoded":"yes"}"#,
        ] {
            assert_eq!(read(reply.as_bytes()), Err(Malformed), "{reply}");
        }
    }

    #[test]
    fn headers_are_made_safe() {
        let reply = r#"{"headers":{"X-A":"1\r\nX-B: 2","bad name":"x","Content-Length":"1","Transfer-Encoding":"chunked"}}"#;
        let headers = read(reply.as_bytes()).unwrap().headers;
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-a"], "1  X-B: 2");
    }
}

//! Turns a function's reply into the HTTP response for the waiting emitter, as in Event Gateway 0.9.1, except that
//! base64 is decoded, repeated headers and cookies are kept, and no reply can break the connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::without_bom;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::fields::mismatch;

/// The HTTP response that a function asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The length that the function gave. Only an answer to HEAD needs it: the length of the body that GET would get.
    pub(crate) length: Option<u64>,
}

impl Reply {
    /// Returns whether the response has no body by its status.
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

/// The reply is not the response object `{statusCode, headers, multiValueHeaders, cookies, body, isBase64Encoded}`.
/// Says which member is wrong, and never quotes the reply.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP response object malformed: {0}")]
pub(crate) struct Malformed(String);

/// Headers that belong to the connection or that the server derives from the body.
const NOT_THE_FUNCTIONS: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];

/// Maximum number of headers in a reply. No client reads more.
const MAX_HEADERS: usize = 1000;

/// Reads a function's reply.
pub(crate) fn read(reply: &[u8]) -> Result<Reply, Malformed> {
    let not_json = |error: serde_json::Error| Malformed(format!("the reply is not JSON: {error}"));
    let members = match serde_json::from_slice(without_bom(reply)).map_err(not_json)? {
        Value::Object(members) => members,
        Value::Null => Map::new(),
        other => return Err(wrong(&other, "the reply", "an object")),
    };
    let (mut status, mut body, mut base64) = (StatusCode::OK, String::new(), false);
    let (mut single, mut multi, mut cookies) = (Map::new(), Map::new(), Vec::new());
    for (name, value) in members {
        match (name.to_ascii_lowercase().as_str(), value) {
            (_, Value::Null) => {}
            ("statuscode", value) => status = status_of(&value)?,
            ("headers", Value::Object(members)) => single = members,
            ("multivalueheaders", Value::Object(members)) => multi = members,
            ("headers" | "multivalueheaders", value) => {
                return Err(wrong(&value, &quoted(&name), "an object"));
            }
            ("cookies", Value::Array(items)) => cookies = items,
            ("cookies", value) => return Err(wrong(&value, "`cookies`", "an array of strings")),
            ("body", Value::String(text)) => body = text,
            ("body", value) => return Err(wrong(&value, "`body`", "a string")),
            ("isbase64encoded", Value::Bool(flag)) => base64 = flag,
            ("isbase64encoded", value) => return Err(wrong(&value, "`isBase64Encoded`", "true or false")),
            _ => {}
        }
    }
    let body = if base64 {
        let invalid = |error| Malformed(format!("`body` is not base64, as `isBase64Encoded` says: {error}"));
        STANDARD.decode(body).map_err(invalid)?
    } else {
        body.into_bytes()
    };
    let mut headers = Headers::default();
    headers.add_all("multiValueHeaders", multi, false)?;
    // As at API Gateway, both members count, and a header with the same value in both is sent once.
    headers.add_all("headers", single, true)?;
    for cookie in cookies {
        headers.add(|| "`cookies`".to_owned(), header::SET_COOKIE.as_str(), cookie, false)?;
    }
    let Headers { map: mut headers, length } = headers;
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Reply { status, headers, body: Vec::new(), length: None });
    }
    if !body.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sniff(&body)));
    }
    Ok(Reply { status, headers, body, length })
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

fn wrong(value: &Value, what: &str, expected: &str) -> Malformed {
    Malformed(mismatch(value, what, expected))
}

/// Reads a final status; interim ones (1xx) would leave the emitter waiting.
fn status_of(value: &Value) -> Result<StatusCode, Malformed> {
    let Value::Number(number) = value else { return Err(wrong(value, "`statusCode`", "a number")) };
    let code = number.as_u64().and_then(|number| u16::try_from(number).ok());
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    let invalid =
        || Malformed(format!("`statusCode` is {number}: it must be a whole number from 200 to 999"));
    status.filter(|status| !status.is_informational()).ok_or_else(invalid)
}

/// The headers of the response.
#[derive(Default)]
struct Headers {
    map: HeaderMap,
    /// `Content-Length`, which is not a header of the response.
    length: Option<u64>,
}

impl Headers {
    /// Adds the headers in the member `what`, each with one value or an array of values. With `once`, leaves out
    /// headers that are there with the same value.
    fn add_all(&mut self, what: &str, members: Map<String, Value>, once: bool) -> Result<(), Malformed> {
        for (name, value) in members {
            let place = || format!("`{what}.{name}`");
            match value {
                Value::Array(values) => {
                    values.into_iter().try_for_each(|value| self.add(place, &name, value, once))?;
                }
                value => self.add(place, &name, value, once)?,
            }
        }
        Ok(())
    }

    /// Adds a header, unless HTTP does not allow its name. `place` names it in errors.
    fn add(
        &mut self,
        place: impl Fn() -> String,
        name: &str,
        value: Value,
        once: bool,
    ) -> Result<(), Malformed> {
        let text = match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => return Err(wrong(&other, &place(), "a string or an array of strings")),
        };
        let text: String = text.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }).collect();
        let pair = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(text.trim().as_bytes()));
        let (Ok(name), Ok(value)) = pair else { return Ok(()) };
        if name == header::CONTENT_LENGTH {
            self.length = value.to_str().ok().and_then(|length| length.parse().ok());
        }
        let known = || self.map.get_all(&name).iter().any(|one| *one == value);
        if NOT_THE_FUNCTIONS.contains(&name) || once && known() {
            return Ok(());
        }
        if self.map.len() == MAX_HEADERS {
            let place = place();
            return Err(Malformed(format!(
                "{place} is one header too many: at most {MAX_HEADERS} are allowed"
            )));
        }
        self.map.append(name, value);
        Ok(())
    }
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
            ("\u{feff}{}", 200, None, ""),
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
        for (reply, expected) in [
            ("", "the reply is not JSON: EOF while parsing a value at line 1 column 0"),
            ("text", "the reply is not JSON: expected ident at line 1 column 2"),
            (r#""text""#, "the reply is a string: it must be an object"),
            ("[]", "the reply is an array: it must be an object"),
            ("{} x", "the reply is not JSON: trailing characters at line 1 column 4"),
            (r#"{"statusCode":"200"}"#, "`statusCode` is a string: it must be a number"),
            (r#"{"statusCode":200.5}"#, "`statusCode` is 200.5: it must be a whole number from 200 to 999"),
            (r#"{"statusCode":0}"#, "`statusCode` is 0: it must be a whole number from 200 to 999"),
            (r#"{"statusCode":99}"#, "`statusCode` is 99: it must be a whole number from 200 to 999"),
            (r#"{"statusCode":101}"#, "`statusCode` is 101: it must be a whole number from 200 to 999"),
            (r#"{"statusCode":1000}"#, "`statusCode` is 1000: it must be a whole number from 200 to 999"),
            (r#"{"statusCode":-200}"#, "`statusCode` is -200: it must be a whole number from 200 to 999"),
            (r#"{"body":{}}"#, "`body` is an object: it must be a string"),
            (r#"{"headers":[]}"#, "`headers` is an array: it must be an object"),
            (r#"{"headers":{"a":1}}"#, "`headers.a` is a number: it must be a string or an array of strings"),
            (
                r#"{"headers":{"x":true}}"#,
                "`headers.x` is a boolean: it must be a string or an array of strings",
            ),
            (
                r#"{"headers":{"x":["a",{}]}}"#,
                "`headers.x` is an object: it must be a string or an array of strings",
            ),
            (r#"{"multiValueHeaders":"x"}"#, "`multiValueHeaders` is a string: it must be an object"),
            (
                r#"{"multiValueHeaders":{"x":[[]]}}"#,
                "`multiValueHeaders.x` is an array: it must be a string or an array of strings",
            ),
            (r#"{"cookies":"a=1"}"#, "`cookies` is a string: it must be an array of strings"),
            (r#"{"cookies":[1]}"#, "`cookies` is a number: it must be a string or an array of strings"),
            (
                r#"{"body":"%","isBase64Encoded":true}"#,
                "`body` is not base64, as `isBase64Encoded` says: Invalid symbol 37, offset 0.",
            ),
            (r#"{"isBase64Encoded":"yes"}"#, "`isBase64Encoded` is a string: it must be true or false"),
        ] {
            let error = read(reply.as_bytes()).unwrap_err().to_string();
            assert_eq!(error, format!("HTTP response object malformed: {expected}"), "{reply}");
        }
        let cookies = vec!["a=1"; MAX_HEADERS + 1];
        let error = read(serde_json::json!({ "cookies": cookies }).to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().ends_with("`cookies` is one header too many: at most 1000 are allowed"));
    }

    #[test]
    fn headers_with_several_values() {
        for (reply, expected) in [
            (
                r#"{"cookies":["a=1; Path=/","b=2"],"headers":{"x-a":"1"}}"#,
                vec!["x-a: 1", "set-cookie: a=1; Path=/", "set-cookie: b=2"],
            ),
            (r#"{"headers":{"Set-Cookie":["a=1","b=2"]}}"#, vec!["set-cookie: a=1", "set-cookie: b=2"]),
            (
                r#"{"multiValueHeaders":{"Set-Cookie":["a=1","b=2"],"X-Many":["1","2","1"]}}"#,
                vec!["set-cookie: a=1", "set-cookie: b=2", "x-many: 1", "x-many: 2", "x-many: 1"],
            ),
            (
                r#"{"headers":{"x-a":"2","x-b":"1"},"multiValueHeaders":{"X-A":["1","2"]}}"#,
                vec!["x-a: 1", "x-a: 2", "x-b: 1"],
            ),
            (r#"{"MultiValueHeaders":{"a":null},"cookies":[null]}"#, vec!["a: ", "set-cookie: "]),
            (r#"{"multiValueHeaders":null,"cookies":null}"#, vec![]),
        ] {
            let headers = read(reply.as_bytes()).unwrap().headers;
            let lines = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            assert_eq!(lines.collect::<Vec<_>>(), expected, "{reply}");
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

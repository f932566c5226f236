//! Converts the bytes of a request to the JSON of an event's payload. Unlike in the original, JSON with a charset and
//! JSON arrays are JSON, not base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};

/// Returns the payload for `body`, which was sent with this `Content-Type`.
///
/// JSON stays unchanged, byte for byte; forms become text; everything else becomes base64. A JSON body that is
/// malformed or is itself a string becomes base64 too, so that the content type alone shows which strings are base64.
pub(crate) fn payload(content_type: Option<&str>, body: &[u8]) -> Box<RawValue> {
    let essence = essence(content_type.unwrap_or_default());
    if body.is_empty() {
        return string("");
    }
    if is_json(&essence)
        && let Ok(value) = serde_json::from_slice::<Box<RawValue>>(body)
        && !value.get().starts_with('"')
    {
        return value;
    }
    if is_form(&essence)
        && let Ok(text) = std::str::from_utf8(body)
    {
        return string(text);
    }
    string(&STANDARD.encode(body))
}

/// Returns the payload of the original, for functions that rely on it: content types must match exactly, and JSON
/// other than objects becomes base64.
pub(crate) fn strict_payload(content_type: Option<&str>, body: &[u8]) -> Box<RawValue> {
    let content_type = content_type.unwrap_or_default();
    if body.is_empty() {
        return string("");
    }
    if is_json(content_type)
        && let Ok(value) = serde_json::from_slice::<Box<RawValue>>(body)
        && (value.get().starts_with('{') || value.get() == "null")
    {
        return value;
    }
    if is_form(content_type)
        && let Ok(text) = std::str::from_utf8(body)
    {
        return string(text);
    }
    string(&STANDARD.encode(body))
}

/// Returns the white space before and after the JSON in `body`, which its payload has lost. Returns `None` if there is
/// none, or if the payload is a string, which holds every byte.
pub(crate) fn white_space(body: &[u8], payload: &RawValue) -> Option<[String; 2]> {
    let (start, end) = (body.trim_ascii_start(), body.trim_ascii_end());
    if payload.get().starts_with('"') || start.len() == body.len() && end.len() == body.len() {
        return None;
    }
    let [before, after] = [&body[..body.len() - start.len()], &body[end.len()..]];
    Some([before, after].map(|space| String::from_utf8_lossy(space).into_owned()))
}

/// Returns whether the payload is base64 although the content type denotes text, usually a form with an uploaded
/// file. Only then does the receiver need the flag.
pub(crate) fn is_opaque_form(content_type: Option<&str>, body: &[u8]) -> bool {
    is_form(&essence(content_type.unwrap_or_default())) && std::str::from_utf8(body).is_err()
}

/// Returns whether a media type, in lower case and without parameters, is JSON.
pub(crate) fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence.ends_with("+json")
}

fn is_form(essence: &str) -> bool {
    essence.starts_with("multipart/form-data") || essence == "application/x-www-form-urlencoded"
}

/// Returns the media type in a `Content-Type`, in lower case and without parameters.
pub(crate) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn string(text: &str) -> Box<RawValue> {
    to_raw_value(text).expect("a string is always representable in JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        let json = Some("application/json");
        for (content_type, body, expected) in [
            (json, r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
            (json, " {\"n\": 12345678901234567890}\n", r#"{"n": 12345678901234567890}"#),
            (json, "null", "null"),
            (json, "[1,2.50]", "[1,2.50]"),
            (json, "1e3", "1e3"),
            (json, r#""text""#, r#""InRleHQi""#),
            (json, "{broken", r#""e2Jyb2tlbg==""#),
            (json, "", r#""""#),
            (Some("application/json; charset=utf-8"), "{}", "{}"),
            (Some("APPLICATION/JSON"), "{}", "{}"),
            (Some("application/vnd.api+json"), "{}", "{}"),
            (Some("application/x-www-form-urlencoded"), "a=1&b=%20", r#""a=1&b=%20""#),
            (Some("application/x-www-form-urlencoded; charset=UTF-8"), "a=1", r#""a=1""#),
            (Some("multipart/form-data; boundary=x"), "--x--", r#""--x--""#),
            (Some("text/plain"), "raw", r#""cmF3""#),
            (None, "raw", r#""cmF3""#),
            (None, "", r#""""#),
        ] {
            assert_eq!(payload(content_type, body.as_bytes()).get(), expected, "{content_type:?} {body}");
        }
    }

    #[test]
    fn strict_payloads() {
        for (content_type, body, expected) in [
            ("application/json", r#"{"b":1}"#, r#"{"b":1}"#),
            ("application/json", "null", "null"),
            ("application/vnd.api+json", "{}", "{}"),
            ("application/json", "[1]", r#""WzFd""#),
            ("application/json", "1", r#""MQ==""#),
            ("application/json", "{broken", r#""e2Jyb2tlbg==""#),
            ("application/json; charset=utf-8", "{}", r#""e30=""#),
            ("APPLICATION/JSON", "{}", r#""e30=""#),
            ("application/x-www-form-urlencoded", "a=1", r#""a=1""#),
            ("application/x-www-form-urlencoded; charset=utf-8", "a=1", r#""YT0x""#),
            ("multipart/form-data; boundary=x", "--x--", r#""--x--""#),
            ("text/plain", "raw", r#""cmF3""#),
            ("application/json", "", r#""""#),
        ] {
            assert_eq!(
                strict_payload(Some(content_type), body.as_bytes()).get(),
                expected,
                "{content_type} {body}"
            );
        }
    }

    #[test]
    fn white_space_around_json() {
        let space = |before: &str, after: &str| Some([before.to_owned(), after.to_owned()]);
        for (body, expected) in [
            ("[1]", None),
            ("[1]\n", space("", "\n")),
            ("\n[1] \r\n", space("\n", " \r\n")),
            ("\tnull", space("\t", "")),
            (" \"a string\" ", None),
            (" {broken ", None),
            (" ", None),
        ] {
            let payload = payload(Some("application/json"), body.as_bytes());
            assert_eq!(white_space(body.as_bytes(), &payload), expected, "{body:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let form = Some("multipart/form-data; boundary=x");
        assert_eq!(payload(form, b"--\xff").get(), r#""LS3/""#);
        assert!(is_opaque_form(form, b"--\xff"));
        assert!(!is_opaque_form(form, b"--x"));
        assert!(!is_opaque_form(Some("image/png"), b"\xff"), "the content type says it already");
        assert_eq!(payload(Some("application/json"), b"\"\xff\"").get(), r#""Iv8i""#);
    }
}

//! Events as HTTP messages: structured, binary and batch mode.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use eg_sdk::http::{Mode, batch_to_http, events_from_http};
use eg_sdk::{CloudEvent, Data, SpecVersion};
use serde_json::json;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// Returns the required headers of 1.0 and these.
fn binary(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut all =
        headers(&[("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")]);
    all.extend(headers(pairs));
    all
}

fn event() -> CloudEvent {
    CloudEvent::of_type("t", "/s", json!({"a": 1})).with_id("1").with_time(None).encode().unwrap()
}

#[test]
fn the_headers_announce_the_mode() {
    for (pairs, expected) in [
        (vec![("content-type", "application/cloudevents+json")], Some(Mode::Structured)),
        (vec![("content-type", "Application/CloudEvents+JSON; charset=UTF-8")], Some(Mode::Structured)),
        (vec![("content-type", "application/cloudevents+avro")], Some(Mode::Structured)),
        (vec![("content-type", "application/cloudevents-batch+json")], Some(Mode::Batch)),
        (
            vec![("content-type", "application/cloudevents+json"), ("ce-specversion", "1.0")],
            Some(Mode::Structured),
        ),
        (vec![("content-type", "application/json"), ("ce-specversion", "1.0")], Some(Mode::Binary)),
        (vec![("CE-CloudEventsVersion", "0.1")], Some(Mode::Binary)),
        (vec![("content-type", "application/cloudeventsx")], None),
        (vec![("content-type", "application/json")], None),
        (vec![("ce-type", "t")], None),
        (vec![], None),
    ] {
        assert_eq!(Mode::of(&headers(&pairs)), expected, "{pairs:?}");
    }
}

#[test]
fn values_are_percent_encoded_as_the_binding_says() {
    for (value, header) in [
        ("plain!~", "plain!~"),
        ("Euro \u{20ac} \u{1f600}", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("100%", "100%25"),
        ("say \"hi\"", "say%20%22hi%22"),
        ("a,b;c=d", "a,b;c=d"),
        (" ", "%20"),
    ] {
        let event = event().with_subject(value).with_extension("ext", value);
        let (headers, body) = event.to_http_binary().unwrap();
        assert_eq!(headers["ce-subject"], header);
        assert_eq!(headers["ce-ext"], header);
        assert_eq!(CloudEvent::from_http(&headers, body).unwrap(), event);
    }
}

#[test]
fn headers_of_others_are_read_leniently_but_not_wrongly() {
    for (header, expected) in [
        ("plain value", "plain value"),
        ("%65%78", "ex"),
        ("\"quoted \\\"x\\\\\"", "quoted \"x\\"),
        ("\"%22\"", "\""),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("raw \u{20ac}", "raw \u{20ac}"),
    ] {
        let event = CloudEvent::from_http(&binary(&[("ce-subject", header)]), "".into()).unwrap();
        assert_eq!(event.subject(), Some(expected), "{header}");
    }
    for (pairs, expected) in [
        (vec![("ce-subject", "%ff")], "attribute `subject`: its header is not UTF-8"),
        (vec![("ce-subject", "%0a")], "attribute `subject`: contains U+000A"),
        (vec![("ce-subject", "")], "attribute `subject`: is empty"),
        (vec![("ce-subject", "a"), ("ce-subject", "b")], "attribute `ce-subject`: header given twice"),
        (vec![("ce-time", "now")], "attribute `time`"),
        (vec![("ce-my_ext", "x")], "attribute `my_ext`: extension names"),
        (vec![("ce-", "x")], "extension names"),
        (
            vec![("ce-datacontenttype", "text/plain")],
            "attribute `datacontenttype`: is no name for an extension",
        ),
        (vec![("content-type", "nonsense")], "`nonsense` is not a media type"),
    ] {
        let mut all = binary(&[]);
        for (name, value) in headers(&pairs).iter() {
            all.append(name, value.clone());
        }
        let e = CloudEvent::from_http(&all, "".into()).unwrap_err().to_string();
        assert!(e.contains(expected), "{pairs:?}: {e}");
    }
    let mut other = binary(&[]);
    other.insert("ce-specversion", HeaderValue::from_static("0.3"));
    assert!(CloudEvent::from_http(&other, "".into()).unwrap_err().to_string().contains("`0.3`"));
    for name in ["id", "source", "type"] {
        let mut missing = binary(&[]);
        missing.remove(format!("ce-{name}"));
        let e = CloudEvent::from_http(&missing, "".into()).unwrap_err().to_string();
        assert_eq!(e, format!("required attribute `{name}` is missing or empty"));
    }
}

#[test]
fn the_content_type_says_what_the_body_is() {
    let read = |content_type: Option<&str>, body: &'static [u8]| {
        let pairs: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        CloudEvent::from_http(&binary(&pairs), body.into()).unwrap().data
    };
    let json = |text: &str| Data::Json(serde_json::from_str(text).unwrap());
    for (content_type, body, expected) in [
        (Some("application/json"), b"{\"b\": 1e400, \"a\":2}".as_slice(), json("{\"b\": 1e400, \"a\":2}")),
        (Some("application/json; charset=utf-8"), b"[1]", json("[1]")),
        (Some("APPLICATION/vnd.x+JSON"), b"null", json("null")),
        (Some("text/json"), b"1", json("1")),
        (Some("application/json"), b"{broken", Data::Binary(b"{broken".as_slice().into())),
        (Some("application/json"), b"", Data::Empty),
        (Some("text/plain"), "h\u{e9}".as_bytes(), json("\"h\u{e9}\"")),
        (Some("text/csv; charset=\"UTF-8\""), b"a,b", json("\"a,b\"")),
        (Some("text/plain; charset=latin1"), b"a", Data::Binary(b"a".as_slice().into())),
        (Some("text/plain"), b"\xff", Data::Binary(b"\xff".as_slice().into())),
        (Some("application/xml"), b"<a/>", Data::Binary(b"<a/>".as_slice().into())),
        (None, b"{}", Data::Binary(b"{}".as_slice().into())),
        (None, b"", Data::Empty),
    ] {
        assert_eq!(read(content_type, body), expected, "{content_type:?} {body:?}");
    }
}

#[test]
fn payloads_become_bodies_of_their_type() {
    let write = |content_type: Option<&str>, data: &str| {
        let mut event = event().with_datacontenttype::<&str>(content_type);
        event.data = Data::Json(serde_json::from_str(data).unwrap());
        let (headers, body) = event.to_http_binary().unwrap();
        (headers["content-type"].to_str().unwrap().to_owned(), String::from_utf8(body.to_vec()).unwrap())
    };
    for (content_type, data, header, body) in [
        (None, "{\"a\": 1}", "application/json", "{\"a\": 1}"),
        (Some("application/json"), "\"text\"", "application/json", "\"text\""),
        (Some("text/plain"), "\"a\\nb\"", "text/plain", "a\nb"),
        (Some("application/xml"), "\"<a/>\"", "application/xml", "<a/>"),
        (Some("text/plain"), "[1]", "text/plain", "[1]"),
    ] {
        assert_eq!(write(content_type, data), (header.to_owned(), body.to_owned()));
    }
    let mut image = event().with_datacontenttype("image/png");
    image.data = Data::Binary(b"\x89PNG".as_slice().into());
    let (headers, body) = image.to_http_binary().unwrap();
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(body, b"\x89PNG".as_slice());
    let mut empty = event().with_datacontenttype::<String>(None);
    empty.data = Data::Empty;
    let (headers, body) = empty.to_http_binary().unwrap();
    assert_eq!((headers.get("content-type"), body.len()), (None, 0));
}

#[test]
fn version_0_1_has_the_headers_of_the_original() {
    let received = headers(&[
        ("CE-EventType", "user.created"),
        ("CE-CloudEventsVersion", "0.1"),
        ("CE-Source", "/users"),
        ("CE-EventID", "1"),
        ("CE-EventTypeVersion", "2"),
        ("CE-EventTime", "2018-04-05T17:31:00Z"),
        ("CE-SchemaURL", "http://schema"),
        ("CE-X-Correlation-Id", "100% \u{e9}"),
        ("CE-X-Cee", "x"),
        ("CE-X-Subject", "s"),
        ("Content-Type", "application/json"),
    ]);
    let event = CloudEvent::from_http(&received, r#"{"a":1}"#.into()).unwrap();
    assert_eq!(event.specversion(), SpecVersion::V0_1);
    assert_eq!((event.ty(), event.source(), event.id()), ("user.created", "/users", "1"));
    assert_eq!(event.time().unwrap().unix_timestamp(), 1_522_949_460);
    assert_eq!((event.subject(), event.dataschema()), (Some("s"), Some("http://schema")));
    assert_eq!(event.extension("correlation-id"), Some(&json!("100% \u{e9}")));
    assert_eq!(event.extension("cee"), Some(&json!("x")));
    assert_eq!(event.extension("eventtypeversion"), Some(&json!("2")));
    let (written, body) = event.to_http_binary().unwrap();
    assert_eq!(written, received);
    assert_eq!(body, r#"{"a":1}"#);
    let object = event.clone().with_extension("o", json!({"a": 1})).to_http_binary().unwrap().0;
    assert_eq!(object["ce-x-o"], r#"{"a":1}"#);

    let mut repeated = received.clone();
    repeated.append("ce-x-cee", HeaderValue::from_static("y"));
    assert_eq!(CloudEvent::from_http(&repeated, "".into()).unwrap().extension("cee"), Some(&json!("x, y")));
    let mut versions = received.clone();
    versions.insert("ce-x-eventtypeversion", HeaderValue::from_static("3"));
    let e = CloudEvent::from_http(&versions, "".into()).unwrap_err().to_string();
    assert!(e.contains("`eventtypeversion`: given twice"), "{e}");
    for (name, attribute) in
        [("ce-eventid", "eventID"), ("ce-source", "source"), ("ce-eventtype", "eventType")]
    {
        let mut missing = received.clone();
        missing.remove(name);
        let e = CloudEvent::from_http(&missing, "".into()).unwrap_err().to_string();
        assert_eq!(e, format!("required attribute `{attribute}` is missing or empty"));
    }
    for (event, expected) in [
        (event.clone().with_extension("my ext", "x"), "attribute `my ext`: cannot stand in the name"),
        (event.with_extension("e", "a\nb"), "attribute `e`: `\"a\\nb\"` is not a valid HTTP header value"),
    ] {
        let e = event.to_http_binary().unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    }
}

#[test]
fn messages_of_any_mode_are_read_and_others_are_not() {
    let structured = event().to_http_structured().unwrap();
    let batch = batch_to_http(&[event(), event().with_id("2")]).unwrap();
    assert_eq!(structured.0["content-type"], "application/cloudevents+json");
    assert_eq!(batch.0["content-type"], "application/cloudevents-batch+json");
    assert_eq!(CloudEvent::from_http(&structured.0, structured.1.clone()).unwrap(), event());
    assert_eq!(events_from_http(&structured.0, structured.1.clone()).unwrap(), [event()]);
    assert_eq!(events_from_http(&batch.0, batch.1.clone()).unwrap()[1].id(), "2");
    let plain = headers(&[("content-type", "application/json")]);
    for lenient in [plain, HeaderMap::new()] {
        assert_eq!(CloudEvent::from_http(&lenient, structured.1.clone()).unwrap(), event());
    }
    for (content_type, expected) in [
        (
            "application/cloudevents+avro",
            "`application/cloudevents+avro` is not a supported CloudEvents format",
        ),
        ("application/cloudevents", "`application/cloudevents` is not a supported CloudEvents format"),
        ("application/cloudevents-batch+json", "is a batch of events; a single event is expected"),
        ("text/plain", "the event has neither `specversion`"),
    ] {
        let headers = headers(&[("content-type", content_type)]);
        let e = CloudEvent::from_http(&headers, structured.1.clone()).unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    }
    let avro = headers(&[("content-type", "application/cloudevents-batch+avro")]);
    assert!(
        events_from_http(&avro, batch.1)
            .unwrap_err()
            .to_string()
            .contains("is not a supported CloudEvents format")
    );
    assert!(batch_to_http(&[event().with_id("")]).is_err());
}

//! Compares with tables of the observed behaviour of Event Gateway 0.9.1.

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

const CE: &str = "application/cloudevents+json";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn classified(path: &str, pairs: &[(&str, &str)], body: &str) -> Result<Classified, BadEvent> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let request = Incoming {
        method: "POST",
        path,
        query,
        host: "127.0.0.1:4100",
        headers: &headers(pairs),
        body: &Bytes::copy_from_slice(body.as_bytes()),
        strict: false,
    };
    classify(&request, || Stamp { id: "id-1".to_owned(), time: datetime!(2026-01-02 03:04:05.6 UTC) })
}

fn event(path: &str, pairs: &[(&str, &str)], body: &str) -> Result<Draft, BadEvent> {
    classified(path, pairs, body).map(|classified| match classified {
        Classified::One(event) => event,
        Classified::Batch(events) => panic!("a batch: {events:?}"),
    })
}

fn written(draft: Draft, params: Option<&Params>) -> String {
    String::from_utf8(draft.into_event(params).to_json().unwrap()).unwrap()
}

fn delivered(path: &str, pairs: &[(&str, &str)], body: &str) -> String {
    written(event(path, pairs, body).unwrap(), None)
}

#[test]
fn kinds() {
    let ce = r#"{"eventType":"a.b","cloudEventsVersion":"0.1","source":"/s","eventID":"1"}"#;
    let binary =
        [("CE-EventType", "b.c"), ("CE-CloudEventsVersion", "0.1"), ("CE-Source", "/s"), ("CE-EventID", "2")];
    for (pairs, body, expected) in [
        (&[("content-type", CE)][..], ce, "a.b"),
        (&[("content-type", "Application/CloudEvents+JSON; charset=utf-8")], ce, "a.b"),
        (&[("content-type", "application/json")], ce, "http.request"),
        (&[("ce-specversion", "1.0"), ("ce-type", "d.e"), ("ce-source", "s"), ("ce-id", "1")], "x", "d.e"),
        (&binary, "x", "b.c"),
        (&binary[..3], "x", "http.request"),
        (&[("event", "c.d")], "x", "c.d"),
        (&[("event", "c.d"), ("content-type", "application/json")], ce, "a.b"),
        (&[("event", "c.d"), ("content-type", "application/json")], "{}", "c.d"),
        (&[("event", "")], "x", "http.request"),
        (&[("content-type", "text")], "x", "http.request"),
        (&[("content-type", "")], "x", "http.request"),
        (&[("content-type", " ")], "x", "http.request"),
        (&[("content-type", ";")], "x", "http.request"),
        (&[("content-type", "; a=b")], "x", "http.request"),
        (&[("content-type", "/json")], "{}", "http.request"),
        (&[("event", "c.d"), ("content-type", "/json")], "{}", "c.d"),
        (&[("content-encoding", "gzip")], "x", "http.request"),
        (&[("event", "c.d"), ("content-encoding", "identity")], "x", "c.d"),
        (&[], "", "http.request"),
    ] {
        assert_eq!(event("/", pairs, body).unwrap().ty(), expected, "{pairs:?} {body}");
    }
}

#[test]
fn refusals() {
    let mime = |text| BadEvent::MediaType(text);
    for (pairs, body, expected) in [
        (&[("content-type", "text plain")][..], "", mime("mime: expected slash after first token")),
        (&[("content-type", "text/")], "", mime("mime: expected token after slash")),
        (&[("content-type", "text/a b")], "", mime("mime: unexpected content after media subtype")),
        (&[("content-type", "application/json")], &"[".repeat(126), BadEvent::TooDeep(125)),
        (&[("content-type", "application/json"), ("event", "e")], &"[".repeat(127), BadEvent::TooDeep(126)),
        (&[("content-type", CE)], &"[".repeat(128), BadEvent::TooDeep(127)),
        (&[("content-type", "text/json")], &"[".repeat(200), BadEvent::TooDeep(126)),
        (&[("event", "a"), ("content-encoding", "gzip")], "", BadEvent::Encoded("gzip".to_owned())),
        (
            &[("content-type", CE), ("content-encoding", "identity, BR")],
            "",
            BadEvent::Encoded("BR".to_owned()),
        ),
        (
            &[
                ("ce-specversion", "1.0"),
                ("ce-type", "a"),
                ("ce-source", "/s"),
                ("ce-id", "1"),
                ("content-encoding", "zstd"),
            ],
            "",
            BadEvent::Encoded("zstd".to_owned()),
        ),
        (
            &[
                ("CE-EventType", "b.c"),
                ("CE-CloudEventsVersion", "0.1"),
                ("CE-Source", "/s"),
                ("CE-EventID", "2"),
                ("content-encoding", "gzip"),
            ],
            "",
            BadEvent::Encoded("gzip".to_owned()),
        ),
        (
            &[("content-type", "application/cloudevents-batch+json"), ("content-encoding", "gzip")],
            "[]",
            BadEvent::Encoded("gzip".to_owned()),
        ),
        (&[("event", "eventgateway.x")], "", BadEvent::Reserved("eventgateway.x".to_owned())),
        (&[("event", "http.request")], "{}", BadEvent::Reserved("http.request".to_owned())),
    ] {
        assert_eq!(event("/", pairs, body).unwrap_err(), expected, "{pairs:?}");
    }
    for body in [
        "",
        "[]",
        "{}",
        r#"{"eventType":"","cloudEventsVersion":"0.1","source":"/s","eventID":"1"}"#,
        r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"relative","eventID":"1"}"#,
        r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"http://x y","eventID":"1"}"#,
        r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"/s","eventID":"1","eventTime":"now"}"#,
        r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"/s","eventID":"1"} x"#,
        r#"{"type":"a","specversion":"0.3","source":"/s","id":"1"}"#,
        r#"{"specversion":"1.0","source":"/s","id":"1"}"#,
    ] {
        let refused = event("/", &[("content-type", CE)], body).unwrap_err().to_string();
        assert!(refused.starts_with("CloudEvent doesn't validate: "), "{body}: {refused}");
    }
    let bad_time = [
        ("CE-EventType", "b.c"),
        ("CE-CloudEventsVersion", "0.1"),
        ("CE-Source", "/s"),
        ("CE-EventID", "2"),
        ("CE-EventTime", "yesterday"),
    ];
    assert!(matches!(event("/", &bad_time, "").unwrap_err(), BadEvent::Invalid(_)));
}

#[test]
fn structured_events_keep_version_and_payload() {
    for (body, expected) in [
        (
            r#"{"eventID":"1","source":"/s","eventType":"a","cloudEventsVersion":"0.1","other":1,"extensions":{}}"#,
            r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"/s","eventID":"1","data":null}"#,
        ),
        (
            r#"{"eventId":"1","source":"urn:x:y","EventType":"a","cloudEventsVersion":"0.1",
                "eventTime":"2018-04-05T17:31:00+02:00","contentType":"application/json",
                "data":{"z":12345678901234567890,"a":2.50}}"#,
            r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"urn:x:y","eventID":"1","eventTime":"2018-04-05T17:31:00+02:00","contentType":"application/json","data":{"z":12345678901234567890,"a":2.50}}"#,
        ),
        (
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a","data":{"z":1e3,"a":[]}}"#,
            r#"{"specversion":"1.0","id":"1","source":"s","type":"a","data":{"z":1e3,"a":[]}}"#,
        ),
    ] {
        assert_eq!(delivered("/", &[("content-type", CE)], body), expected);
    }
}

#[test]
fn binary_events() {
    let pairs = [
        ("CE-EventType", "b.c"),
        ("CE-CloudEventsVersion", "0.1"),
        ("CE-Source", "/s"),
        ("CE-EventID", "2"),
        ("CE-EventTypeVersion", "v1"),
        ("CE-SchemaURL", "http://example.com/schema"),
        ("CE-X-Correlation-Id", "7"),
        ("CE-X-Cee", "8"),
        ("CE-X-MyExt", "9"),
        ("CE-X-MyExt", "10"),
        ("Content-Type", "application/json; charset=utf-8"),
    ];
    assert_eq!(
        delivered("/", &pairs, r#"{"z":1}"#),
        r#"{"eventType":"b.c","eventTypeVersion":"v1","cloudEventsVersion":"0.1","source":"/s","eventID":"2","schemaURL":"http://example.com/schema","extensions":{"cee":"8","correlation-Id":"7","myext":"9, 10"},"contentType":"application/json; charset=utf-8","data":{"z":1}}"#
    );
}

#[test]
fn binary_events_of_1_0() {
    let pairs = |content_type| {
        [
            ("CE-SpecVersion", "1.0"),
            ("CE-Type", "b.c"),
            ("CE-Source", "/s"),
            ("CE-Id", "2"),
            ("CE-Time", "2026-01-02T03:04:05+01:00"),
            ("CE-Subject", "Euro%20%E2%82%AC"),
            ("CE-MyExt", "9"),
            ("Content-Type", content_type),
        ]
    };
    let start = |content_type: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"2","source":"/s","type":"b.c","subject":"Euro €","time":"2026-01-02T03:04:05+01:00","datacontenttype":"{content_type}","myext":"9","#
        )
    };
    for (content_type, body, expected) in [
        (
            "application/json",
            r#"{"z":12345678901234567890,"a":[2.50]}"#,
            r#""data":{"z":12345678901234567890,"a":[2.50]}}"#,
        ),
        ("application/json", "[1]", r#""data":[1]}"#),
        ("text/plain", "raw", r#""data":"raw"}"#),
        ("image/png", "raw", r#""data_base64":"cmF3"}"#),
    ] {
        assert_eq!(delivered("/", &pairs(content_type), body), start(content_type) + expected);
    }
    for (pairs, problem) in [
        (&[("ce-specversion", "1.0"), ("ce-type", "a"), ("ce-source", "/s")][..], "`id` is missing"),
        (&[("ce-specversion", "0.3"), ("ce-type", "a"), ("ce-source", "/s"), ("ce-id", "1")], "`0.3`"),
        (
            &[
                ("ce-specversion", "1.0"),
                ("ce-type", "a"),
                ("ce-source", "/s"),
                ("ce-id", "1"),
                ("ce-id", "2"),
            ],
            "given twice",
        ),
    ] {
        let refused = event("/", pairs, "").unwrap_err().to_string();
        assert!(
            refused.starts_with("CloudEvent doesn't validate: ") && refused.contains(problem),
            "{refused}"
        );
    }
}

#[test]
fn batches() {
    let batch = [("content-type", "application/cloudevents-batch+json; charset=utf-8")];
    let v0 = r#"{"eventType":"a","cloudEventsVersion":"0.1","source":"/s","eventID":"1","data":null}"#;
    let v1 = r#"{"specversion":"1.0","id":"2","source":"/s","type":"b","data":{"z":1e3}}"#;
    for (body, expected) in
        [("[]".to_owned(), vec![]), (format!("[{v1}]"), vec![v1]), (format!("[{v0}, {v1}]"), vec![v0, v1])]
    {
        let Classified::Batch(events) = classified("/", &batch, &body).unwrap() else { panic!("{body}") };
        let events: Vec<_> = events.into_iter().map(|event| written(event, None)).collect();
        assert_eq!(events, expected);
    }
    for (body, problem) in [
        (v1.to_owned(), "not a CloudEvent in JSON"),
        (format!("[{v1},{{}}]"), "event 2 of the batch"),
        (format!("[{}]", v1.replace("\"b\"", "\"eventgateway.x\"")), "is reserved"),
        ("[".repeat(200), "nested more than"),
    ] {
        let refused = classified("/", &batch, &body).unwrap_err().to_string();
        assert!(refused.contains(problem), "{body}: {refused}");
    }
    let xml = [("content-type", "application/cloudevents-batch+xml")];
    assert!(
        classified("/", &xml, "<a/>")
            .unwrap_err()
            .to_string()
            .contains("is not a supported CloudEvents format")
    );
}

/// Signatures of webhooks cover the bytes of the body, and some cover the query.
#[test]
fn bytes_of_requests_are_kept() {
    let json = [("content-type", "application/json")];
    let data = |path: &str, strict: bool, body: &str| {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let (headers, body) = (headers(&json), Bytes::copy_from_slice(body.as_bytes()));
        let request =
            Incoming { method: "POST", path, query, host: "h", headers: &headers, body: &body, strict };
        let Draft::Request(request, _) =
            http_request(&request, Stamp { id: "1".to_owned(), time: datetime!(2026-01-02 03:04:05 UTC) })
        else {
            panic!("a request")
        };
        request.to_data(None).get().replace(r#""headers":{"Content-Type":"application/json"},"#, "")
    };
    let end = r#""host":"h","path":"/","method":"POST","params":null}"#;
    for (path, body, expected) in [
        ("/", "[1]", r#"{"query":{},"body":[1],"#),
        ("/", "[1]\n", r#"{"query":{},"body":[1],"bodyWhitespace":["","\n"],"#),
        ("/", "\n[1] \r\n", r#"{"query":{},"body":[1],"bodyWhitespace":["\n"," \r\n"],"#),
        ("/", "{\"b\": 1,\n\"a\":2.50}", "{\"query\":{},\"body\":{\"b\": 1,\n\"a\":2.50},"),
        ("/", "null", r#"{"query":{},"body":null,"#),
        ("/", "\u{feff}{}", r#"{"query":{},"body":"77u/e30=","#),
        ("/", " \"text\"\n", r#"{"query":{},"body":"ICJ0ZXh0Igo=","#),
        ("/?b=1&a=2", "", r#"{"query":{"b":["1"],"a":["2"]},"body":"","#),
        ("/?b=1&a=2&b=3", "", r#"{"rawQuery":"b=1&a=2&b=3","query":{"b":["1","3"],"a":["2"]},"body":"","#),
        ("/?b=%20&a", "", r#"{"rawQuery":"b=%20&a","query":{"b":[" "],"a":[""]},"body":"","#),
    ] {
        assert_eq!(data(path, false, body), format!("{expected}{end}"), "{path} {body:?}");
    }
    for (path, body, expected) in [
        ("/?b=%20&a", "", r#"{"query":{"a":[""],"b":[" "]},"body":"","#),
        ("/", " {}\n", r#"{"query":{},"body":{},"#),
    ] {
        assert_eq!(data(path, true, body), format!("{expected}{end}"), "{path} {body:?}");
    }
}

#[test]
fn legacy_events() {
    assert_eq!(
        delivered("/", &[("event", "user.created")], "raw"),
        r#"{"eventType":"user.created","cloudEventsVersion":"0.1","source":"https://serverless.com/event-gateway/#transformationVersion=0.1","eventID":"id-1","eventTime":"2026-01-02T03:04:05.6Z","extensions":{"eventgateway":{"transformation-version":"0.1","transformed":"true"}},"contentType":"application/octet-stream","data":"cmF3"}"#
    );
}

#[test]
fn http_requests() {
    let pairs = [("x-foo", "1"), ("x-foo", "2"), ("x-lower-case", "a"), ("x_under", "b"), ("host", "h")];
    let event = event("/u/a%2Fb%20c?x=1&x=2&y=%20z&empty", &pairs, "").unwrap();
    let params = Params::from([("id".to_owned(), "a%2Fb%20c".to_owned())]);
    let json = written(event, Some(&params));
    let data = r#""contentType":"application/json","data":{"headers":{"X-Foo":"1, 2","X-Lower-Case":"a","X_under":"b"},"rawQuery":"x=1&x=2&y=%20z&empty","query":{"x":["1","2"],"y":[" z"],"empty":[""]},"body":"","host":"127.0.0.1:4100","path":"/u/a/b c","method":"POST","params":{"id":"a%2Fb%20c"}}}"#;
    assert!(json.ends_with(data), "{json}");

    let value: Value = serde_json::from_str(&delivered("/", &[], "")).unwrap();
    assert_eq!(value["data"]["params"], Value::Null);
    assert_eq!(value["eventType"], json!("http.request"));
    assert_eq!(value["extensions"]["eventgateway"]["transformed"], json!("true"));
}

/// A body is nested deeper in the event than in the request, and Rust functions read 127 levels.
#[test]
fn what_is_accepted_can_be_read_by_its_function() {
    for (headers, depth) in [
        (&[("content-type", "application/json")][..], 125),
        (&[("content-type", "application/json"), ("event", "e")], 126),
        (
            &[
                ("content-type", "application/json"),
                ("ce-specversion", "1.0"),
                ("ce-id", "1"),
                ("ce-source", "/s"),
                ("ce-type", "e"),
            ],
            126,
        ),
    ] {
        let body = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let json = event("/", headers, &body).unwrap().into_event(None).to_json().unwrap();
        assert!(!is_nested_deeper(json.as_ref(), JSON_DEPTH), "{headers:?}");
        let deeper = format!("[{body}]");
        assert!(matches!(event("/", headers, &deeper), Err(BadEvent::TooDeep(_))), "{headers:?}");
    }
}

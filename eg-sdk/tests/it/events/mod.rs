//! Tests the JSON format: what is a valid event, and that the bytes of payloads stay unchanged.

mod version_0_1;

use eg_sdk::{CloudEvent, Data, InvalidEvent, SpecVersion};
use serde_json::json;

/// `{…required attributes…, <members>}` of version 1.0.
fn v1(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{comma}{members}}}"#)
}

/// `{…required attributes…, <members>}` of version 0.1.
fn v0(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"eventType":"t","cloudEventsVersion":"0.1","source":"/s","eventID":"1"{comma}{members}}}"#)
}

fn read(json: &str) -> Result<CloudEvent, InvalidEvent> {
    CloudEvent::from_json(json.as_bytes())
}

#[track_caller]
fn valid(json: &str) -> CloudEvent {
    let event = read(json).unwrap_or_else(|e| panic!("{json}: {e}"));
    let again = CloudEvent::from_json(&event.to_json().unwrap()).unwrap();
    assert_eq!(again, event, "{json}");
    // serde reads and writes the same, from text, from a stream and from a tree.
    assert_eq!(serde_json::to_vec(&event).unwrap(), event.to_json().unwrap(), "{json}");
    assert_eq!(serde_json::from_str::<CloudEvent>(json).unwrap(), event, "{json}");
    assert_eq!(serde_json::from_reader::<_, CloudEvent>(json.as_bytes()).unwrap(), event, "{json}");
    event
}

#[track_caller]
fn invalid(json: &str, expected: &str) {
    match read(json) {
        Ok(event) => panic!("{json} was read as {event:?}"),
        Err(e) => assert!(e.to_string().contains(expected), "{json}: `{e}` does not say `{expected}`"),
    }
    let error = serde_json::from_str::<CloudEvent>(json).unwrap_err().to_string();
    // What is no JSON, is reported by serde's own message.
    let expected = expected.trim_start_matches("not a CloudEvent in JSON");
    assert!(error.contains(expected), "{json} through serde: `{error}` does not say `{expected}`");
}

/// An event can be a member of other data: in a list, in a struct, with a payload of its own type.
#[test]
fn events_are_data_of_serde() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Kept {
        event: CloudEvent<Vec<u8>>,
        others: Vec<CloudEvent>,
    }
    let event = |data: Data| {
        CloudEvent::of_type("t", "/s", Data::Empty).with_subject("x").with_extension("n", 7).map(|_| data)
    };
    let kept = Kept {
        event: CloudEvent::of_type("t", "/s", vec![1, 2]).with_time(None),
        others: vec![
            event(Data::Empty),
            event(Data::Binary(vec![0, 255].into())),
            valid(&v1(r#""data":{"b" : 1.50,"a":123456789012345678901234567890}"#)),
            valid(&v0(r#""data":"x""#)),
        ],
    };
    let json = serde_json::to_string(&kept).unwrap();
    assert!(json.contains(r#""data_base64":"AP8=""#), "{json}");
    assert!(json.contains(r#""data":{"b" : 1.50,"a":123456789012345678901234567890}"#), "{json}");
    assert_eq!(serde_json::from_str::<Kept>(&json).unwrap(), kept);
    let tree: serde_json::Value = serde_json::from_str(&json.replace("1.50", "1.5")).unwrap();
    assert_eq!(tree["others"][1]["data_base64"], "AP8=");
    assert_eq!(serde_json::from_value::<Kept>(tree).unwrap().event, kept.event);
}

/// An event that no reader would take is not written, and a payload that does not fit is named.
#[test]
fn serde_checks_what_it_reads_and_writes() {
    let no_id = CloudEvent::of_type("t", "/s", 1).with_id("");
    let error = serde_json::to_string(&no_id).unwrap_err().to_string();
    assert!(error.contains("id"), "{error}");
    let json = v1(r#""data":[1,"two"]"#);
    let error = serde_json::from_str::<CloudEvent<Vec<u8>>>(&json).unwrap_err().to_string();
    assert!(error.contains("data.[1]"), "{error}");
}

#[test]
fn attributes_of_1_0_are_read() {
    let event = valid(&v1(
        r#""subject":"mynewfile.jpg","time":"2018-04-05T17:31:00.12+02:00","datacontenttype":"text/xml; charset=utf-8","dataschema":"urn:s:1","comexampleextension1":"value","n":-5,"flag":true,"data":"<a/>""#,
    ));
    assert_eq!((event.id(), event.source(), event.ty()), ("1", "/s", "t"));
    assert_eq!(event.specversion(), SpecVersion::V1_0);
    assert_eq!(event.subject(), Some("mynewfile.jpg"));
    assert_eq!(event.time().unwrap().unix_timestamp_nanos(), 1_522_942_260_120_000_000);
    assert_eq!(event.time().unwrap().offset().whole_hours(), 2);
    assert_eq!(event.datacontenttype(), Some("text/xml; charset=utf-8"));
    assert_eq!(event.dataschema(), Some("urn:s:1"));
    let extensions: Vec<_> = event.extensions().map(|(name, value)| (name, value.clone())).collect();
    assert_eq!(
        extensions,
        [("comexampleextension1", json!("value")), ("flag", json!(true)), ("n", json!(-5))]
    );
    assert_eq!(*event.payload(), *b"<a/>");
}

#[test]
fn what_1_0_allows_is_read_and_written_alike() {
    for members in [
        "",
        r#""subject":null,"time":null,"datacontenttype":null,"dataschema":null,"ext":null"#,
        r#""data":null"#,
        r#""data":[1,2]"#,
        r#""data_base64":"AAEC""#,
        r#""data_base64":null"#,
        r#""data_base64":"""#,
        r#""time":"1985-04-12T23:20:50.52Z""#,
        r#""time":"1937-01-01T12:00:27.87+00:20""#,
        r#""time":"0000-01-01T00:00:00Z""#,
        r#""datacontenttype":"application/json""#,
        r#""datacontenttype":"APPLICATION/vnd.api+JSON ; a=b; c=\"x;\\\"y\" ;""#,
        r#""dataschema":"http://example.com/schema#/a""#,
        r#""n":2147483647,"m":-2147483648"#,
        r#""a1":"","1a":"x","averylongextensionname0123456789":"ok""#,
    ] {
        valid(&v1(members));
    }
    for (attribute, value) in [
        ("source", "https://github.com/cloudevents"),
        ("source", "mailto:cncf-wg-serverless@lists.cncf.io"),
        ("source", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"),
        ("source", "1-555-123-4567"),
        ("source", "?q"),
        ("source", "#f"),
        ("source", "//host/p"),
        ("source", "/a%20b"),
        ("id", "A234-1234-1234"),
        ("id", " "),
        ("id", "é✓\u{1F600}"),
        ("type", "com.github.pull_request.opened"),
    ] {
        let event = valid(&v1("").replace(
            &format!(
                r#""{attribute}":"{}""#,
                match attribute {
                    "id" => "1",
                    "source" => "/s",
                    _ => "t",
                }
            ),
            &format!(r#""{attribute}":"{value}""#),
        ));
        let read = match attribute {
            "id" => event.id(),
            "source" => event.source(),
            _ => event.ty(),
        };
        assert_eq!(read, value);
    }
}

#[test]
fn every_rule_of_1_0_has_its_message() {
    for (members, expected) in [
        (r#""id":"2""#, "attribute `id`: given twice"),
        (r#""subject":"""#, "attribute `subject`: is empty"),
        (r#""subject":5"#, "attribute `subject`: invalid type"),
        (r#""subject":"a\u0007b""#, "attribute `subject`: contains U+0007"),
        (r#""subject":"a\u0085b""#, "contains U+0085"),
        (r#""subject":"\ufdd0""#, "contains U+FDD0"),
        (r#""subject":"\ud83f\udfff""#, "contains U+1FFFF"),
        (r#""subject":"\ud800""#, "attribute `subject`"),
        (r#""time":"yesterday""#, "attribute `time`: `yesterday`"),
        (r#""time":"""#, "attribute `time`"),
        (r#""time":1522942260"#, "attribute `time`: invalid type"),
        (r#""time":"2018-04-05""#, "attribute `time`"),
        (r#""time":"2018-04-05T17:31:00""#, "attribute `time`"),
        (r#""time":"2018-13-05T17:31:00Z""#, "attribute `time`"),
        (r#""time":"2018-02-30T17:31:00Z""#, "attribute `time`"),
        (r#""time":"2018-04-05T25:31:00Z""#, "attribute `time`"),
        (r#""datacontenttype":"json""#, "`json` is not a media type"),
        (r#""datacontenttype":"""#, "is not a media type"),
        (r#""datacontenttype":"application/""#, "is not a media type"),
        (r#""datacontenttype":"a b/c""#, "is not a media type"),
        (r#""datacontenttype":"text/plain; charset""#, "is not a media type"),
        (r#""datacontenttype":"text/plain; charset=\"u\u0000\"""#, "is not a media type"),
        (r#""dataschema":"""#, "attribute `dataschema`"),
        (r#""dataschema":"/relative""#, "is not an absolute URI"),
        (r#""dataschema":"http://a b""#, "is not an absolute URI"),
        (r#""Ext":"x""#, "attribute `Ext`: extension names"),
        (r#""my_ext":"x""#, "attribute `my_ext`: extension names"),
        (r#""my-ext":"x""#, "attribute `my-ext`: extension names"),
        (r#""":"x""#, "extension names"),
        (r#""é":"x""#, "extension names"),
        (r#""cloudEventsVersion":"0.1""#, "attribute `cloudEventsVersion`"),
        (r#""ext":{"a":1}"#, "attribute `ext`: extensions are"),
        (r#""ext":[1]"#, "extensions are"),
        (r#""ext":1.5"#, "extensions are"),
        (r#""ext":1.0"#, "extensions are"),
        (r#""ext":2147483648"#, "32-bit integers"),
        (r#""ext":-2147483649"#, "32-bit integers"),
        (r#""ext":"a\nb""#, "attribute `ext`: contains U+000A"),
        (r#""ext":"a","ext":"b""#, "attribute `ext`: given twice"),
        (r#""ext":null,"ext":"b""#, "attribute `ext`: given twice"),
        (r#""data":1,"data":2"#, "attribute `data`: given twice"),
        (r#""data":1,"data_base64":"AA==""#, "an event has one payload"),
        (r#""data_base64":"A""#, "attribute `data_base64`: not base64"),
        (r#""data_base64":5"#, "attribute `data_base64`"),
    ] {
        invalid(&v1(members), expected);
    }
}

#[test]
fn required_attributes_of_1_0_are_required_and_not_empty() {
    let parts = [("id", r#""id":"1""#), ("source", r#""source":"/s""#), ("type", r#""type":"t""#)];
    for (name, part) in parts {
        let expected = format!("required attribute `{name}` is missing or empty");
        let empty = format!(r#""{name}":"""#);
        let null = format!(r#""{name}":null"#);
        invalid(&v1("").replace(&format!(",{part}"), ""), &expected);
        invalid(&v1("").replace(part, &empty), &expected);
        invalid(&v1("").replace(part, &null), &expected);
        invalid(
            &v1("").replace(part, &format!(r#""{name}":1"#)),
            &format!("attribute `{name}`: invalid type"),
        );
    }
    invalid(&v1("").replace("/s", "a b"), "attribute `source`: `a b` is not a URI reference");
    invalid(&v1("").replace("/s", "/%zz"), "is not a URI reference");
    invalid(&v1("").replace(r#""t""#, r#""\t""#), "attribute `type`: contains U+0009");
}

#[test]
fn what_is_no_event_at_all_is_told_apart() {
    for (json, expected) in [
        ("", "not a CloudEvent in JSON"),
        ("{", "not a CloudEvent in JSON"),
        ("[]", "an event, which is a JSON object"),
        ("null", "an event, which is a JSON object"),
        ("{}", "the event has neither `specversion`"),
        (r#"{"specversion":null}"#, "`specversion` is ``"),
        (r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#, "`specversion` is `0.3`"),
        (r#"{"specversion":1.0}"#, "attribute `specversion`"),
        (r#"{"cloudEventsVersion":""}"#, "the event has neither `specversion`"),
    ] {
        invalid(json, expected);
    }
    invalid(&format!("{} x", v1("")), "not a CloudEvent in JSON");
    assert!(CloudEvent::from_json(b"\xff").is_err());
}

#[test]
fn payloads_keep_every_byte() {
    for payload in [
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":2,"a":1}"#,
        r#"{"n":123456789012345678901234567890,"e":1E400,"f":2.50,"z":-0}"#,
        "{ \"spaced\" :\t[ 1 , 2 ]\n}",
        r#""\u00e9\/\ud83d\ude00""#,
        r#""\ud800""#,
        r#"{"specversion":"x","data":{"data_base64":1}}"#,
        "0.10",
    ] {
        for json in [v1(&format!(r#""data":{payload}"#)), v0(&format!(r#""data":{payload}"#))] {
            let event = read(&json).unwrap();
            assert_eq!(event.data.as_bytes(), payload.as_bytes(), "{json}");
            let written = String::from_utf8(event.to_json().unwrap()).unwrap();
            assert_eq!(written, json);
        }
    }
    let null = v1(r#""data":null"#);
    assert_eq!(read(&null).unwrap().data.as_bytes(), b"null");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(read(&v1(&format!(r#""data":{deep}"#))).unwrap().data.as_bytes(), deep.as_bytes());
}

#[test]
fn binary_payloads_travel_in_base64() {
    let event = CloudEvent::of_type("t", "/s", Data::Binary(vec![0, 255, 16].into()));
    let json: serde_json::Value = serde_json::from_slice(&event.to_json().unwrap()).unwrap();
    assert_eq!(json["data_base64"], "AP8Q");
    assert_eq!(json.get("data"), None);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let marked = |json: &str| format!("\u{feff}{json}").into_bytes();
    assert_eq!(CloudEvent::from_json(&marked(&v1(""))).unwrap(), valid(&v1("")));
    assert_eq!(CloudEvent::batch_from_json(&marked(&format!("[{}]", v0("")))).unwrap(), [valid(&v0(""))]);
    let (headers, body) = valid(&v1(r#""data":{"a":1}"#)).to_http_binary().unwrap();
    let body = marked(std::str::from_utf8(&body).unwrap());
    assert_eq!(CloudEvent::from_http(&headers, body.into()).unwrap().data.as_bytes(), br#"{"a":1}"#);
}

#[test]
fn events_that_break_a_rule_are_not_written() {
    let event = || CloudEvent::of_type("t", "/s", Data::Empty);
    for (event, expected) in [
        (event().with_id(""), "`id` is missing"),
        (CloudEvent::of_type("", "/s", Data::Empty), "`type` is missing"),
        (CloudEvent::of_type("t", "", Data::Empty), "`source` is missing"),
        (event().with_subject(""), "`subject`"),
        (event().with_datacontenttype("x"), "`datacontenttype`"),
        (event().with_dataschema("x"), "`dataschema`"),
        (event().with_extension("Upper", "x"), "`Upper`"),
        (event().with_extension("id", "x"), "`id`: is no name for an extension"),
        (event().with_extension("data", "x"), "`data`: is no name for an extension"),
        (event().with_extension("x", 1.5), "`x`"),
        (event().with_extension("x", json!(null)), "`x`"),
        (
            event().with_subject("a").with_extension("subject", "b").with_specversion(SpecVersion::V0_1),
            "`subject`: given twice",
        ),
    ] {
        let e = event.to_json().expect_err(expected);
        assert!(e.to_string().contains(expected), "`{e}` does not say `{expected}`");
    }
    let before_christ = eg_sdk::OffsetDateTime::from_unix_timestamp(-70_000_000_000).unwrap();
    assert!(event().with_time(before_christ).to_json().unwrap_err().to_string().contains("`time`"));
}

#[test]
fn batches_say_which_event_is_invalid() {
    let events = CloudEvent::batch_from_json(format!("[{},{}]", v1(""), v0("")).as_bytes()).unwrap();
    assert_eq!(
        events.iter().map(CloudEvent::specversion).collect::<Vec<_>>(),
        [SpecVersion::V1_0, SpecVersion::V0_1]
    );
    let written = CloudEvent::batch_to_json(&events).unwrap();
    assert_eq!(CloudEvent::batch_from_json(&written).unwrap(), events);
    assert_eq!(CloudEvent::batch_from_json(b"[]").unwrap(), []);
    let check = |json: String, expected: &str| {
        let e = CloudEvent::batch_from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    };
    check(format!("[{},{{}}]", v1("")), "event 2 of the batch: the event has neither");
    check(v1(""), "not a CloudEvent in JSON");
    let broken = [events[0].clone(), events[0].clone().with_id("")];
    let e = CloudEvent::batch_to_json(&broken).unwrap_err().to_string();
    assert_eq!(e, "event 2 of the batch: required attribute `id` is missing or empty");
}

#[test]
fn decoding_says_where_the_payload_does_not_fit() {
    #[derive(Debug, serde::Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only decoded")]
        lines: Vec<Line>,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only decoded")]
        count: u32,
    }
    let event = read(&v1(r#""data":{"lines":[{"count":1},{"count":"two"}]}"#)).unwrap();
    let e = event.decode::<Order>().unwrap_err();
    assert_eq!(e.path, "lines[1].count");
    assert!(e.to_string().starts_with("data.lines[1].count: invalid type"), "{e}");
    assert!(read(&v1("")).unwrap().decode::<Option<Order>>().unwrap().data.is_none());
}

#[test]
fn hops_are_counted_as_numbers_and_as_text() {
    for (hops, expected) in [
        ("3", 3),
        ("\"3\"", 3),
        ("\" 3 \"", 3),
        ("4294967296", u32::MAX),
        ("\"4294967296\"", u32::MAX),
        ("\"99999999999999999999999\"", u32::MAX),
        ("-1", 0),
        ("\"-1\"", 0),
        ("\"none\"", 0),
        ("true", 0),
    ] {
        // Version 0.1, which does not limit the values of extensions.
        assert_eq!(valid(&v0(&format!(r#""extensions":{{"hops":{hops}}}"#))).hops(), expected, "{hops}");
    }
    assert_eq!(valid(&v1("")).hops(), 0);
}

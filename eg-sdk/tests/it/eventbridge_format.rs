//! Tests the conversion between CloudEvents and events of EventBridge, and which events EventBridge would refuse.

use eg_sdk::eventbridge::{DetailFormat, Entry, EntryError, MAX_EVENT_BYTES};
use eg_sdk::{CloudEvent, Data, OffsetDateTime, SpecVersion};
use proptest::prelude::*;
use serde_json::json;

fn event(data: &str) -> CloudEvent {
    let data = Data::Json(serde_json::from_str(data).unwrap());
    CloudEvent::of_type("user.created", "/users", data)
        .with_id("1")
        .with_time(None)
        .with_datacontenttype::<String>(None)
}

fn entry(event: &CloudEvent) -> Entry {
    Entry::new(event.clone(), DetailFormat::Payload).unwrap()
}

/// Returns the entry as EventBridge delivers it to a target.
fn delivered(entry: &Entry) -> Vec<u8> {
    format!(
        r#"{{"version":"0","id":"its-own","detail-type":{},"source":{},"account":"123456789012","time":"2026-01-01T00:00:00Z","region":"eu-central-1","resources":[],"detail":{}}}"#,
        json!(entry.detail_type),
        json!(entry.source),
        entry.detail
    )
    .into_bytes()
}

fn round_trip(event: &CloudEvent, format: DetailFormat) -> CloudEvent {
    CloudEvent::from_eventbridge(&delivered(&Entry::new(event.clone(), format).unwrap())).unwrap()
}

#[test]
fn the_payload_is_the_detail_and_the_rest_is_beside_it() {
    let full = event(r#"{"b": 1, "a":123456789012345678}"#)
        .with_time(OffsetDateTime::from_unix_timestamp_nanos(1_522_942_260_120_000_000).unwrap())
        .with_subject("s")
        .with_datacontenttype("application/json")
        .with_dataschema("urn:s")
        .with_extension("n", 5)
        .with_extension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let entry = entry(&full);
    assert_eq!(
        (&*entry.source, &*entry.detail_type, entry.time),
        ("/users", "user.created", Some(1_522_942_260))
    );
    assert_eq!(
        entry.detail,
        r#"{"b": 1, "a":123456789012345678,"ce":{"specversion":"1.0","id":"1","subject":"s","time":"2018-04-05T15:31:00.12Z","datacontenttype":"application/json","dataschema":"urn:s","n":5,"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}"#
    );
    assert_eq!(
        entry.trace_header.as_deref(),
        Some("Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1")
    );
    assert_eq!(entry.size(), 14 + 6 + 12 + entry.detail.len());
    let back = CloudEvent::from_eventbridge(&delivered(&entry)).unwrap();
    assert_eq!(back.data.as_bytes(), br#"{"b":1,"a":123456789012345678}"#);
    assert_eq!(back.map(|_| ()), full.map(|_| ()));
}

#[test]
fn nothing_is_lost_on_the_way_through_a_bus() {
    let mut none = event("{}");
    none.data = Data::Empty;
    for event in [event("{}"), event(r#"{"a":{"ce":1}}"#), event(r#"{"id":"x","type":"y"}"#), none] {
        assert_eq!(round_trip(&event, DetailFormat::Payload), event);
    }
    let mut binary = event("{}").with_datacontenttype("image/png");
    binary.data = Data::Binary(vec![1, 2].into());
    for event in [event("[1, 2]"), event("\"text\""), event(r#"{"ce":1}"#), binary] {
        assert_eq!(round_trip(&event, DetailFormat::CloudEvent), event);
    }
    let old = event("{}").with_specversion(SpecVersion::V0_1);
    assert_eq!(round_trip(&old, DetailFormat::Payload), event("{}"));
}

#[test]
fn what_eventbridge_refuses_is_refused_first() {
    let refused = |event: CloudEvent| Entry::new(event, DetailFormat::Payload).unwrap_err();
    let of = |ty: &str, source: &str| CloudEvent::of_type(ty, source, json!({})).encode().unwrap();
    assert!(matches!(refused(of("t", "aws.s3")), EntryError::ReservedSource(source) if source == "aws.s3"));
    assert!(Entry::new(of("t", "aws"), DetailFormat::Payload).is_ok());
    assert!(Entry::new(of("t", "awsome"), DetailFormat::Payload).is_ok());
    assert!(matches!(refused(of(&"é".repeat(129), "/s")), EntryError::LongType(129)));
    assert!(Entry::new(of(&"é".repeat(128), "/s"), DetailFormat::Payload).is_ok());
    for data in ["[1]", "1", "\"x\"", "null"] {
        assert!(matches!(refused(event(data)), EntryError::NotAnObject), "{data}");
    }
    let mut binary = event("{}");
    binary.data = Data::Binary(vec![1].into());
    assert!(matches!(refused(binary), EntryError::NotAnObject));
    assert!(matches!(refused(event(r#"{"a":1,"ce":{}}"#)), EntryError::Taken));
    assert!(matches!(refused(event(r#"{"\u0063e":{}}"#)), EntryError::Taken));
    assert!(matches!(refused(event("{}").with_id("")), EntryError::Invalid(_)));
}

#[test]
fn integers_are_checked_against_64_bits_wherever_they_stand() {
    for (data, ok) in [
        (r#"{"n":9223372036854775807}"#, true),
        (r#"{"n":9223372036854775808}"#, false),
        (r#"{"n":-9223372036854775808}"#, true),
        (r#"{"n":-9223372036854775809}"#, false),
        (r#"{"a":[{"b":[1,99999999999999999999]}]}"#, false),
        (r#"{"n":99999999999999999999.0,"m":1e30,"k":1E30}"#, true),
        (r#"{"99999999999999999999":"99999999999999999999 \" 99999999999999999999 \\"}"#, true),
        (r#"{"s":"\\","n":99999999999999999999}"#, false),
    ] {
        match Entry::new(event(data), DetailFormat::Payload) {
            Ok(_) => assert!(ok, "{data}"),
            Err(EntryError::Integer(_)) => assert!(!ok, "{data}"),
            Err(e) => panic!("{data}: {e}"),
        }
    }
}

#[test]
fn size_and_depth_are_limited_to_the_byte_and_level() {
    let of_size = |bytes: usize| {
        let padding = bytes - entry(&event(r#"{"p":""}"#)).size();
        entry(&event(&format!(r#"{{"p":"{}"}}"#, "x".repeat(padding))))
    };
    assert!(of_size(MAX_EVENT_BYTES).check_size(MAX_EVENT_BYTES).is_ok());
    let e = of_size(MAX_EVENT_BYTES + 1).check_size(MAX_EVENT_BYTES).unwrap_err();
    assert_eq!(
        e.to_string(),
        "its size is 1048577 bytes; the limit is 1048576. Store the payload elsewhere and emit a reference to it"
    );
    let of_depth = |levels: usize| format!(r#"{{"d":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(Entry::new(event(&of_depth(1_100)), DetailFormat::Payload).is_ok());
    assert!(matches!(Entry::new(event(&of_depth(1_101)), DetailFormat::Payload), Err(EntryError::Deep)));
}

/// The gateway marks replays with an extension, EventBridge with a member of the envelope.
#[test]
fn replays_from_an_archive_are_marked_as_those_of_the_gateway() {
    for format in [DetailFormat::Payload, DetailFormat::CloudEvent] {
        let envelope = String::from_utf8(delivered(&Entry::new(event("{}"), format).unwrap())).unwrap();
        let read = |envelope: &str| CloudEvent::from_eventbridge(envelope.as_bytes()).unwrap();
        assert_eq!(read(&envelope).extension("replay"), None);
        let replayed = envelope.replacen('{', r#"{"replay-name":"again","#, 1);
        assert_eq!(read(&replayed).extension("replay").unwrap(), "again");
    }
    let other = r#"{"id":"7","detail-type":"t","source":"s","replay-name":"again","detail":{}}"#;
    assert_eq!(CloudEvent::from_eventbridge(other.as_bytes()).unwrap().extension("replay").unwrap(), "again");
}

#[test]
fn events_of_others_are_read_too() {
    let envelope = |source: &str, detail: &str| {
        format!(
            r#"{{"version":"0","id":"7","detail-type":"Object Created","source":{},"account":"123456789012","time":"2026-01-02T03:04:05Z","region":"eu-central-1","resources":["arn:a","arn:b"],"detail":{detail}}}"#,
            json!(source)
        )
    };
    let read = |source, detail| CloudEvent::from_eventbridge(envelope(source, detail).as_bytes()).unwrap();
    let event = read("aws.s3", r#"{"a": 1}"#);
    assert_eq!((event.id(), event.source(), event.ty()), ("7", "aws.s3", "Object Created"));
    assert_eq!(event.time().unwrap().unix_timestamp(), 1_767_323_045);
    assert_eq!(event.extension("awsaccount").unwrap(), "123456789012");
    assert_eq!(event.extension("awsregion").unwrap(), "eu-central-1");
    assert_eq!(event.extension("awsresources").unwrap(), "arn:a,arn:b");
    assert_eq!(event.data.as_bytes(), br#"{"a": 1}"#);
    assert_eq!(read("my source: é", "{}").source(), "my%20source%3A%20%C3%A9");
    // A `ce` of another program, and objects that only look like a CloudEvent, remain part of the payload.
    for detail in
        [r#"{"ce":1}"#, r#"{"ce":{"id":"1"}}"#, r#"{"specversion":"1.0","id":"1","type":"t"}"#, "[]", "null"]
    {
        assert_eq!(read("s", detail).data.as_bytes(), detail.as_bytes());
    }
    for (json, expected) in [
        (envelope("s", "{}").replace("detail-type", "x"), "missing field `detail-type`"),
        (envelope("", "{}"), "`source` is missing or empty"),
        (envelope("s", "{}").replace("2026-01-02", "x"), "attribute `time`"),
        (
            envelope("s", r#"{"specversion":"9","id":"in","source":"s","type":"Object Created"}"#),
            "`specversion` is `9`",
        ),
        (envelope("s", r#"{"ce":{"specversion":"1.0","id":"1","id":"2"}}"#), "given twice"),
        ("[]".to_owned(), "not a CloudEvent"),
    ] {
        let e = CloudEvent::from_eventbridge(json.as_bytes()).unwrap_err().to_string();
        assert!(e.contains(expected), "{json}: {e}");
    }
}

/// Whoever may put events on a bus decides what `detail` holds. A CloudEvent there once counted whatever its envelope
/// was, so that it could pass for an event of any type and source.
#[test]
fn an_event_in_detail_counts_only_with_the_type_and_source_of_its_envelope() {
    let read = |source: &str, detail: &str| {
        let envelope = json!({"version": "0", "id": "out", "detail-type": "order.paid", "source": source});
        let envelope = envelope.to_string().replace('}', &format!(",\"detail\":{detail}}}"));
        let event = CloudEvent::from_eventbridge(envelope.as_bytes()).unwrap();
        [event.id(), event.ty(), event.source()].map(str::to_owned)
    };
    let nested = |ty: &str, source: &str| {
        json!({"specversion": "1.0", "id": "in", "source": source, "type": ty, "data": [1]}).to_string()
    };
    let (inside, outside) = (["in", "order.paid", "/shop"], ["out", "order.paid", "/shop"]);
    for (source, detail, expected) in [
        ("/shop", nested("order.paid", "/shop"), inside),
        ("/shop", nested("http.request", "/shop"), outside),
        ("/shop", nested("order.paid", "/bank"), outside),
        ("/shop", nested("Order.paid", "/shop"), outside),
        ("my shop", nested("order.paid", "my%20shop"), ["in", "order.paid", "my%20shop"]),
        (
            "/shop",
            r#"{"specversion":"1.0","id":"in","source":"/shop","type":["order.paid"]}"#.to_owned(),
            outside,
        ),
        (
            "/shop",
            r#"{"specversion":null,"id":"in","source":"/shop","type":"order.paid"}"#.to_owned(),
            outside,
        ),
        ("/shop", r#"{"ce":{"specversion":"1.0","id":"in","type":"http.request"}}"#.to_owned(), outside),
        ("/shop", r#"{"ce":{"specversion":"1.0","id":"in","source":"/bank"}}"#.to_owned(), outside),
        ("/shop", r#"{"ce":{"specversion":"1.0","id":"in"}}"#.to_owned(), inside),
    ] {
        assert_eq!(read(source, &detail), expected.map(str::to_owned), "{source}: {detail}");
    }
}

/// Returns any name except the one that is reserved for the attributes; payloads that use it are refused, see above.
fn member_name() -> impl Strategy<Value = String> {
    "[a-z]{3,5}|\\PC{0,3}".prop_filter("taken", |name| name != "ce")
}

proptest! {
    #![proptest_config(crate::cases(1_000))]

    #[test]
    fn any_object_with_any_attributes_survives(
        members in prop::collection::vec((member_name(), any::<i64>()), 0..5),
        id in "[!-~]{1,10}",
        subject in prop::option::of("[ -~]{1,10}"),
        nanos in prop::option::of(0_i64..4_000_000_000_000_000_000),
        extension in any::<i32>(),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        let time = nanos.map(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos.into()).unwrap());
        let event = event(&format!("{{{}}}", members.join(","))).with_id(id).with_time(time).with_extension("x", extension);
        let event = subject.into_iter().fold(event, CloudEvent::with_subject);
        prop_assert_eq!(&round_trip(&event, DetailFormat::Payload), &event);
        prop_assert_eq!(&round_trip(&event, DetailFormat::CloudEvent), &event);
    }
}

//! 1.0 to 0.1 and back.

use eg_sdk::{CloudEvent, Data, SpecVersion};
use serde_json::json;

fn event() -> CloudEvent {
    CloudEvent::of_type("t", "/s", json!({"a": 1})).with_id("1").with_time(None).encode().unwrap()
}

#[test]
fn attributes_and_payload_survive_the_way_to_0_1_and_back() {
    let full = event()
        .with_time(eg_sdk::OffsetDateTime::from_unix_timestamp_nanos(1_522_942_260_120_000_001).unwrap())
        .with_subject("sub")
        .with_dataschema("urn:s")
        .with_extension("eventtypeversion", "2")
        .with_extension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with_extension("n", 7)
        .with_extension("flag", true);
    let mut binary = full.clone().with_datacontenttype("image/png");
    binary.data = Data::Binary(vec![0, 1, 255].into());
    let mut empty = event().with_datacontenttype::<String>(None);
    empty.data = Data::Empty;
    for event in [event(), full, binary, empty] {
        let old = event.clone().into_v0_1().unwrap();
        assert_eq!(old.specversion(), SpecVersion::V0_1);
        let received = CloudEvent::from_json(&old.to_json().unwrap()).unwrap();
        assert_eq!(received.into_v1().unwrap(), event);
    }
}

#[test]
fn names_of_0_1_are_those_of_the_original() {
    let old = event()
        .with_subject("s")
        .with_extension("eventtypeversion", "2")
        .with_extension("x", 1)
        .into_v0_1()
        .unwrap();
    assert_eq!(
        String::from_utf8(old.to_json().unwrap()).unwrap(),
        r#"{"eventType":"t","eventTypeVersion":"2","cloudEventsVersion":"0.1","source":"/s","eventID":"1","extensions":{"subject":"s","x":1},"contentType":"application/json","data":{"a":1}}"#
    );
    let mut binary = event();
    binary.data = Data::Binary(b"hi".as_slice().into());
    let old = String::from_utf8(binary.into_v0_1().unwrap().to_json().unwrap()).unwrap();
    assert!(old.contains(r#""extensions":{"datacontentencoding":"base64"}"#), "{old}");
    assert!(old.ends_with(r#""data":"aGk="}"#), "{old}");
}

#[test]
fn extensions_of_0_1_become_what_1_0_can_hold() {
    let old = |extensions: &str| {
        let json = format!(
            r#"{{"eventType":"t","cloudEventsVersion":"0.1","source":"/s","eventID":"1","extensions":{extensions}}}"#
        );
        CloudEvent::from_json(json.as_bytes()).unwrap().into_v1()
    };
    let event = old(r#"{"My-Key_1":"v","eventgateway":{"transformed":"true"},"f":1.5,"big":3000000000,"i":3,"b":false,"no":null}"#).unwrap();
    let extensions: Vec<_> = event.extensions().map(|(name, value)| (name, value.clone())).collect();
    assert_eq!(
        extensions,
        [
            ("b", json!(false)),
            ("big", json!("3000000000")),
            ("eventgateway", json!(r#"{"transformed":"true"}"#)),
            ("f", json!("1.5")),
            ("i", json!(3)),
            ("mykey1", json!("v")),
        ]
    );
    for (extensions, expected) in [
        (r#"{"a-b":1,"ab":2}"#, "attribute `ab`: becomes `ab` in CloudEvents 1.0, as another extension does"),
        (r#"{"Type":"x"}"#, "attribute `type`: is no name for an extension"),
        (r#"{"é":"x"}"#, "extension names are"),
    ] {
        let e = old(extensions).unwrap_err().to_string();
        assert!(e.contains(expected), "{extensions}: {e}");
    }
}

#[test]
fn what_the_other_version_does_not_allow_is_an_error() {
    let relative = CloudEvent::of_type("t", "relative", Data::Empty).into_v0_1().unwrap_err();
    assert!(relative.to_string().contains("neither an absolute URI nor an absolute path"), "{relative}");
    let json =
        br#"{"eventType":"t","cloudEventsVersion":"0.1","source":"/s","eventID":"1","contentType":"x"}"#;
    let media = CloudEvent::from_json(json).unwrap().into_v1().unwrap_err();
    assert!(media.to_string().contains("not a media type"), "{media}");
    let json = br#"{"eventType":"t","cloudEventsVersion":"0.1","source":"/s","eventID":"1","extensions":{"datacontentencoding":"base64"},"data":"?"}"#;
    let base64 = CloudEvent::from_json(json).unwrap().into_v1().unwrap_err();
    assert!(base64.to_string().contains("attribute `data`: not base64"), "{base64}");
}

#[test]
fn an_event_of_the_wanted_version_stays_as_it_is() {
    assert_eq!(event().into_v1().unwrap(), event());
    let old = event().into_v0_1().unwrap();
    assert_eq!(old.clone().into_v0_1().unwrap(), old);
}

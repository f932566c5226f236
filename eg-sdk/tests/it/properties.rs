//! Tests properties of all events, with generated ones.

use eg_sdk::http::{batch_to_http, events_from_http};
use eg_sdk::{CloudEvent, Data, OffsetDateTime};
use proptest::prelude::*;
use serde_json::Value;

/// Returns any text that is valid in an attribute of 1.0: no control characters, no noncharacters.
fn text() -> impl Strategy<Value = String> {
    let characters = prop_oneof![
        4 => prop::char::range(' ', '~'),
        1 => any::<char>().prop_filter("not allowed in strings of CloudEvents", |c| {
            let code = u32::from(*c);
            !c.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
        }),
    ];
    prop::collection::vec(characters, 1..12).prop_map(|characters| characters.into_iter().collect())
}

fn source() -> impl Strategy<Value = String> {
    prop_oneof!["/[a-z0-9/._~-]{0,12}(%[0-9A-F]{2})?(#[a-z]{0,4})?", "urn:[a-z]{2,6}:[a-z0-9:-]{1,12}"]
        .prop_filter("two slashes begin an authority", |source| !source.starts_with("//"))
}

fn extension() -> impl Strategy<Value = (String, Value)> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    ("x[a-z0-9]{0,8}", value)
}

/// Returns JSON text with all the variations that JSON allows: white space, order, repeated keys, long numbers.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|s| Value::from(s).to_string()),
        Just(r#""\u00e9\/\ud83d\ude00""#.to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(" ,"))),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("\"{k}\":\t{v}")).collect();
                format!("{{{}\n}}", members.join(","))
            }),
        ]
    })
}

/// Returns a payload and a matching media type.
fn payload() -> impl Strategy<Value = (Option<String>, Data)> {
    let raw = |text: String| Data::Json(serde_json::from_str(&text).unwrap());
    let of = |types: &'static [&'static str]| prop::sample::select(types).prop_map(|ty| Some(ty.to_owned()));
    prop_oneof![
        3 => (of(&["application/json", "application/vnd.x+json; v=1"]), json().prop_map(raw)),
        1 => (Just(None), json().prop_map(raw)),
        1 => (of(&["text/plain", "text/csv; charset=utf-8"]), any::<String>().prop_map(move |s| raw(Value::from(s).to_string()))),
        1 => (of(&["image/png", "application/octet-stream"]), any::<Vec<u8>>().prop_map(|b| Data::Binary(b.into()))),
        1 => (Just(None), Just(Data::Empty)),
    ]
}

prop_compose! {
    fn event()(
        (id, ty, source) in (text(), text(), source()),
        subject in prop::option::of(text()),
        time in prop::option::of((-62_167_219_200_i128..=253_402_300_799, 0_i128..1_000_000_000)),
        schema in prop::option::of("https://[a-z]{1,8}/[a-z0-9/]{0,8}"),
        extensions in prop::collection::vec(extension(), 0..5),
        (media_type, data) in payload(),
    ) -> CloudEvent {
        let time = time.map(|(seconds, nanos)| {
            OffsetDateTime::from_unix_timestamp_nanos(seconds * 1_000_000_000 + nanos).unwrap()
        });
        let event = CloudEvent::of_type(ty, source, data)
            .with_id(id).with_time(time).with_datacontenttype::<String>(media_type).with_dataschema::<String>(schema);
        let event = subject.into_iter().fold(event, CloudEvent::with_subject);
        extensions.into_iter().fold(event, |event, (name, value)| event.with_extension(name, value))
    }
}

/// Removes the differences that binary mode cannot represent: extensions are text, a missing payload is an empty one,
/// JSON has its media type.
fn in_binary(event: &CloudEvent) -> CloudEvent {
    let mut same = event.clone();
    for (name, value) in event.extensions() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        same = same.with_extension(name, text);
    }
    if event.datacontenttype().is_none() && matches!(event.data, Data::Json(_)) {
        same = same.with_datacontenttype("application/json");
    }
    if event.payload().is_empty() {
        same.data = Data::Empty;
    }
    same
}

proptest! {
    #![proptest_config(crate::cases(1_000))]

    #[test]
    fn structured_events_come_back_as_they_were(event in event()) {
        let json = event.to_json().unwrap();
        let read = CloudEvent::from_json(&json).unwrap();
        prop_assert_eq!(&read, &event);
        prop_assert_eq!(read.to_json().unwrap(), json);
    }

    #[test]
    fn binary_and_structured_mode_agree(event in event()) {
        let (headers, body) = event.to_http_binary().unwrap();
        prop_assert_eq!(&body, &event.payload().into_owned());
        let binary = CloudEvent::from_http(&headers, body).unwrap();
        let (headers, body) = event.to_http_structured().unwrap();
        let structured = CloudEvent::from_http(&headers, body).unwrap();
        prop_assert_eq!(&binary, &in_binary(&structured));
        let (headers, body) = binary.to_http_binary().unwrap();
        prop_assert_eq!(CloudEvent::from_http(&headers, body).unwrap(), binary);
    }

    #[test]
    fn batches_hold_every_event_in_order(events in prop::collection::vec(event(), 0..6)) {
        let (headers, body) = batch_to_http(&events).unwrap();
        prop_assert_eq!(events_from_http(&headers, body).unwrap(), events);
    }

    #[test]
    fn version_0_1_carries_everything_there_and_back(event in event()) {
        let old = event.clone().into_v0_1().unwrap();
        let back = CloudEvent::from_json(&old.to_json().unwrap()).unwrap();
        // 0.1 writes a missing payload as `null`.
        let event = event.map(|data| if data.as_bytes() == b"null" { Data::Empty } else { data });
        prop_assert_eq!(back.into_v1().unwrap(), event);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let _ = CloudEvent::from_json(&bytes);
        let _ = CloudEvent::batch_from_json(&bytes);
        let _ = CloudEvent::from_eventbridge(&bytes);
    }

    #[test]
    fn no_damage_to_an_event_makes_the_reader_panic(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = event.to_json().unwrap();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(read) = CloudEvent::from_json(&json) {
            prop_assert!(read.to_json().is_ok());
        }
    }
}

//! Events of version 0.1: what the original allowed, and how it is read.

use eg_sdk::{CloudEvent, SpecVersion};
use serde_json::json;

use super::{invalid, read, v0, v1, valid};

#[test]
fn attributes_of_0_1_are_read_whatever_their_case() {
    let event = valid(
        r#"{"EVENTTYPE":"t","cloudEventsVersion":"9.9","Source":"/s#f","eventId":"1","eventTypeVersion":"2","eventTime":"2018-04-05T17:31:00+02:00","schemaURL":"/schema","contentType":"application/json","extensions":{"eventgateway":{"transformed":"true"},"Key":1.5,"subject":"s"},"unknown":1,"data":{"a":1}}"#,
    );
    assert_eq!(event.specversion(), SpecVersion::V0_1);
    assert_eq!((event.id(), event.source(), event.ty()), ("1", "/s#f", "t"));
    assert_eq!(event.extension("eventtypeversion"), Some(&json!("2")));
    assert_eq!(event.extension("eventgateway"), Some(&json!({"transformed": "true"})));
    assert_eq!(event.extension("Key"), Some(&json!(1.5)));
    assert_eq!(event.subject(), Some("s"));
    assert_eq!(event.dataschema(), Some("/schema"));
    assert_eq!(
        String::from_utf8(event.to_json().unwrap()).unwrap(),
        r#"{"eventType":"t","eventTypeVersion":"2","cloudEventsVersion":"9.9","source":"/s#f","eventID":"1","eventTime":"2018-04-05T17:31:00+02:00","schemaURL":"/schema","extensions":{"Key":1.5,"eventgateway":{"transformed":"true"},"subject":"s"},"contentType":"application/json","data":{"a":1}}"#
    );
}

#[test]
fn what_0_1_allows_is_read() {
    for members in [
        "",
        r#""eventTime":null,"extensions":null,"contentType":null,"data":null"#,
        r#""eventTypeVersion":"","schemaURL":"","contentType":"","extensions":{}"#,
        r#""contentType":"not a media type""#,
        r#""extensions":{"any name":{"deep":[1]}}"#,
        r#""extensions":{"eventtypeversion":5,"subject":{"a":1}}"#,
        r#""extensions":{"eventtypeversion":"","subject":""}"#,
    ] {
        valid(&v0(members));
    }
    for source in ["urn:x:y", "mailto:a@b", "http://h/p", "/x", "/x#frag", "http://h/#frag"] {
        valid(&v0("").replace("/s", source));
    }
    let empty = read(&v0("")).unwrap();
    assert!(empty.data.is_empty());
    assert!(empty.to_json().unwrap().ends_with(br#","data":null}"#));
}

#[test]
fn every_rule_of_0_1_has_its_message() {
    for (members, expected) in [
        (r#""eventTime":"now""#, "attribute `eventTime`: `now`"),
        (r#""eventTime":"""#, "attribute `eventTime`"),
        (r#""eventid":"2""#, "given twice"),
        (r#""extensions":[]"#, "attribute `extensions`"),
        (r#""eventTypeVersion":"1","extensions":{"eventtypeversion":"2"}"#, "given twice"),
        (r#""contentType":1"#, "attribute `contenttype`"),
    ] {
        invalid(&v0(members), expected);
    }
    for (name, part) in [
        ("eventID", r#","eventID":"1""#),
        ("source", r#","source":"/s""#),
        ("eventType", r#""eventType":"t","#),
    ] {
        invalid(&v0("").replace(part, ""), &format!("required attribute `{name}` is missing or empty"));
    }
    invalid(&v0("").replace("/s", "relative"), "neither an absolute URI nor an absolute path");
    invalid(&v0("").replace("/s", "#only"), "neither an absolute URI nor an absolute path");
    invalid(&v0("").replace("/s", "http://x y"), "is not a URI reference");
    for name in ["eventType", "eventID", "source", "cloudEventsVersion"] {
        let members =
            json!({ "eventType": "t", "cloudEventsVersion": "0.1", "source": "/s", "eventID": "1" });
        let mut members = members.as_object().unwrap().clone();
        members[name] = json!("/\u{1b}[2J");
        invalid(&json!(members).to_string(), &format!("attribute `{name}`: contains U+001B"));
    }
}

/// The original compared neither the version nor the escapes of a source.
#[test]
fn odd_values_of_0_1_are_passed_on() {
    for source in ["/a b", "/ü", "/a[1]\\\"", "http://h/a b?c d", "urn:x:a b", "mailto:a@b", "/s#a b"] {
        let json = v0("").replace("\"/s\"", &json!(source).to_string());
        assert_eq!(valid(&json).source(), source);
        assert_eq!(
            json!(source),
            serde_json::from_slice::<serde_json::Value>(&valid(&json).to_json().unwrap()).unwrap()["source"]
        );
    }
    invalid(&v1("").replace("/s", "/a b"), "is not a URI reference");
    let event = valid(&v0("").replace("0.1", "9.9"));
    assert_eq!(event.specversion(), SpecVersion::V0_1);
    assert!(String::from_utf8(event.to_json().unwrap()).unwrap().contains(r#""cloudEventsVersion":"9.9""#));
    assert_eq!(event.to_http_binary().unwrap().0["ce-cloudeventsversion"], "9.9");
    let (headers, body) = event.to_http_binary().unwrap();
    assert_eq!(
        CloudEvent::from_http(&headers, body).unwrap().to_http_binary().unwrap().0["ce-cloudeventsversion"],
        "9.9"
    );
    let converted = event.into_v1().unwrap();
    assert!(String::from_utf8(converted.to_json().unwrap()).unwrap().contains(r#""specversion":"1.0""#));
    assert_eq!(converted.into_v0_1().unwrap().to_http_binary().unwrap().0["ce-cloudeventsversion"], "0.1");
}

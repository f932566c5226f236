//! Reads a `PutEvents` call of Amazon EventBridge: which entries are events, and what is wrong with the others.
//! Source: EventBridge's API reference, with its error codes for single entries.

use eg_grammar::limits::DATA_DEPTH;
use eg_grammar::limits::{EVENT_BRIDGE_ENTRIES, EVENT_BRIDGE_SOURCE, EVENT_BRIDGE_TYPE};
use eg_grammar::{is_nested_deeper, without_bom};
use eg_sdk::CloudEvent;
use eg_sdk::eventbridge::MAX_EVENT_BYTES;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::classify::Draft;
use super::envelope::Stamp;

/// One entry, unchecked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Entry {
    /// Seconds since 1970.
    time: Option<f64>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
}

/// The reason why a whole call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCall {
    #[error("{0}")]
    Json(String),
    #[error(
        "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 \
         and {EVENT_BRIDGE_ENTRIES}, inclusive"
    )]
    Count,
    #[error(
        "Total size of the entries in the request is over the limit: they have {0} bytes, and {MAX_EVENT_BYTES} are \
         allowed."
    )]
    Size(usize),
}

/// The reason why one entry is refused, in the form of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EntryError {
    pub(crate) error_code: &'static str,
    pub(crate) error_message: String,
}

impl EntryError {
    pub(crate) fn new(error_code: &'static str, error_message: impl Into<String>) -> Self {
        Self { error_code, error_message: error_message.into() }
    }

    fn invalid(parameter: &str, reason: &str) -> Self {
        Self::new("InvalidArgument", format!("Parameter {parameter} is not valid. Reason: {reason}"))
    }

    fn missing(parameter: &str) -> Self {
        Self::invalid(parameter, &format!("{parameter} is a required argument."))
    }

    fn too_long(parameter: &str, limit: usize) -> Self {
        Self::invalid(parameter, &format!("{parameter} is longer than {limit} characters."))
    }
}

impl Entry {
    /// Returns the size of the entry as EventBridge counts it, in bytes.
    fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail].into_iter().flatten();
        let texts = texts.chain(self.resources.iter().flatten()).map(String::len).sum::<usize>();
        // That is what a time counts.
        texts + if self.time.is_some() { 14 } else { 0 }
    }
}

/// Returns the entries of a call.
pub(crate) fn entries(body: &[u8]) -> Result<Vec<Entry>, BadCall> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Call {
        #[serde(default)]
        entries: Vec<Entry>,
    }
    let call: Call = serde_json::from_slice(without_bom(body)).map_err(|e| BadCall::Json(e.to_string()))?;
    if !(1..=EVENT_BRIDGE_ENTRIES).contains(&call.entries.len()) {
        return Err(BadCall::Count);
    }
    match call.entries.iter().map(Entry::size).sum() {
        size if size > MAX_EVENT_BYTES => Err(BadCall::Size(size)),
        _ => Ok(call.entries),
    }
}

/// Returns the event of an entry: the CloudEvent that the entry was made from, if any, else a CloudEvent 1.0 with the
/// entry's fields. `stamp` supplies what the entry lacks.
pub(crate) fn event(entry: &Entry, stamp: &Stamp) -> Result<Draft, EntryError> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        id: &'a str,
        #[serde(rename = "detail-type")]
        detail_type: &'a str,
        source: &'a str,
        time: String,
        resources: &'a [String],
        detail: &'a RawValue,
    }
    let required = |value: &'_ Option<String>, name| match value {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        _ => Err(EntryError::missing(name)),
    };
    let source = required(&entry.source, "Source")?;
    let detail_type = required(&entry.detail_type, "DetailType")?;
    let detail = required(&entry.detail, "Detail")?;
    for (name, value, limit) in
        [("Source", &source, EVENT_BRIDGE_SOURCE), ("DetailType", &detail_type, EVENT_BRIDGE_TYPE)]
    {
        if value.chars().count() > limit {
            return Err(EntryError::too_long(name, limit));
        }
    }
    if source.starts_with("aws.") {
        return Err(EntryError::new("NotAuthorizedForSourceException", "Not authorized for the source."));
    }
    let malformed = || EntryError::new("MalformedDetail", "Detail is malformed.");
    if is_nested_deeper(detail.as_bytes(), DATA_DEPTH) {
        return Err(malformed());
    }
    let detail: &RawValue = serde_json::from_str(&detail).map_err(|_| malformed())?;
    if !detail.get().starts_with('{') {
        return Err(malformed());
    }
    let time = match entry.time {
        Some(seconds) => at(seconds).ok_or_else(|| EntryError::invalid("Time", "it is out of range."))?,
        None => stamp.time,
    };
    let envelope = Envelope {
        id: &stamp.id,
        detail_type: &detail_type,
        source: &source,
        // Only years after 9999 have no such form.
        time: time.format(&Rfc3339).unwrap_or_default(),
        resources: entry.resources.as_deref().unwrap_or_default(),
        detail,
    };
    let invalid = |e: &dyn std::fmt::Display| EntryError::new("InvalidArgument", e.to_string());
    let json = serde_json::to_vec(&envelope).map_err(|e| invalid(&e))?;
    let event = CloudEvent::from_eventbridge(&json).map_err(|e| invalid(&e))?;
    let event = Draft::of(event);
    let not_yours = |e| EntryError::new("NotAuthorizedForDetailTypeException", format!("{e}"));
    event.check_type().map_err(not_yours)?;
    Ok(event)
}

/// Returns the time `seconds` after 1970, if its year has a written form.
fn at(seconds: f64) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::UNIX_EPOCH.checked_add(time::Duration::checked_seconds_f64(seconds)?)?;
    (0..=9999).contains(&time.year()).then_some(time)
}

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;
    use serde_json::{Value, json};

    use super::*;

    fn check(entry: &Value, expected: Result<&str, (&'static str, &str)>) {
        let stamp = Stamp { id: "id-1".to_owned(), time: datetime!(2026-01-02 03:04:05 UTC) };
        let entries = entries(json!({ "Entries": [entry] }).to_string().as_bytes()).unwrap();
        let json = |event: Draft| String::from_utf8(event.into_event(None).to_json().unwrap()).unwrap();
        let found = event(&entries[0], &stamp).map(json);
        let expected = expected.map(str::to_owned).map_err(|(code, text)| EntryError::new(code, text));
        assert_eq!(found, expected, "{entry}");
    }

    #[test]
    fn events() {
        check(
            &json!({ "Source": "my.app", "DetailType": "user.created", "Detail": "{\"z\":1e3,\"a\":2}" }),
            Ok(
                r#"{"specversion":"1.0","id":"id-1","source":"my.app","type":"user.created","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","data":{"z":1e3,"a":2}}"#,
            ),
        );
        check(
            &json!({ "Source": "a", "DetailType": "t", "Detail": " {}", "Time": 1.5, "Resources": ["r1", "r2"], "EventBusName": "b" }),
            Ok(
                r#"{"specversion":"1.0","id":"id-1","source":"a","type":"t","time":"1970-01-01T00:00:01.5Z","datacontenttype":"application/json","awsresources":"r1,r2","data":{}}"#,
            ),
        );
        check(
            &json!({ "Source": "/s", "DetailType": "t", "Detail": r#"{"n":1,"ce":{"specversion":"1.0","id":"own","x":"y"}}"# }),
            Ok(r#"{"specversion":"1.0","id":"own","source":"/s","type":"t","x":"y","data":{"n":1}}"#),
        );
    }

    #[test]
    fn refused_entries() {
        let required =
            |name: &str| format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        for name in ["Source", "DetailType", "Detail"] {
            for without in [Value::Null, json!("")] {
                let mut entry = json!({ "Source": "a", "DetailType": "t", "Detail": "{}" });
                entry[name] = without;
                check(&entry, Err(("InvalidArgument", &required(name))));
            }
        }
        let malformed = Err(("MalformedDetail", "Detail is malformed."));
        for detail in ["x", "[]", "1", "{} {}", &"[".repeat(200)] {
            check(&json!({ "Source": "a", "DetailType": "t", "Detail": detail }), malformed);
        }
        let foreign = Err(("NotAuthorizedForSourceException", "Not authorized for the source."));
        check(&json!({ "Source": "aws.s3", "DetailType": "t", "Detail": "{}" }), foreign);
        for (name, length) in [("Source", EVENT_BRIDGE_SOURCE), ("DetailType", EVENT_BRIDGE_TYPE)] {
            let mut entry = json!({ "Source": "a", "DetailType": "t", "Detail": "{}" });
            entry[name] = json!("a".repeat(length + 1));
            let text =
                format!("Parameter {name} is not valid. Reason: {name} is longer than {length} characters.");
            check(&entry, Err(("InvalidArgument", &text)));
            entry[name] = json!("a".repeat(length));
            let stamp = Stamp { id: "1".to_owned(), time: datetime!(2026-01-02 03:04:05 UTC) };
            assert!(event(&serde_json::from_value(entry).unwrap(), &stamp).is_ok(), "{name}");
        }
        let reserved =
            "event type \"eventgateway.x\" is reserved for events of the gateway itself: emit another type";
        let entry = json!({ "Source": "a", "DetailType": "eventgateway.x", "Detail": "{}" });
        check(&entry, Err(("NotAuthorizedForDetailTypeException", reserved)));
        let range = "Parameter Time is not valid. Reason: it is out of range.";
        for time in [1e300, 1e12, -1e12] {
            let entry = json!({ "Source": "a", "DetailType": "t", "Detail": "{}", "Time": time });
            check(&entry, Err(("InvalidArgument", range)));
        }
    }

    /// EventBridge counts the texts of all entries, and 14 bytes for a time.
    #[test]
    fn calls_have_a_size() {
        let fixed = "ab".len() + "tu".len() + "r".len() + 14;
        for (detail, expected) in [
            (MAX_EVENT_BYTES - fixed, Ok(())),
            (MAX_EVENT_BYTES - fixed + 1, Err(BadCall::Size(MAX_EVENT_BYTES + 1))),
        ] {
            let large =
                json!({ "Source": "a", "DetailType": "t", "Detail": "x".repeat(detail), "Time": 1.0 });
            let small = json!({ "Source": "b", "DetailType": "u", "Resources": ["r"] });
            let call = json!({ "Entries": [large, small] }).to_string();
            assert_eq!(entries(call.as_bytes()).map(drop), expected);
        }
    }

    #[test]
    fn refused_calls() {
        let many = json!({ "Entries": vec![json!({}); 11] }).to_string();
        for (body, count) in
            [("", false), ("7", false), (r#"{"Entries":7}"#, false), ("{}", true), (&many, true)]
        {
            let refused = entries(body.as_bytes()).unwrap_err();
            assert_eq!(refused == BadCall::Count, count, "{body}: {refused}");
        }
    }
}

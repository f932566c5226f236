//! Takes a batch apart: one of its records or events becomes a payload of its own. Reads nothing else of it.

use std::collections::BTreeMap;

use eg_sdk::__private::Members;
use serde_json::value::RawValue;

/// Returns the record or event at the position `at` of a payload, as a payload that a function can be invoked with. A payload
/// that is no batch is returned as it is.
pub(crate) fn part(json: &str, at: usize) -> String {
    let json = whole(json);
    let part = if json.trim_start().starts_with('[') { of_list(json, at) } else { of_records(json, at) };
    part.unwrap_or_else(|| json.to_owned())
}

/// Returns the payload that a function handles: of the record of a failed invocation, the one in it.
pub(crate) fn whole(json: &str) -> &str {
    super::failed::unwrapped(json).unwrap_or(json)
}

fn of_list(json: &str, at: usize) -> Option<String> {
    let list: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    list.get(at).map(|one| format!("[{}]", one.get()))
}

/// Replaces all records of a batch by one.
fn of_records(json: &str, at: usize) -> Option<String> {
    let members = Members::read(json).ok()?;
    let (name, records) = ["Records", "records"].iter().find_map(|name| Some((*name, members.get(name)?)))?;
    let one = of_list(records.get(), at).or_else(|| of_partitions(records.get(), at))?;
    let mut part = String::from("{");
    for member in members.names() {
        // A member without a value is of no use to a reader.
        let Some(value) = members.get(member) else { continue };
        let value = if member == name { one.as_str() } else { value.get() };
        let comma = if part.len() > 1 { "," } else { "" };
        part.push_str(&format!("{comma}{}:{value}", serde_json::Value::from(member)));
    }
    part.push('}');
    Some(part)
}

/// Returns one of the records that Kafka orders by partition, in the order of their reader.
fn of_partitions(records: &str, at: usize) -> Option<String> {
    let partitions: BTreeMap<String, Vec<&RawValue>> = serde_json::from_str(records).ok()?;
    let mut records =
        partitions.iter().flat_map(|(name, records)| records.iter().map(move |one| (name, one)));
    let (name, one) = records.nth(at)?;
    Some(format!("{{{}:[{}]}}", serde_json::Value::from(name.as_str()), one.get()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn parts_are_payloads_of_their_own() {
        let record = |payload: Value| {
            json!({"version": "1.0", "requestContext": {"functionArn": "arn", "condition": "RetriesExhausted"},
                "requestPayload": payload})
        };
        let event = json!({"specversion": "1.0", "id": "1"});
        for (payload, at, expected) in [
            (event.clone(), 0, event.clone()),
            (json!([1, 2]), 1, json!([2])),
            (json!({"a": 1, "Records": [{"n": 1}, {"n": 2}]}), 1, json!({"a": 1, "Records": [{"n": 2}]})),
            (
                json!({"eventSource": "aws:kafka", "records": {"t-0": [1, 2], "t-1": [3]}}),
                2,
                json!({"eventSource": "aws:kafka", "records": {"t-1": [3]}}),
            ),
            (record(json!([1, 2])), 0, json!([1])),
            (json!({"Records": "none"}), 0, json!({"Records": "none"})),
        ] {
            let part = part(&payload.to_string(), at);
            assert_eq!(serde_json::from_str::<Value>(&part).unwrap(), expected, "{payload}");
        }
        assert_eq!(part("no JSON", 0), "no JSON");
    }
}

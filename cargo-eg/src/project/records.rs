//! Makes records of streams from plain JSON, in the formats in which Lambda gets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::StreamKind;
use eg_local::emulator::{ACCOUNT, REGION};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

/// Returns a batch of one record, made now. For a table, `data` is the new item, or a change with `old` and `new`; for a
/// stream or topic, it is the content. `key` is the key of the record; that of an item is its `id` unless the change has
/// `keys`.
///
/// # Errors
/// If no table has such an item or change.
pub(crate) fn batch(kind: StreamKind, name: &str, data: &Value, key: Option<&str>) -> Result<Value, String> {
    let now = OffsetDateTime::now_utc();
    let seconds = now.unix_timestamp();
    // Unique enough for a local run, and in order.
    let number = now.unix_timestamp_nanos().to_string();
    let micros = i64::try_from(now.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
    let encoded = |text: &str| STANDARD.encode(text);
    Ok(match kind {
        StreamKind::DynamoDb => {
            if key.is_some() {
                let message = "the key of an item is part of it: leave out `--key`, or give `keys` beside `old` and `new`";
                return Err(message.to_owned());
            }
            let (event, change) = change(data)?;
            let mut record = json!({
                "ApproximateCreationDateTime": seconds, "SequenceNumber": number, "SizeBytes": data.to_string().len(),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            });
            for (member, image) in change {
                record[member] = attributes(&image);
            }
            json!({"Records": [{
                "eventID": number, "eventName": event, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": REGION, "dynamodb": record,
                "eventSourceARN": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}/stream/local"),
            }]})
        }
        StreamKind::Kinesis => json!({"Records": [{
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": key.unwrap_or("1"), "sequenceNumber": number,
                "data": encoded(&data.to_string()), "approximateArrivalTimestamp": seconds,
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record",
            "eventID": format!("shardId-000000000000:{number}"), "awsRegion": REGION,
            "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/local"),
            "eventSourceARN": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"),
        }]}),
        StreamKind::Kafka => {
            let mut record = json!({
                "topic": name, "partition": 0, "offset": micros, "timestamp": seconds * 1000,
                "timestampType": "CREATE_TIME", "value": encoded(&data.to_string()), "headers": [],
            });
            if let Some(key) = key {
                record["key"] = encoded(key).into();
            }
            json!({
                "eventSource": "aws:kafka", "bootstrapServers": "localhost:9092",
                "eventSourceArn": format!("arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/local/1"),
                "records": { format!("{name}-0"): [record] },
            })
        }
    })
}

/// The keys or an image of an item, and its name in a record.
type Image = (&'static str, Value);

/// Returns what happened to an item, and its images in DynamoDB's words.
fn change(data: &Value) -> Result<(&'static str, Vec<Image>), String> {
    let is_change = data.as_object().is_some_and(|members| {
        let known = |name: &String| ["kind", "keys", "old", "new"].contains(&name.as_str());
        members.keys().all(known) && (members.contains_key("old") || members.contains_key("new"))
    });
    let image = |name: &str| data.get(name).filter(|image| image.is_object()).cloned();
    let (old, new) = match is_change {
        true => (image("old"), image("new")),
        false => (None, Some(data.clone()).filter(Value::is_object)),
    };
    if old.is_none() && new.is_none() {
        return Err(format!(
            "{data} is no item of a table: an item is a JSON object, and a change is {{\"old\": …, \"new\": …}}"
        ));
    }
    let event = match (&old, &new) {
        (None, _) => "INSERT",
        (Some(_), Some(_)) => "MODIFY",
        (Some(_), None) => "REMOVE",
    };
    let id = new.as_ref().or(old.as_ref()).and_then(|item| item.get("id"));
    let by_id = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    let keys = if is_change { image("keys") } else { None }.unwrap_or(by_id);
    let images = [("OldImage", old), ("NewImage", new)].into_iter();
    let images = images.filter_map(|(name, image)| Some((name, image?)));
    Ok((event, std::iter::once(("Keys", keys)).chain(images).collect()))
}

/// Converts the members of an item to attribute values.
fn attributes(item: &Value) -> Value {
    let members = item.as_object().into_iter().flatten();
    Value::Object(members.map(|(name, value)| (name.clone(), attribute(value))).collect::<Map<_, _>>())
}

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(elements) => json!({ "L": elements.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": attributes(value) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_or_a_change_becomes_a_record() {
        let check = |data: Value, event: &str, images: Value| {
            let record = batch(StreamKind::DynamoDb, "orders", &data, None).unwrap()["Records"][0].clone();
            assert_eq!(record["eventName"], event);
            for (name, image) in images.as_object().unwrap() {
                assert_eq!(
                    record["dynamodb"].get(name),
                    Some(image).filter(|image| !image.is_null()),
                    "{name}"
                );
            }
        };
        let key = json!({"id": {"S": "10"}});
        let item = json!({"id": {"S": "10"}, "count": {"N": "1.5"}, "tags": {"L": [{"BOOL": true}, {"NULL": true}]}, "to": {"M": {}}});
        let plain = json!({"id": "10", "count": 1.5, "tags": [true, null], "to": {}});
        check(plain.clone(), "INSERT", json!({"Keys": key, "NewImage": item, "OldImage": null}));
        check(
            json!({"old": plain, "new": plain}),
            "MODIFY",
            json!({"Keys": key, "NewImage": item, "OldImage": item}),
        );
        check(
            json!({"keys": {"pk": "1"}, "old": plain}),
            "REMOVE",
            json!({"Keys": {"pk": {"S": "1"}}, "NewImage": null, "OldImage": item}),
        );
        for (data, key, expected) in [
            (json!(5), None, "5 is no item of a table: an item is a JSON object"),
            (json!({"old": null, "new": null}), None, "{\"new\":null,\"old\":null} is no item of a table"),
            (json!({"id": 1}), Some("1"), "the key of an item is part of it: leave out `--key`"),
        ] {
            let refused = batch(StreamKind::DynamoDb, "orders", &data, key).unwrap_err();
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    /// Functions recognise duplicates by the offset.
    #[test]
    fn records_of_a_topic_have_offsets_of_their_own() {
        let offset = || {
            batch(StreamKind::Kafka, "visits", &json!(1), None).unwrap()["records"]["visits-0"][0]["offset"]
                .clone()
        };
        let first = offset();
        std::thread::sleep(std::time::Duration::from_micros(2));
        assert_ne!(offset(), first);
    }
}

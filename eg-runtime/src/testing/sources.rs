//! Queues and streams of a test: messages and records wait until the test settles or advances its clock, and come in the
//! form in which Lambda sends them. Leaves calling the functions to `run`.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::{DeliveryLimits, DeliveryPolicy, StreamKind, is_fifo};
use eg_sdk::CloudEvent;
use serde::Serialize;
use serde_json::{Value, json};

use super::app::TestApp;
use super::names;
use super::pending::{Again, Item};
use crate::Error;
use crate::payload::{self, Payload};
use crate::registry::{self, Trigger};

/// A queue of a test, see [`TestApp::queue`].
#[derive(Debug)]
pub struct TestQueue<'a> {
    app: &'a TestApp,
    name: &'static str,
}

/// A stream of a test, see [`TestApp::stream`].
#[derive(Debug)]
pub struct TestStream<'a> {
    app: &'a TestApp,
    stream: &'static registry::Stream,
}

impl TestApp {
    /// Returns the queue with this name, to send messages to its `#[queue]` functions.
    ///
    /// # Errors
    /// If no function has such a queue. The message lists the queues.
    pub fn queue(&self, name: &str) -> Result<TestQueue<'_>, Error> {
        TestQueue::find(self, name)
    }

    /// Returns the stream with this name, to put records into it for its `#[stream]` functions.
    ///
    /// # Errors
    /// If no function has such a stream. The message lists the streams.
    pub fn stream(&self, name: &str) -> Result<TestStream<'_>, Error> {
        TestStream::find(self, name)
    }
}

impl<'a> TestQueue<'a> {
    pub(super) fn find(app: &'a TestApp, name: &str) -> Result<Self, Error> {
        let known: Vec<_> = app.triggers().filter_map(|(_, _, trigger)| queue_of(trigger)).collect();
        match known.iter().find(|known| **known == name) {
            Some(&name) => Ok(Self { app, name }),
            None => Err(Error::reject(names::unknown("queue", name, &known))),
        }
    }

    /// Sends a message with JSON as its body.
    ///
    /// # Errors
    /// If `body` cannot be serialized, or if the queue is a FIFO queue: its messages have a group.
    pub fn send<T: Serialize + ?Sized>(&self, body: &T) -> Result<(), Error> {
        if is_fifo(self.name) {
            return Err(Error::reject(format!(
                "the messages of the FIFO queue `{}` have a group: use `send_to_group`",
                self.name
            )));
        }
        self.put(None, &serde_json::to_string(body)?)
    }

    /// Sends a message of a group with JSON as its body. The messages of a group are handled in their order.
    ///
    /// # Errors
    /// If `body` cannot be serialized, or if the queue is no FIFO queue: its messages have no groups.
    pub fn send_to_group<T: Serialize + ?Sized>(&self, group: &str, body: &T) -> Result<(), Error> {
        if !is_fifo(self.name) {
            return Err(Error::reject(format!(
                "only the messages of FIFO queues, whose names end with `.fifo`, have a group: use `send` for `{}`",
                self.name
            )));
        }
        self.put(Some(group), &serde_json::to_string(body)?)
    }

    fn put(&self, group: Option<&str>, body: &str) -> Result<(), Error> {
        let (serial, now) = self.app.stamp();
        let arn = format!("arn:aws:sqs:local:000000000000:{}", self.name);
        let mut attributes = json!({ "SentTimestamp": millis(now).to_string() });
        attributes["MessageGroupId"] = json!(group);
        let record = json!({ "messageId": format!("message-{serial}"), "eventSource": "aws:sqs", "eventSourceARN": arn,
            "attributes": attributes, "body": body });
        let event = read(&json!({ "Records": [record] }))?;
        let lane = group.map(|group| format!("{} {group}", self.name));
        for (service, function, trigger) in self.app.triggers() {
            if queue_of(trigger) == Some(self.name) {
                let (event, lane) = (event.clone(), lane.clone());
                let (due, accepted, again) = (now, now, Again::Message);
                self.app.push(Item { service, function, event, due, accepted, failures: 0, lane, again });
            }
        }
        Ok(())
    }
}

impl<'a> TestStream<'a> {
    pub(super) fn find(app: &'a TestApp, name: &str) -> Result<Self, Error> {
        let known: Vec<_> = app.triggers().filter_map(|(_, _, trigger)| stream_of(trigger)).collect();
        match known.iter().find(|stream| stream.name == name) {
            Some(stream) => Ok(Self { app, stream }),
            None => {
                let known: Vec<_> = known.iter().map(|stream| stream.name).collect();
                Err(Error::reject(names::unknown("stream", name, &known)))
            }
        }
    }

    /// Puts a record with this key, and JSON as its content, into a stream of Kinesis or a topic of Kafka.
    ///
    /// # Errors
    /// If `content` cannot be serialized, or the stream is that of a DynamoDB table.
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, content: &T) -> Result<(), Error> {
        let content = STANDARD.encode(serde_json::to_string(content)?);
        let (serial, now) = self.app.stamp();
        let name = self.stream.name;
        match self.stream.kind {
            StreamKind::Kinesis => self.push(
                now,
                &json!({ "Records": [{
                "eventSource": "aws:kinesis", "eventID": format!("shard-0:{serial}"),
                "eventSourceARN": format!("arn:aws:kinesis:local:000000000000:stream/{name}"),
                "kinesis": { "sequenceNumber": serial.to_string(), "partitionKey": key, "data": content,
                    "approximateArrivalTimestamp": seconds(now) },
            }] }),
            ),
            StreamKind::Kafka => self.push(
                now,
                &json!({
                    "eventSource": "SelfManagedKafka", "bootstrapServers": "local:9092",
                    "records": { (format!("{name}-0")): [{ "topic": name, "partition": 0, "offset": serial,
                        "timestamp": millis(now), "key": STANDARD.encode(key), "value": content }] },
                }),
            ),
            StreamKind::DynamoDb => Err(Error::reject(format!(
                "`{name}` is the stream of a DynamoDB table: use `insert`, `modify` or `remove`"
            ))),
        }
    }

    /// Puts the record of a new item into the stream of a DynamoDB table.
    ///
    /// # Errors
    /// If a value cannot be serialized as a JSON object, or the stream is not that of a table.
    pub fn insert<K: Serialize, T: Serialize>(&self, keys: &K, new: &T) -> Result<(), Error> {
        self.change("INSERT", serde_json::to_value(keys)?, None, Some(serde_json::to_value(new)?))
    }

    /// Puts the record of a changed item into the stream of a DynamoDB table.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn modify<K: Serialize, T: Serialize>(&self, keys: &K, old: &T, new: &T) -> Result<(), Error> {
        let (old, new) = (serde_json::to_value(old)?, serde_json::to_value(new)?);
        self.change("MODIFY", serde_json::to_value(keys)?, Some(old), Some(new))
    }

    /// Puts the record of a removed item into the stream of a DynamoDB table.
    ///
    /// # Errors
    /// As for [`insert`](Self::insert).
    pub fn remove<K: Serialize, T: Serialize>(&self, keys: &K, old: &T) -> Result<(), Error> {
        self.change("REMOVE", serde_json::to_value(keys)?, Some(serde_json::to_value(old)?), None)
    }

    fn change(&self, what: &str, keys: Value, old: Option<Value>, new: Option<Value>) -> Result<(), Error> {
        let name = self.stream.name;
        if self.stream.kind != StreamKind::DynamoDb {
            return Err(Error::reject(format!("`{name}` is no stream of a DynamoDB table: use `put`")));
        }
        let image = |item: Value| match item {
            Value::Object(members) => Ok(attributes(members)),
            other => Err(Error::reject(format!("an item of a table is a JSON object, not `{other}`"))),
        };
        let (serial, now) = self.app.stamp();
        let mut change = json!({ "SequenceNumber": serial.to_string(), "Keys": image(keys)?,
            "ApproximateCreationDateTime": seconds(now) });
        if let Some(old) = old {
            change["OldImage"] = image(old)?;
        }
        if let Some(new) = new {
            change["NewImage"] = image(new)?;
        }
        let arn = format!("arn:aws:dynamodb:local:000000000000:table/{name}/stream/2026-01-01T00:00:00.000");
        self.push(
            now,
            &json!({ "Records": [{ "eventSource": "aws:dynamodb", "eventID": serial.to_string(),
            "eventName": what, "eventSourceARN": arn, "dynamodb": change }] }),
        )
    }

    fn push(&self, now: SystemTime, batch: &Value) -> Result<(), Error> {
        let event = read(batch)?;
        // Lambda repeats a record until it is too old, and does not say how long it pauses.
        let day = Duration::from_secs(24 * 60 * 60);
        let policy = DeliveryPolicy { attempts: u32::MAX, max_age: day, ..DeliveryPolicy::default() };
        for (service, function, trigger) in self.app.triggers() {
            if let Some(stream) = stream_of(trigger).filter(|stream| is_same(stream, self.stream)) {
                let limits = stream.retry.as_ref().map(DeliveryLimits::from).unwrap_or_default();
                let again = Again::Record(policy.limited(limits));
                let (event, lane) = (event.clone(), Some(stream.name.to_owned()));
                let (due, accepted) = (now, now);
                self.app.push(Item { service, function, event, due, accepted, failures: 0, lane, again });
            }
        }
        Ok(())
    }
}

fn is_same(one: &registry::Stream, other: &registry::Stream) -> bool {
    (one.kind, one.name) == (other.kind, other.name)
}

fn queue_of(trigger: &'static Trigger) -> Option<&'static str> {
    match trigger {
        Trigger::Queue(queue) => Some(queue.name),
        _ => None,
    }
}

fn stream_of(trigger: &'static Trigger) -> Option<&'static registry::Stream> {
    match trigger {
        Trigger::Stream(stream) => Some(stream),
        _ => None,
    }
}

/// Returns the event in a batch of one.
fn read(batch: &Value) -> Result<CloudEvent, Error> {
    let mut events = match payload::read(&batch.to_string(), None).map_err(Error::reject)? {
        Payload::Queue(records) => records.into_iter().map(|record| record.event).collect::<Vec<_>>(),
        Payload::Stream(records) => records.into_iter().map(|record| record.event).collect(),
        _ => Vec::new(),
    };
    let event = events.pop().ok_or_else(|| Error::reject("the batch is empty"))?;
    event.map_err(Error::reject)
}

/// Returns the attributes of an item in DynamoDB's form.
fn attributes(members: serde_json::Map<String, Value>) -> Value {
    members.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(flag) => json!({ "BOOL": flag }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(elements) => json!({ "L": elements.into_iter().map(attribute).collect::<Value>() }),
        Value::Object(members) => json!({ "M": attributes(members) }),
    }
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(time: SystemTime) -> u64 {
    millis(time) / 1000
}

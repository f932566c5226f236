//! Reads records from a server that plays DynamoDB Streams or Kinesis, and writes them as Lambda hands them to functions. Source: the
//! API references of both services, and Lambda's description of their records.

use eg_local::emulator::{ACCOUNT, REGION};
use eg_sdk::__private::HttpClient;
use serde_json::{Value, json};

use super::Followed;
use crate::run::local_aws::{ALL_SERVICES, Api, DYNAMODB, call, endpoint};

const STREAMS: Api =
    Api { name: "DynamoDB Streams", signed: "dynamodb", target: "DynamoDBStreams_20120810", json: "1.0" };
const KINESIS: Api = Api { name: "Kinesis", signed: "kinesis", target: "Kinesis_20131202", json: "1.1" };

/// The stream of a table, or a Kinesis stream.
#[derive(Debug)]
pub(super) struct Source {
    client: HttpClient,
    url: String,
    is_table: bool,
    /// The name in the code.
    name: String,
    /// The name on this machine.
    local: String,
}

/// A part of a stream, within which records have an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) id: String,
    /// The shard that it continues.
    pub(super) parent: Option<String>,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start<'a> {
    Oldest,
    Latest,
    After(&'a str),
}

/// A record as Lambda hands it over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) sequence: String,
    pub(super) payload: Value,
}

impl Source {
    /// Returns the source of a stream, if the environment names a server for it.
    pub(super) fn of(followed: &Followed) -> Option<Self> {
        let Followed { is_table, name, local, .. } = followed.clone();
        let variables: &[_] = if is_table {
            &["AWS_ENDPOINT_URL_DYNAMODB_STREAMS", DYNAMODB, ALL_SERVICES]
        } else {
            &["AWS_ENDPOINT_URL_KINESIS", ALL_SERVICES]
        };
        let (_, url) = endpoint(variables)?;
        Some(Self { client: HttpClient::default(), url, is_table, name, local })
    }

    /// Returns the name in messages.
    pub(super) fn described(&self) -> String {
        format!("{} {}", if self.is_table { "table" } else { "stream" }, self.local)
    }

    async fn ask(&self, operation: &str, body: &Value) -> Result<Value, String> {
        let api = if self.is_table { STREAMS } else { KINESIS };
        call(&self.client, &self.url, api, operation, body).await
    }

    /// Returns what identifies the stream in calls.
    ///
    /// # Errors
    /// If there is none, or the server does not answer.
    async fn stream(&self) -> Result<Value, String> {
        if !self.is_table {
            return Ok(json!({ "StreamName": self.local }));
        }
        let streams = self.ask("ListStreams", &json!({ "TableName": self.local })).await?;
        // The stream that was made last.
        let arn = streams["Streams"].as_array().and_then(|streams| streams.last());
        let arn = arn.and_then(|stream| stream["StreamArn"].as_str());
        arn.map(|arn| json!({ "StreamArn": arn })).ok_or_else(|| {
            "the table has no stream; enable one with the view type `NEW_AND_OLD_IMAGES`".to_owned()
        })
    }

    /// Returns the shards of the stream.
    pub(super) async fn shards(&self) -> Result<Vec<Shard>, String> {
        let (mut shards, mut question) = (Vec::new(), self.stream().await?);
        loop {
            let page = self.ask("DescribeStream", &question).await?;
            let page = &page["StreamDescription"];
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let found = page["Shards"].as_array().into_iter().flatten();
            shards.extend(found.filter_map(|shard| {
                Some(Shard { id: text(&shard["ShardId"])?, parent: text(&shard["ParentShardId"]) })
            }));
            let last = match self.is_table {
                true => text(&page["LastEvaluatedShardId"]),
                false if page["HasMoreShards"] == true => shards.last().map(|shard| shard.id.clone()),
                false => None,
            };
            let Some(last) = last else { return Ok(shards) };
            question["ExclusiveStartShardId"] = last.into();
        }
    }

    /// Returns an iterator over a shard.
    pub(super) async fn iterator(&self, shard: &str, from: Start<'_>) -> Result<String, String> {
        let mut question = self.stream().await?;
        question["ShardId"] = shard.into();
        question["ShardIteratorType"] = match from {
            Start::Oldest => "TRIM_HORIZON",
            Start::Latest => "LATEST",
            Start::After(_) => "AFTER_SEQUENCE_NUMBER",
        }
        .into();
        if let Start::After(sequence) = from {
            let name = if self.is_table { "SequenceNumber" } else { "StartingSequenceNumber" };
            question[name] = sequence.into();
        }
        let answer = self.ask("GetShardIterator", &question).await?;
        let iterator = answer["ShardIterator"].as_str().map(str::to_owned);
        iterator.ok_or_else(|| format!("no iterator over shard {shard}"))
    }

    /// Returns the next records of a shard, and the iterator over what follows; `None` if the shard has ended.
    pub(super) async fn records(
        &self,
        shard: &str,
        iterator: &str,
        most: u32,
    ) -> Result<(Vec<Record>, Option<String>), String> {
        let most = most.min(if self.is_table { 1_000 } else { 10_000 });
        let question = json!({ "ShardIterator": iterator, "Limit": most });
        let answer = self.ask("GetRecords", &question).await?;
        let records = answer["Records"].as_array().into_iter().flatten();
        let records = records.filter_map(|record| self.record(shard, record)).collect();
        Ok((records, answer["NextShardIterator"].as_str().map(str::to_owned)))
    }

    /// Returns a record as Lambda hands it over, with the name of the stream in the code.
    fn record(&self, shard: &str, record: &Value) -> Option<Record> {
        let name = &self.name;
        if self.is_table {
            let mut payload = record.clone();
            payload["eventSourceARN"] =
                format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}/stream/local").into();
            payload["eventSource"] = "aws:dynamodb".into();
            let sequence = record["dynamodb"]["SequenceNumber"].as_str()?.to_owned();
            return Some(Record { sequence, payload });
        }
        let sequence = record["SequenceNumber"].as_str()?.to_owned();
        let payload = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": sequence,
                "data": record["Data"],
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventName": "aws:kinesis:record",
            "eventID": format!("{shard}:{sequence}"),
            "awsRegion": REGION,
            "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/local"),
            "eventSourceARN": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"),
        });
        Some(Record { sequence, payload })
    }
}

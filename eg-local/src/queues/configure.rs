//! The operations of SQS's API that create queues, and read and set their attributes. `attributes` knows what each
//! attribute means.

use eg_grammar::QueueName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attributes::{AttributeError, Attributes, OPTIONAL, Overrides, Properties};
use super::error::Refusal;
use super::{Queues, arn, dead_letters_of, is_dead_letters, now};

/// The name that selects all attributes.
const ALL: &str = "All";

/// The attributes of AWS that a local queue never has.
const NEVER_SET: [&str; 7] = [
    "Policy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "RedriveAllowPolicy",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

/// The attributes that an operation sets.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributesRequest {
    #[serde(default)]
    pub(super) attributes: Attributes,
}

/// The attributes that an operation reads.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NamesRequest {
    #[serde(default)]
    attribute_names: Vec<String>,
}

impl Queues {
    /// Creates a queue as a function's, with its dead-letter queue, if it is missing.
    pub(super) async fn create(&self, name: String) -> Result<String, Refusal> {
        check_name(&name)?;
        self.declare(vec![name.clone()]).await?;
        Ok(name)
    }

    /// Creates a queue with these attributes. As on AWS, a queue that exists must have them.
    pub(super) async fn create_with(&self, name: String, given: Attributes) -> Result<String, Refusal> {
        check_name(&name)?;
        let asked = name.clone();
        if self.with(move |store| store.exists(&asked)).await? {
            let existing = self.properties(name.clone()).await?;
            let mut wanted = existing.clone();
            wanted.overrides.set(&name, &given)?;
            let (has, wants) = (existing.attributes(), wanted.attributes());
            return match given.into_keys().find(|attribute| has.get(attribute) != wants.get(attribute)) {
                Some(attribute) => Err(Refusal::Exists { name, attribute }),
                None => Ok(name),
            };
        }
        let overrides = Overrides::of_new(&name, &given)?;
        self.check_target(&overrides).await?;
        let (queue, at) = (name.clone(), now());
        self.with(move |store| {
            store.create(&queue, &overrides, at)?;
            if overrides.redrive().is_some() || is_dead_letters(&queue) {
                return Ok(());
            }
            store.create(&dead_letters_of(&queue), &Overrides::default(), at)
        })
        .await?;
        Ok(name)
    }

    pub(super) async fn set_attributes(
        &self,
        queue: Properties,
        request: AttributesRequest,
    ) -> Result<Value, Refusal> {
        let Properties { name, mut overrides, .. } = queue;
        overrides.set(&name, &request.attributes)?;
        self.check_target(&overrides).await?;
        let (queue, at) = (name.clone(), now());
        self.with(move |store| store.set(&queue, &overrides, at)).await?;
        self.waiting.wake(&name);
        Ok(json!({}))
    }

    /// As on AWS, a dead-letter queue exists before a queue names it.
    async fn check_target(&self, overrides: &Overrides) -> Result<(), Refusal> {
        let Some(redrive) = overrides.redrive() else { return Ok(()) };
        let target = redrive.target.clone();
        if self.with(move |store| store.exists(&target)).await? {
            return Ok(());
        }
        let rule = format!("RedrivePolicy: there is no queue `{}`; create it first", redrive.target);
        Err(AttributeError::Value(rule).into())
    }

    /// Returns the attributes that the request names.
    pub(super) async fn attributes(
        &self,
        queue: Properties,
        request: NamesRequest,
    ) -> Result<Value, Refusal> {
        let mut attributes = queue.attributes();
        let (name, at) = (queue.name.clone(), now());
        let (counts, (created, modified)) = self
            .with(move |store| {
                store.forget(&queue, at)?;
                Ok((store.counts(&queue.name, at)?, store.times(&queue.name)?))
            })
            .await?;
        let seconds = |millis: i64| (millis / 1000).to_string();
        for (attribute, value) in [
            ("QueueArn", arn(&name)),
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
            ("CreatedTimestamp", seconds(created)),
            ("LastModifiedTimestamp", seconds(modified)),
        ] {
            attributes.insert(attribute.to_owned(), value);
        }
        let known = |name: &String| {
            *name == ALL
                || attributes.contains_key(name)
                || NEVER_SET.contains(&name.as_str())
                || OPTIONAL.contains(&name.as_str())
        };
        if let Some(unknown) = request.attribute_names.iter().find(|name| !known(name)) {
            return Err(AttributeError::Name { name: unknown.clone(), reason: "is unknown" }.into());
        }
        if !request.attribute_names.iter().any(|name| name == ALL) {
            attributes.retain(|name, _| request.attribute_names.contains(name));
        }
        Ok(json!({ "Attributes": attributes }))
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    name.parse::<QueueName>().map(drop).map_err(|mistake| Refusal::Invalid(mistake.to_string()))
}

//! The dead letters of a stage: messages of its failures queues. `message` reads one; this module receives, hands in again and
//! deletes them. Showing them is left to the commands.

mod message;

use std::collections::{BTreeMap, BTreeSet};

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry as Shown, Message, MessageSystemAttributeName as System,
};
use serde_json::{Map, Value};

pub(crate) use self::message::{Content, Dead};
use super::described::{Reader, kind, name};
use super::stack::Resource;
use crate::aws::failure;
use crate::exit::{Exit, Failure};

/// How long others do not see the messages that are being read, in seconds. Those that stay are shown again at once.
const HIDDEN: i32 = 60;

/// The largest batch of SQS.
const BATCH: i32 = 10;

/// A failures queue of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    url: String,
    /// Its name for people.
    pub(crate) name: String,
    /// The URL of the queue whose messages move here when they have failed too often.
    source: Option<String>,
    /// The name in AWS of the function that reads that queue, if only one does.
    reader: Option<String>,
}

/// A dead letter.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) dead: Dead,
    pub(crate) queue: Queue,
    receipt: String,
    group: Option<String>,
}

/// The failures queues of a stage, and its functions.
#[derive(Debug)]
pub(crate) struct Letters {
    sqs: Client,
    lambda: aws_sdk_lambda::Client,
    pub(crate) queues: Vec<Queue>,
}

impl Letters {
    pub(crate) fn new(config: &SdkConfig, template: &Value, resources: &[Resource]) -> Self {
        let (sqs, lambda) = (Client::new(config), aws_sdk_lambda::Client::new(config));
        Self { sqs, lambda, queues: queues(template, resources) }
    }

    /// Receives dead letters until `wanted` returns false or there are no more, and hides them from others for a while.
    pub(crate) async fn receive(
        &self,
        mut wanted: impl FnMut(&Letter) -> bool,
    ) -> Result<Vec<Letter>, Failure> {
        let (mut letters, mut known) = (Vec::new(), BTreeSet::new());
        'queues: for queue in &self.queues {
            loop {
                let call = self
                    .sqs
                    .receive_message()
                    .queue_url(&queue.url)
                    .max_number_of_messages(BATCH)
                    .visibility_timeout(HIDDEN)
                    // A short wait asks all machines that keep the queue.
                    .wait_time_seconds(1)
                    .message_attribute_names("All")
                    .message_system_attribute_names(System::All);
                let answer = call.send().await;
                let answer =
                    answer.map_err(|error| failure(&format!("read the queue `{}`", queue.name), &error))?;
                let messages = answer.messages.unwrap_or_default();
                if messages.is_empty() {
                    break;
                }
                let mut goes_on = true;
                for message in messages {
                    let letter = letter(message, queue);
                    if known.insert(letter.dead.id.clone()) {
                        goes_on &= wanted(&letter);
                        letters.push(letter);
                    }
                }
                if !goes_on {
                    break 'queues;
                }
            }
        }
        Ok(letters)
    }

    /// Shows letters to others again.
    pub(crate) async fn put_back(&self, letters: &[Letter]) -> Result<(), Failure> {
        for queue in &self.queues {
            let own: Vec<&Letter> = letters.iter().filter(|letter| letter.queue == *queue).collect();
            for batch in own.chunks(BATCH.unsigned_abs() as usize) {
                let entries: Result<Vec<Shown>, _> = batch
                    .iter()
                    .enumerate()
                    .map(|(at, letter)| {
                        let entry = Shown::builder().id(at.to_string()).receipt_handle(&letter.receipt);
                        entry.visibility_timeout(0).build()
                    })
                    .collect();
                let entries = entries.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
                let call = self.sqs.change_message_visibility_batch().queue_url(&queue.url);
                let answer = call.set_entries(Some(entries)).send().await;
                answer
                    .map_err(|error| failure(&format!("put messages back into `{}`", queue.name), &error))?;
            }
        }
        Ok(())
    }

    /// Hands in a letter again, with another payload if given: to its function, or into its queue. Then deletes it.
    pub(crate) async fn retry(&self, letter: &Letter, edited: Option<&str>) -> Result<(), Failure> {
        let Dead { id, function, content, .. } = &letter.dead;
        match (content, function) {
            (Content::Event(payload), Some(function)) => {
                let payload = match edited {
                    Some(data) => message::with_data(payload, data).map_err(|reason| {
                        Failure::new(Exit::Usage, format!("cannot change `{id}`: {reason}"))
                    })?,
                    None => payload.clone(),
                };
                let call = self.lambda.invoke().function_name(function).payload(Blob::new(payload));
                let answer = call.invocation_type(InvocationType::Event).send().await;
                answer.map_err(|error| failure(&format!("hand in `{id}` again"), &error))?;
            }
            (Content::Message(body), _) if letter.queue.source.is_some() => {
                let changed = |reason| Failure::new(Exit::Usage, format!("cannot change `{id}`: {reason}"));
                let body = match edited {
                    Some(data) => message::message_with_data(body, data).map_err(changed)?,
                    None => body.clone(),
                };
                let call = self.sqs.send_message().set_queue_url(letter.queue.source.clone());
                let call = call.message_body(body).set_message_group_id(letter.group.clone());
                let call = call.set_message_deduplication_id(letter.group.is_some().then(|| id.clone()));
                call.send()
                    .await
                    .map_err(|error| failure(&format!("put `{id}` back into its queue"), &error))?;
            }
            (Content::Stream, _) => {
                let message = format!("`{id}` names records of a stream, and does not hold them");
                return Err(Failure::new(Exit::Refused, message)
                    .hint("read them from the stream while it keeps them; `cargo eg dead-letters show` has their place"));
            }
            _ => {
                let message = format!("nothing says which function failed to handle `{id}`");
                return Err(Failure::new(Exit::Refused, message).hint(
                    "invoke the function with it: `cargo eg invoke FUNCTION --data JSON --stage STAGE`",
                ));
            }
        }
        self.discard(letter).await
    }

    /// Deletes a letter.
    pub(crate) async fn discard(&self, letter: &Letter) -> Result<(), Failure> {
        let call = self.sqs.delete_message().queue_url(&letter.queue.url).receipt_handle(&letter.receipt);
        let action = format!("delete the message `{}`", letter.dead.id);
        call.send().await.map(drop).map_err(|error| failure(&action, &error))
    }
}

fn letter(message: Message, queue: &Queue) -> Letter {
    let system = message.attributes.unwrap_or_default();
    let number = |name: &System| system.get(name).and_then(|value| value.parse().ok());
    let attributes: BTreeMap<String, String> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    let mut dead = Dead::read(message.body.unwrap_or_default(), &attributes);
    dead.id = message.message_id.unwrap_or_default();
    dead.sent_ms = number(&System::SentTimestamp);
    dead.function = dead.function.or_else(|| queue.reader.clone());
    Letter {
        dead,
        queue: queue.clone(),
        receipt: message.receipt_handle.unwrap_or_default(),
        group: system.get(&System::MessageGroupId).cloned(),
    }
}

/// Returns the queues of a stack in which others put what has failed.
fn queues(template: &Value, resources: &[Resource]) -> Vec<Queue> {
    let nothing = Map::new();
    let reader = Reader::new(template, &nothing);
    let mut targets = BTreeSet::new();
    failing(template, &mut |target| targets.extend(reader.referenced(target)));
    // The physical name of a queue is its URL.
    let physical = |id: &str| resources.iter().find(|one| one.id == id).map(|one| one.physical.clone());
    let source_of = |id: &str| {
        let sources = template["Resources"].as_object().into_iter().flatten();
        let mut sources = sources.filter(|(_, one)| kind(one) == "AWS::SQS::Queue");
        let is_source = |one: &Value| reader.referenced(&one["Properties"]["RedrivePolicy"]) == Some(id);
        sources.find(|(_, one)| is_source(one)).map(|(source, _)| source.as_str())
    };
    let reader_of = |source: &str| match reader.readers(source).as_slice() {
        [only] => physical(only),
        _ => None,
    };
    let found = targets.into_iter().filter(|id| kind(&template["Resources"][id]) == "AWS::SQS::Queue");
    found
        .filter_map(|id| {
            let name = name(id, &template["Resources"][id]);
            let source = source_of(id);
            Some(Queue {
                url: physical(id)?,
                name,
                source: source.and_then(physical),
                reader: source.and_then(reader_of),
            })
        })
        .collect()
}

/// Calls `found` with each value that names where failures go.
fn failing<'a>(value: &'a Value, found: &mut impl FnMut(&'a Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| failing(item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                match key.as_str() {
                    "DeadLetterConfig" | "DeadLetterQueue" | "OnFailure" | "RedrivePolicy" => found(value),
                    _ => failing(value, found),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_queues_of_failures_are_those_that_others_name() {
        let arn = |id: &str| json!({"Fn::GetAtt": [id, "Arn"]});
        let template = json!({"Resources": {
            "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"RedrivePolicy": {"deadLetterTargetArn": arn("OrdersFailures")}}},
            "OrdersFailures": {"Type": "AWS::SQS::Queue"},
            "BillFailures": {"Type": "AWS::SQS::Queue"},
            "Pack": {"Type": "AWS::Lambda::Function"},
            "Reads": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                "EventSourceArn": arn("Orders"), "FunctionName": {"Ref": "Pack"}}},
            "On": {"Type": "AWS::Events::Rule", "Properties": {"Targets": [{"DeadLetterConfig": {"Arn": arn("BillFailures")}}]}},
            "Config": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {
                "DestinationConfig": {"OnFailure": {"Destination": arn("BillFailures")}}}},
        }});
        let resource = |id: &str, kind: &str| Resource {
            id: id.to_owned(),
            physical: format!("https://{id}"),
            kind: kind.to_owned(),
        };
        let queues_of_stack =
            ["Orders", "OrdersFailures", "BillFailures"].map(|id| resource(id, "AWS::SQS::Queue"));
        let mut resources: Vec<Resource> = queues_of_stack.into();
        resources.push(resource("Pack", "AWS::Lambda::Function"));
        let queue = |name: &str, source: Option<&str>, reader: Option<&str>| Queue {
            url: format!("https://{name}"),
            name: name.to_owned(),
            source: source.map(str::to_owned),
            reader: reader.map(str::to_owned),
        };
        assert_eq!(
            queues(&template, &resources),
            [
                queue("BillFailures", None, None),
                queue("OrdersFailures", Some("https://Orders"), Some("https://Pack"))
            ]
        );
    }
}

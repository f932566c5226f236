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
use eg_grammar::FIFO_SUFFIX;
use serde_json::{Map, Value};

pub(crate) use self::message::Dead;
use self::message::{Content, Sent};
use super::contents::Resource;
use super::described::{Reader, name};
use crate::aws::failure;
use crate::exit::{Exit, Failure};
use crate::template::joined;

/// How long others do not see the messages that are being read, in seconds. Those that stay are shown again at once.
const HIDDEN: i32 = 60;

/// How many seconds an invocation may take, and a bit for the answer.
const LONGEST: i32 = 15 * 60 + 30;

const QUEUE: &str = "AWS::SQS::Queue";

/// The largest batch of SQS.
const BATCH: i32 = 10;

/// A failures queue of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    url: String,
    /// Its name for people.
    pub(crate) name: String,
    /// The queue whose messages move here when they have failed too often.
    source: Option<Source>,
}

/// A queue of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    url: String,
    /// The name in AWS of the function that reads it, if only one does.
    reader: Option<String>,
}

/// A dead letter.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) dead: Dead,
    pub(crate) queue: Queue,
    receipt: String,
}

/// The failures queues of a stage, its other queues and its functions.
#[derive(Debug)]
pub(crate) struct Letters {
    sqs: Client,
    lambda: aws_sdk_lambda::Client,
    queues: Vec<Queue>,
    /// All queues, by their names in AWS.
    sources: BTreeMap<String, Source>,
}

impl Letters {
    pub(crate) fn new(config: &SdkConfig, template: &Value, resources: &[Resource]) -> Self {
        let (sqs, lambda) = (Client::new(config), aws_sdk_lambda::Client::new(config));
        let template = &*joined(template);
        Self {
            sqs,
            lambda,
            queues: queues(template, resources),
            sources: sources(template, resources)
                .map(|(_, source)| (source.name().to_owned(), source))
                .collect(),
        }
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
                    let letter = self.letter(message, queue);
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

    /// Hands in a letter again, with other data if given: to its function, or into its queue. Then deletes it.
    pub(crate) async fn retry(&self, letter: &Letter, edited: Option<&str>) -> Result<(), Failure> {
        let Dead { id, function, content, .. } = &letter.dead;
        let changed = |reason| Failure::new(Exit::Usage, format!("cannot change `{id}`: {reason}"));
        let function = function.as_deref().unwrap_or_default();
        match content {
            Content::Messages(queue, messages) => {
                let Some(source) = self.source(queue.as_deref(), &letter.queue) else {
                    let message = match queue {
                        Some(queue) => {
                            format!("`{id}` is of the queue `{queue}`, which is not one of the stack")
                        }
                        None => format!("nothing says which function failed to handle `{id}`"),
                    };
                    return Err(Failure::new(Exit::Refused, message).hint(
                        "invoke the function with it: `cargo eg invoke FUNCTION --data JSON --stage STAGE`",
                    ));
                };
                for (sent, Sent { body, group }) in messages.iter().enumerate() {
                    let body = match edited {
                        Some(_) if messages.len() > 1 => {
                            return Err(changed("it holds several messages".to_owned()));
                        }
                        Some(data) => message::message_with_data(body, data).map_err(changed)?,
                        None => body.clone(),
                    };
                    let (group, once) = group.clone().unzip();
                    // Messages of other queues may have a group, too, but no such id.
                    let once = once.filter(|_| source.url.ends_with(FIFO_SUFFIX));
                    let call = self.sqs.send_message().queue_url(&source.url).message_body(body);
                    let call = call.set_message_group_id(group).set_message_deduplication_id(once);
                    let action = format!("put `{id}` back into its queue");
                    call.send().await.map_err(|error| match sent {
                        0 => failure(&action, &error),
                        _ => failure(&action, &error).hint(format!(
                            "of its {} messages, {sent} went back into the queue, and will be handled twice if you retry it",
                            messages.len()
                        )),
                    })?;
                }
            }
            Content::Event(payload) | Content::Records(payload) => {
                let payload = match edited {
                    Some(data) => message::with_data(payload, data).map_err(changed)?,
                    None => payload.clone(),
                };
                // Lambda repeats an event that fails again, but forgets the records of a batch that do. So their answer counts.
                let (kind, waits) = match content {
                    Content::Records(_) => (InvocationType::RequestResponse, true),
                    _ => (InvocationType::Event, false),
                };
                if waits {
                    // Nobody else may hand it in while the function works.
                    let call = self.sqs.change_message_visibility().queue_url(&letter.queue.url);
                    let call = call.receipt_handle(&letter.receipt).visibility_timeout(LONGEST);
                    call.send().await.map_err(|error| failure(&format!("hide `{id}`"), &error))?;
                }
                let call = self.lambda.invoke().function_name(function).invocation_type(kind);
                let answer = call.payload(Blob::new(payload)).send().await;
                let answer = answer.map_err(|error| failure(&format!("hand in `{id}` again"), &error))?;
                let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
                if let Some(reason) = failed(answer.function_error, &payload).filter(|_| waits) {
                    return Err(Failure::new(Exit::Function, format!("`{id}` failed again: {reason}"))
                        .hint("it is still a dead letter"));
                }
            }
            Content::Stream => {
                let message = format!("`{id}` names records of a stream, and does not hold them");
                return Err(Failure::new(Exit::Refused, message)
                    .hint("read them from the stream while it keeps them; `cargo eg dead-letters show` has their place"));
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

    /// Returns the queue of messages: the one with this name, or the one whose dead letters these are.
    fn source<'a>(&'a self, named: Option<&str>, failures: &'a Queue) -> Option<&'a Source> {
        named.map_or(failures.source.as_ref(), |name| self.sources.get(name))
    }

    fn letter(&self, message: Message, queue: &Queue) -> Letter {
        let system = message.attributes.unwrap_or_default();
        let number = |name: &System| system.get(name).and_then(|value| value.parse().ok());
        let attributes: BTreeMap<String, String> = message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect();
        let (id, body) = (message.message_id.unwrap_or_default(), message.body.unwrap_or_default());
        let mut dead = Dead::read(id, body, &attributes, system.get(&System::MessageGroupId).cloned());
        dead.sent_ms = number(&System::SentTimestamp);
        if let (Content::Messages(named, _), None) = (&dead.content, &dead.function) {
            dead.function = self.source(named.as_deref(), queue).and_then(|source| source.reader.clone());
        }
        Letter { dead, queue: queue.clone(), receipt: message.receipt_handle.unwrap_or_default() }
    }
}

impl Source {
    /// Returns its name in AWS.
    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

/// Returns why a function failed to handle records, from its answer; `None` if it did not fail.
fn failed(error: Option<String>, answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let named = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(error) = error {
        return Some(named(&answer["errorMessage"]).unwrap_or(error));
    }
    // The partial batch response, and what our runtime says besides.
    answer["batchItemFailures"].as_array().filter(|failures| !failures.is_empty())?;
    let reason = answer["errors"].as_object().and_then(|errors| errors.values().find_map(named));
    Some(reason.unwrap_or_else(|| "the function reports that it failed".to_owned()))
}

/// Returns the queues of a stack by their logical ids.
fn sources<'a>(template: &'a Value, resources: &'a [Resource]) -> impl Iterator<Item = (&'a str, Source)> {
    let nothing = Map::new();
    let queues = resources.iter().filter(|resource| resource.kind == QUEUE);
    queues.map(move |Resource { id, physical, .. }| {
        let reader = match Reader::new(template, &nothing).readers(id).as_slice() {
            [only] => resources.iter().find(|one| one.id == *only).map(|one| one.physical.clone()),
            _ => None,
        };
        // The physical name of a queue is its URL.
        (id.as_str(), Source { url: physical.clone(), reader })
    })
}

/// Returns the queues of a stack in which others put what has failed.
fn queues(template: &Value, resources: &[Resource]) -> Vec<Queue> {
    let nothing = Map::new();
    let reader = Reader::new(template, &nothing);
    let mut targets = BTreeSet::new();
    failing(template, &mut |target| targets.extend(reader.referenced(target)));
    let sources: BTreeMap<&str, Source> = sources(template, resources).collect();
    let moves_to = |source: &str, id: &str| {
        reader.referenced(&template["Resources"][source]["Properties"]["RedrivePolicy"]) == Some(id)
    };
    targets
        .into_iter()
        .filter_map(|id| {
            Some(Queue {
                url: sources.get(id)?.url.clone(),
                name: name(id, &template["Resources"][id]),
                source: sources
                    .iter()
                    .find(|(source, _)| moves_to(source, id))
                    .map(|(_, source)| source.clone()),
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
        let queue = |name: &str, source: Option<Source>| Queue {
            url: format!("https://{name}"),
            name: name.to_owned(),
            source,
        };
        let orders = Source { url: "https://Orders".to_owned(), reader: Some("https://Pack".to_owned()) };
        assert_eq!(
            queues(&template, &resources),
            [queue("BillFailures", None), queue("OrdersFailures", Some(orders))]
        );
    }
}

//! Refuses deployments that would lose data: looks into queues, and says what would be gone. Which resources leave a stack is
//! left to `losses`.

use aws_config::SdkConfig;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use super::contents::Resource;
use super::losses::Loss;
use super::stack::Stack;
use crate::aws::failure;
use crate::console::text::count;
use crate::exit::{Exit, Failure, warn};

/// Refuses to delete data, unless the user allows it: tables and the like, and queues with messages. A queue that AWS keeps
/// loses its messages, too: no later deployment adopts it, so nobody reads them.
pub(super) async fn guard(
    config: &SdkConfig,
    stack: &Stack,
    lost: Vec<Loss>,
    allowed: bool,
) -> Result<(), Failure> {
    let has_queues = lost.iter().any(Loss::is_queue);
    // Queues are in the stack itself.
    let resources = if has_queues { stack.resources(&json!({})).await? } else { Vec::new() };
    let (mut deleted, mut unread) = (Vec::new(), Vec::new());
    for loss in lost {
        let number = match loss.is_queue() {
            true => messages(config, &resources, &loss).await?,
            false => 0,
        };
        let words = loss.words();
        match (loss.is_kept, number) {
            (true, 0) if loss.is_queue() => eprintln!("{words} leaves the stack; AWS keeps it"),
            (true, 0) => eprintln!("{words} leaves the stack; AWS keeps it with its data"),
            (true, number) => unread.push((words, count(number, "message"))),
            (false, 0) if loss.is_queue() => {}
            (false, 0) => deleted.push(words),
            (false, number) => deleted.push(format!("{words} with {}", count(number, "message"))),
        }
    }
    let stranded = |verb: &str| -> Vec<String> {
        let one = |(words, messages): &(String, String)| {
            format!("{words} {verb} the stack with {messages} that nobody reads")
        };
        unread.iter().map(one).collect()
    };
    if allowed {
        if !deleted.is_empty() {
            warn(&format!("this deletes {}", deleted.join(", ")));
        }
        stranded("leaves").iter().for_each(|text| warn(text));
        return Ok(());
    }
    let mut texts = stranded("would leave");
    if !deleted.is_empty() {
        texts.insert(0, format!("this would delete {}", deleted.join(", ")));
    }
    if texts.is_empty() {
        return Ok(());
    }
    let hint = match deleted.is_empty() {
        true => {
            "handle the messages first, or keep the queue in the code; --allow-delete goes on without them"
        }
        false => "keep it in the code or in eg.toml; --allow-delete deletes it",
    };
    Err(Failure::new(Exit::WouldLose, texts.join("; ")).hint(hint))
}

/// Returns how many messages a queue of the stack holds.
async fn messages(config: &SdkConfig, resources: &[Resource], queue: &Loss) -> Result<usize, Failure> {
    let Some(resource) = resources.iter().find(|resource| resource.id == queue.id) else { return Ok(0) };
    let wanted = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ];
    let client = aws_sdk_sqs::Client::new(config);
    let call =
        client.get_queue_attributes().queue_url(&resource.physical).set_attribute_names(Some(wanted.into()));
    let answer = match call.send().await {
        Err(error)
            if error.as_service_error().is_some_and(GetQueueAttributesError::is_queue_does_not_exist) =>
        {
            return Ok(0);
        }
        answer => {
            answer.map_err(|error| failure(&format!("count the messages of {}", queue.words()), &error))?
        }
    };
    let numbers = answer.attributes.unwrap_or_default();
    Ok(numbers.values().filter_map(|number| number.parse::<usize>().ok()).sum())
}

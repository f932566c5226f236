//! `cargo eg emit --queue` and `cargo eg dead-letters --queue`: calls the queues of the local app. Their API is in
//! `eg_local::queues`.

use std::time::Duration;

use bytes::Bytes;
use eg_local::queues::{
    Changed, DeadMessage, DeadMessages, LetterChange, QueueWithLetters, QueuesWithLetters,
};
use http::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::post::{PostError, post, send as call};
use super::{find, json_line, print};
use crate::cli;
use crate::console::text::{BOLD, DIM, RED, clock, columns, count, one_line, styled, time_of};
use crate::exit::{Exit, Failure};

/// The account of the local queues.
const ACCOUNT: &str = eg_local::emulator::ACCOUNT;

/// How long the local queues may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long they may take for an addition to the output of a command.
const GLANCE: Duration = Duration::from_secs(2);

/// The queues of the app whose local Lambda is at this URL.
#[derive(Debug)]
pub(super) struct Queues(String);

pub(super) async fn send(arguments: &cli::Emit, name: &str, message: &str) -> Result<(), Failure> {
    let queues = Queues::at(arguments.lambda.url());
    let mut request = json!({ "QueueUrl": format!("{}/{ACCOUNT}/{name}", queues.0), "MessageBody": message });
    if let Some(group) = &arguments.group {
        request["MessageGroupId"] = group.as_str().into();
    }
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let answer: Value =
        queues.read(name, post(&format!("{}/", queues.0), &headers, request.to_string()).await)?;
    let id = answer["MessageId"].as_str().unwrap_or_default();
    print(&if arguments.json {
        json_line(&json!({"queue": name, "id": id}))?
    } else {
        format!("Message sent: {name}\nid: {id}\n")
    })
}

/// Lists the dead letters of a queue, newest first.
pub(super) async fn list(queues: &Queues, queue: &str, limit: usize, json: bool) -> Result<(), Failure> {
    let DeadMessages { messages, total } = queues.letters(queue, &format!("limit={limit}")).await?;
    if json {
        return print(&messages.iter().map(line).collect::<Result<String, _>>()?);
    }
    if messages.is_empty() {
        eprintln!("queue `{queue}` has no dead letters");
    } else {
        if messages.len() as u64 != total {
            eprintln!("showing {} of {total}; --limit N shows more", messages.len());
        }
        eprintln!(
            "`cargo eg dead-letters retry ID --queue {queue}` puts a message back into the queue, `discard ID` deletes it; \
             write `--all` instead of ID for all"
        );
    }
    let row = |one: &DeadMessage| {
        let died = one.dead_at.map(|at| styled(DIM, &clock(time_of(at)))).unwrap_or_default();
        [one.message_id.clone(), died, one_line(&one.body), styled(RED, &one_line(&reason(one)))]
    };
    print(&columns(&messages.iter().map(row).collect::<Vec<_>>()))
}

/// Shows one dead letter of a queue.
pub(super) async fn show(queues: &Queues, queue: &str, id: &str, json: bool) -> Result<(), Failure> {
    let one = queues.letter(queue, id).await?;
    if json {
        return print(&line(&one)?);
    }
    let mut rows = vec![["reason", &reason(&one)].map(str::to_owned)];
    let mut row =
        |name: &str, value: Option<String>| rows.extend(value.map(|value| [name.to_owned(), value]));
    row("group", one.group.clone());
    row("sent", Some(clock(time_of(one.sent_at))));
    row("given up", one.dead_at.map(|at| clock(time_of(at))));
    row("received", one.receives.map(|receives| count(receives as usize, "time")));
    row("message", Some(one.body.clone()));
    let rows: Vec<_> = rows.iter().map(|[name, value]| [styled(DIM, name), one_line(value)]).collect();
    let mut text = format!("{BOLD}dead letter {}{BOLD:#} of queue {queue}\n", one.message_id);
    columns(&rows).lines().for_each(|line| text += &format!("  {line}\n"));
    print(&text)
}

/// Puts dead letters of a queue back into the queue: one, with another body if given, or all.
pub(super) async fn retry(
    queues: &Queues,
    queue: &str,
    id: Option<&str>,
    body: Option<String>,
    json: bool,
) -> Result<(), Failure> {
    let changed = queues.change(queue, "retry", id, body).await?;
    print(&if json {
        json_line(&json!({"queue": queue, "moved": changed}))?
    } else {
        format!("{} put back into queue {queue}\n", count(changed, "message"))
    })
}

/// Removes dead letters of a queue: one, or all.
pub(super) async fn discard(
    queues: &Queues,
    queue: &str,
    id: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let changed = queues.change(queue, "discard", id, None).await?;
    print(&if json {
        json_line(&json!({"queue": queue, "discarded": changed}))?
    } else {
        format!("{} discarded\n", count(changed, "message"))
    })
}

/// Describes the queues of the app running here that have dead letters, one line each. Returns nothing if none answers.
pub(super) async fn mentioned(lambda: &cli::LocalLambda) -> String {
    let Some(base) = lambda.known() else { return String::new() };
    let url = format!("{base}/eg/dead-letters");
    let answer = call(Method::GET, &url, &[], Bytes::new(), GLANCE).await;
    let found =
        answer.ok().and_then(|answer| serde_json::from_slice::<QueuesWithLetters>(answer.body()).ok());
    let line = |QueueWithLetters { queue, dead_letters }: QueueWithLetters| {
        let letters = count(usize::try_from(dead_letters).unwrap_or(usize::MAX), "dead letter");
        format!("{letters} of queue {queue}; `cargo eg dead-letters --queue {queue}` lists them\n")
    };
    found.into_iter().flat_map(|found| found.queues).map(line).collect()
}

/// Returns a dead letter as one line of JSON.
fn line(one: &DeadMessage) -> Result<String, Failure> {
    let at = |millis: i64| time_of(millis).format(&Rfc3339).unwrap_or_default();
    let line = json!({
        "id": one.message_id, "sentAt": at(one.sent_at), "deadAt": one.dead_at.map(at), "receives": one.receives,
        "reason": one.reason, "group": one.group, "body": one.body,
    });
    json_line(&line)
}

fn reason(one: &DeadMessage) -> String {
    let unknown = || "no reason recorded: the receiver did not delete it in time".to_owned();
    one.reason.clone().unwrap_or_else(unknown)
}

impl Queues {
    pub(super) fn at(url: String) -> Self {
        Self(url)
    }

    async fn letters(&self, queue: &str, query: &str) -> Result<DeadMessages, Failure> {
        let url = format!("{}/eg/dead-letters/{queue}?{query}", self.0);
        self.read(queue, call(Method::GET, &url, &[], Bytes::new(), PATIENCE).await)
    }

    /// Returns the dead letter with this id or, if there is none, the only one whose id begins or ends with it.
    async fn letter(&self, queue: &str, id: &str) -> Result<DeadMessage, Failure> {
        if id.is_empty() {
            return Err(Failure::new(Exit::Usage, "the id is empty").hint(listed_by(queue)));
        }
        let mut messages = self.letters(queue, "").await?.messages;
        if let Some(at) = messages.iter().position(|message| message.message_id == id) {
            return Ok(messages.swap_remove(at));
        }
        messages.retain(|message| find::is_part(id, &message.message_id));
        match messages.as_slice() {
            [_] => Ok(messages.remove(0)),
            [] => Err(Failure::new(Exit::NotFound, format!("queue `{queue}` has no dead letter `{id}`"))
                .hint(listed_by(queue))),
            several => {
                let message = format!("`{id}` matches {} dead letters of queue `{queue}`", several.len());
                Err(Failure::new(Exit::Usage, message).hint("write more of the id"))
            }
        }
    }

    /// Changes one dead letter of a queue, or all, and returns how many.
    async fn change(
        &self,
        queue: &str,
        change: &str,
        id: Option<&str>,
        body: Option<String>,
    ) -> Result<usize, Failure> {
        let id = match id {
            Some(id) => Some(self.letter(queue, id).await?.message_id),
            None => None,
        };
        let url = format!("{}/eg/dead-letters/{queue}/{change}", self.0);
        let request = serde_json::to_vec(&LetterChange { id, body }).unwrap_or_default();
        let answer =
            call(Method::POST, &url, &[("content-type", "application/json")], request.into(), PATIENCE).await;
        let Changed { changed } = self.read(queue, answer)?;
        Ok(changed)
    }

    /// Reads an answer about a queue.
    fn read<T: DeserializeOwned>(
        &self,
        queue: &str,
        answer: Result<Response<Bytes>, PostError>,
    ) -> Result<T, Failure> {
        let base = &self.0;
        let response = answer.map_err(|error| {
            Failure::because(Exit::Unreachable, format!("no local queues answer at {base}"), error)
                .hint("`cargo eg run` starts the app and its queues; --lambda-url names another address")
        })?;
        if !response.status().is_success() {
            let answer = serde_json::from_slice(response.body()).unwrap_or_default();
            return Err(refused(queue, response.status(), &answer));
        }
        serde_json::from_slice(response.body()).map_err(|error| {
            Failure::because(
                Exit::Refused,
                format!("the program at {base} does not answer like local queues"),
                error,
            )
        })
    }
}

/// Returns the hint for an id that leads to no dead letter.
fn listed_by(queue: &str) -> String {
    format!("`cargo eg dead-letters --queue {queue}` lists them with their ids")
}

fn refused(queue: &str, status: StatusCode, answer: &Value) -> Failure {
    let text = |key: &str| answer[key].as_str();
    let message = text("message").or(text("Message"));
    let message = message.map_or_else(|| format!("status {status}"), str::to_owned);
    if text("__type").is_some_and(|kind| kind.ends_with("QueueDoesNotExist")) {
        return Failure::new(Exit::NotFound, message)
            .hint("the app creates the queues of its `#[queue(\"NAME\")]` functions when it starts");
    }
    Failure::new(Exit::Refused, format!("the local queues refused the request about `{queue}`: {message}"))
}

//! `cargo eg dead-letters`: what was given up; shown, tried again, or taken off the list.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::data::Payload;
use super::events::payload;
use super::{print, queue};
use crate::cli::{self, LetterAction};
use crate::console::text::{BOLD, DIM, RED, clock, columns, count, one_line, styled};
use crate::exit::{Exit, Failure};
use crate::history::client::History;
use crate::history::view::DeadLetter;

/// A page of dead letters, each as it came.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    dead_letters: Vec<Box<RawValue>>,
}

/// The longest page that gateways give.
const PAGE: usize = 500;

pub(crate) async fn run(arguments: cli::DeadLetters) -> Result<(), Failure> {
    match arguments.action {
        None => list(arguments.list).await,
        Some(LetterAction::List(arguments)) => list(arguments).await,
        Some(LetterAction::Show(arguments)) => show(arguments).await,
        Some(LetterAction::Retry(arguments)) => retry(arguments).await,
        Some(LetterAction::Discard(arguments)) => discard(arguments).await,
    }
}

async fn list(arguments: cli::ListLetters) -> Result<(), Failure> {
    let cli::ListLetters { function, ty, expired, limit, json, queue, lambda, gateway } = arguments;
    if let Some(name) = &queue {
        return queue::list_dead_letters(&lambda.url(), name, limit, json).await;
    }
    let history = History::of(gateway.settings())?;
    let wanted = |letter: &DeadLetter| {
        let named = |name: &str| {
            letter.function_id.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
        };
        function.as_deref().is_none_or(named) && ty.as_ref().is_none_or(|ty| letter.event_type == *ty)
    };
    let letters = letters(&history, expired, limit, wanted).await?;
    if json {
        let lines: Vec<String> = letters.iter().map(|(raw, _)| format!("{raw}\n")).collect();
        return print(&lines.concat());
    }
    if letters.is_empty() {
        eprintln!("{}", if expired { "nothing has expired" } else { "no dead letters" });
    } else if !expired {
        eprintln!(
            "`cargo eg dead-letters retry NUMBER` delivers one again, `discard NUMBER` takes it off the list"
        );
    }
    let row = |(_, letter): &(Box<RawValue>, DeadLetter)| {
        [
            letter.dead_letter_id.to_string(),
            styled(DIM, &clock(&letter.dead_at)),
            letter.function_id.clone(),
            format!("{} {}", letter.event_type, letter.event_id),
            styled(RED, &one_line(&letter.reason)),
        ]
    };
    print(&columns(&letters.iter().map(row).collect::<Vec<_>>()))
}

/// The newest that are wanted, `limit` of them at most, as they came and as they are read.
async fn letters(
    history: &History,
    expired: bool,
    limit: usize,
    wanted: impl Fn(&DeadLetter) -> bool,
) -> Result<Vec<(Box<RawValue>, DeadLetter)>, Failure> {
    let (mut found, mut before) = (Vec::new(), None::<i64>);
    while found.len() < limit {
        let mut query = vec![("limit", PAGE.to_string())];
        query.extend(expired.then(|| ("state", "expired".to_owned())));
        query.extend(before.map(|before| ("before", before.to_string())));
        let page: Page = history
            .get(&["dead-letters"], &query)
            .await?
            .ok_or_else(|| history.keeps_none("dead letters"))?;
        let complete = page.dead_letters.len() < PAGE;
        for raw in page.dead_letters {
            let letter = read(&raw)?;
            before = Some(letter.dead_letter_id);
            if wanted(&letter) && found.len() < limit {
                found.push((raw, letter));
            }
        }
        if complete {
            break;
        }
    }
    Ok(found)
}

async fn show(arguments: cli::ShowLetter) -> Result<(), Failure> {
    let cli::ShowLetter { id, json, gateway } = arguments;
    let history = History::of(gateway.settings())?;
    let raw = one(&history, id).await?;
    if json {
        return print(&format!("{raw}\n"));
    }
    let letter = read(&raw)?;
    let mut text =
        format!("{BOLD}dead letter {id}{BOLD:#}: {} for {}\n", letter.event_type, letter.function_id);
    let rows = [
        ["reason", &letter.reason],
        ["event", &letter.event_id],
        ["source", &letter.source],
        ["subscription", &letter.subscription_id],
        ["accepted", &clock(&letter.accepted_at)],
        ["given up", &clock(&letter.dead_at)],
        ["data", &payload(&letter.event)],
    ];
    let rows: Vec<_> = rows.map(|[name, value]| [styled(DIM, name), one_line(value)]).into();
    let attempts: Vec<_> = letter.attempts.iter().map(super::show::attempt).collect();
    for line in columns(&rows).lines().chain(columns(&attempts).lines()) {
        let _ = writeln!(text, "  {line}");
    }
    print(&text)
}

async fn retry(arguments: cli::RetryLetters) -> Result<(), Failure> {
    let cli::RetryLetters { id, all: _, data, queue, lambda, json, gateway } = arguments;
    if let Some(name) = &queue {
        return queue::retry_dead_letters(&lambda.url(), name, json).await;
    }
    let history = History::of(gateway.settings())?;
    let number = id.map(|id| id.to_string());
    let mut path = vec!["dead-letters"];
    path.extend(number.as_deref());
    path.push("redrive");
    let body = match (id, data) {
        (Some(id), Some(data)) => Some(json!({"event": with_data(&one(&history, id).await?, &data)?})),
        _ => None,
    };
    let answer: Value = history.post(&path, body).await?.ok_or_else(|| missing(&history, id))?;
    if json {
        return print(&format!("{answer}\n"));
    }
    let number = |member: &str| {
        answer.get(member).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    };
    let (redriven, skipped) = (number("redriven"), number("skipped"));
    if skipped > 0 {
        eprintln!("{} left: their subscriptions are deleted or disabled", count(skipped, "dead letter"));
    }
    print(&format!("{} due again\n", count(redriven, "delivery")))
}

async fn discard(arguments: cli::DiscardLetters) -> Result<(), Failure> {
    let cli::DiscardLetters { id, all: _, queue, lambda, json, gateway } = arguments;
    if let Some(name) = &queue {
        return queue::discard_dead_letters(&lambda.url(), name, json).await;
    }
    let history = History::of(gateway.settings())?;
    let number = id.map(|id| id.to_string());
    let mut path = vec!["dead-letters"];
    path.extend(number.as_deref());
    let answer = history.delete(&path).await?.ok_or_else(|| missing(&history, id))?;
    let discarded = match id {
        Some(_) => 1,
        None => {
            answer.get("discarded").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
        }
    };
    if json {
        return print(&format!("{}\n", json!({"discarded": discarded})));
    }
    print(&format!("{} discarded\n", count(discarded, "dead letter")))
}

async fn one(history: &History, id: i64) -> Result<Box<RawValue>, Failure> {
    history.get(&["dead-letters", &id.to_string()], &[]).await?.ok_or_else(|| missing(history, Some(id)))
}

/// The event of a dead letter with another payload. All else stays, its id too.
fn with_data(letter: &RawValue, data: &str) -> Result<Value, Failure> {
    let data: Value = serde_json::from_str(&Payload::read(data)?.text)
        .map_err(|error| Failure::new(Exit::Usage, format!("--data is not JSON: {error}")))?;
    let mut event: Value = serde_json::from_str(read(letter)?.event.get()).unwrap_or_default();
    let Some(members) = event.as_object_mut() else {
        return Err(Failure::new(Exit::Refused, "the dead letter has no event that could be changed"));
    };
    members.remove("data_base64");
    members.insert("data".to_owned(), data);
    Ok(event)
}

fn missing(history: &History, id: Option<i64>) -> Failure {
    match id {
        Some(id) => Failure::new(Exit::NotFound, format!("no dead letter {id}"))
            .hint("`cargo eg dead-letters` lists them with their numbers"),
        None => history.keeps_none("dead letters"),
    }
}

fn read(letter: &RawValue) -> Result<DeadLetter, Failure> {
    serde_json::from_str(letter.get()).map_err(|error| {
        Failure::because(Exit::Refused, "the gateway's answer is no dead letter".to_owned(), error)
    })
}

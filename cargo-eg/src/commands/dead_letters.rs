//! `cargo eg dead-letters`: lists, shows, retries and discards the deliveries that were given up.

use std::fmt::Write as _;

use eg_sdk::EventGateway;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{DeadLetter, Discarded, Loss, RedriveRequest, Redriven};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::data::Payload;
use super::events::payload;
use super::history::{client, failure};
use super::{json_line, print, queue};
use crate::cli::{self, LetterAction};
use crate::console::text::{BOLD, DIM, RED, clock, columns, count, one_line, styled};
use crate::exit::{Exit, Failure};

/// The number of dead letters that one call reads.
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
    let gateway = client(gateway.settings())?;
    let loss = if expired { Loss::Expired } else { Loss::Dead };
    let wanted = |letter: &DeadLetter| {
        let named = |name: &str| {
            letter.function_id.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
        };
        function.as_deref().is_none_or(named) && ty.as_ref().is_none_or(|ty| letter.event_type == *ty)
    };
    let letters = letters(&gateway, loss, limit, wanted).await?;
    if json {
        return print(&letters.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    match (letters.as_slice(), loss) {
        ([], Loss::Expired) => eprintln!("nothing has expired"),
        ([], Loss::Dead) => eprintln!("no dead letters"),
        (_, Loss::Expired) => {}
        (_, Loss::Dead) => eprintln!(
            "`cargo eg dead-letters retry NUMBER` delivers one again, `discard NUMBER` takes it off the list"
        ),
    }
    let row = |letter: &DeadLetter| {
        [
            letter.dead_letter_id.to_string(),
            styled(DIM, &clock(letter.dead_at)),
            letter.function_id.clone(),
            format!("{} {}", letter.event_type, letter.event_id),
            styled(RED, &one_line(&letter.reason)),
        ]
    };
    print(&columns(&letters.iter().map(row).collect::<Vec<_>>()))
}

/// Returns the newest matching dead letters, at most `limit`.
async fn letters(
    gateway: &EventGateway,
    loss: Loss,
    limit: usize,
    wanted: impl Fn(&DeadLetter) -> bool,
) -> Result<Vec<DeadLetter>, Failure> {
    let (mut found, mut before) = (Vec::new(), None);
    while found.len() < limit {
        let page = gateway.dead_letters().page(loss, before, PAGE).await.map_err(failure)?;
        found.extend(page.dead_letters.into_iter().filter(&wanted));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

async fn show(arguments: cli::ShowLetter) -> Result<(), Failure> {
    let cli::ShowLetter { id, json, gateway } = arguments;
    let letter = one(&client(gateway.settings())?, id).await?;
    if json {
        return print(&json_line(&letter)?);
    }
    let mut text =
        format!("{BOLD}dead letter {id}{BOLD:#}: {} for {}\n", letter.event_type, letter.function_id);
    let rows = [
        ["reason", &letter.reason],
        ["event", &letter.event_id],
        ["source", &letter.source],
        ["subscription", &letter.subscription_id],
        ["accepted", &clock(letter.accepted_at)],
        ["given up", &clock(letter.dead_at)],
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
    let gateway = client(gateway.settings())?;
    let answer = match id {
        Some(id) => {
            let edited = match data {
                Some(data) => Some(with_data(&one(&gateway, id).await?, &data)?),
                None => None,
            };
            let answer = gateway.dead_letters().redrive(id, edited.as_ref()).await;
            answer.map_err(|error| about(id, error))?
        }
        None => gateway.dead_letters().redrive_all().await.map_err(failure)?,
    };
    if json {
        return print(&json_line(&answer)?);
    }
    let Redriven { redriven, skipped } = answer;
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
    let gateway = client(gateway.settings())?;
    let answer = match id {
        Some(id) => {
            gateway.dead_letters().discard(id).await.map_err(|error| about(id, error))?;
            Discarded { discarded: 1 }
        }
        None => gateway.dead_letters().discard_all().await.map_err(failure)?,
    };
    if json {
        return print(&json_line(&answer)?);
    }
    print(&format!("{} discarded\n", count(answer.discarded, "dead letter")))
}

async fn one(gateway: &EventGateway, id: i64) -> Result<DeadLetter, Failure> {
    gateway.dead_letters().get(id).await.map_err(failure)?.ok_or_else(|| missing(id))
}

/// Returns a request that redrives the dead letter with another payload. The rest of the event stays the same,
/// including its id.
fn with_data(letter: &DeadLetter, data: &str) -> Result<RedriveRequest, Failure> {
    let data: Value = serde_json::from_str(&Payload::read(data)?.text)
        .map_err(|error| Failure::new(Exit::Usage, format!("--data is not JSON: {error}")))?;
    let mut event: Value = serde_json::from_str(letter.event.get()).unwrap_or_default();
    let Some(members) = event.as_object_mut() else {
        return Err(Failure::new(Exit::Refused, "the dead letter has no event that could be changed"));
    };
    members.remove("data_base64");
    members.insert("data".to_owned(), data);
    let event = to_raw_value(&event);
    let event =
        event.map_err(|error| Failure::because(Exit::Failed, "cannot write JSON".to_owned(), error))?;
    Ok(RedriveRequest { event })
}

/// Returns the failure of a call about one dead letter.
fn about(id: i64, error: eg_sdk::Error) -> Failure {
    if error.code() == Some(ErrorCode::NotFound) { missing(id) } else { failure(error) }
}

fn missing(id: i64) -> Failure {
    Failure::new(Exit::NotFound, format!("no dead letter {id}"))
        .hint("`cargo eg dead-letters` lists them with their numbers")
}

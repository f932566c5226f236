//! `cargo eg dead-letters`: lists, shows, retries and discards the deliveries that were given up.

use std::fmt::Write as _;

use eg_sdk::EventGateway;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{DeadLetter, Discarded, Loss, RedriveRequest, Redriven};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::data::Payload;
use super::events::payload;
use super::functions::{self, Problem, is_named};
use super::history::{client, failure};
use super::queue::Queues;
use super::stage::is_on_aws;
use super::{jobs, json_line, print, queue, stage_letters};
use crate::cli::{self, LetterAction};
use crate::console::progress::Progress;
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
    if is_on_aws(&arguments.aws, None)? {
        return stage_letters::list(&arguments).await;
    }
    let cli::ListLetters { function, ty, expired, limit, json, queue, lambda, gateway, .. } = arguments;
    if let Some(name) = &queue {
        return queue::list(&Queues::at(lambda.url()), name, limit, json).await;
    }
    let gateway = client(gateway.settings())?;
    let wanted = Wanted { loss: given_up(expired), function, ty };
    let letters = letters(&gateway, &wanted, limit).await?;
    if letters.is_empty() {
        wanted.check_function(&gateway).await?;
    }
    if json {
        return print(&letters.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    let loss = wanted.loss;
    let in_queues = if wanted.is_everything() && loss == Loss::Dead {
        queue::mentioned(&lambda).await
    } else {
        String::new()
    };
    match (letters.as_slice(), loss) {
        ([], Loss::Expired) => eprintln!("no expired deliveries"),
        ([], Loss::Dead) if in_queues.is_empty() => eprintln!("no dead letters"),
        ([], Loss::Dead) => eprintln!("no dead letters of subscriptions"),
        (_, Loss::Expired) => {}
        (_, Loss::Dead) => eprintln!(
            "`cargo eg dead-letters retry NUMBER` delivers one again, `discard NUMBER` removes it from this list"
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
    eprint!("{in_queues}");
    print(&columns(&letters.iter().map(row).collect::<Vec<_>>()))
}

/// The dead letters that a command is about.
struct Wanted {
    loss: Loss,
    /// Only those of this function (name or id).
    function: Option<String>,
    /// Only those of events of this type.
    ty: Option<String>,
}

impl Wanted {
    fn is_everything(&self) -> bool {
        self.function.is_none() && self.ty.is_none()
    }

    fn has(&self, letter: &DeadLetter) -> bool {
        self.function.as_deref().is_none_or(|name| is_named(name, &letter.function_id))
            && self.ty.as_ref().is_none_or(|ty| letter.event_type == *ty)
    }

    /// Fails if the function is not registered. It may still have dead letters of earlier times.
    async fn check_function(&self, gateway: &EventGateway) -> Result<(), Failure> {
        let Some(name) = &self.function else { return Ok(()) };
        match functions::find(name, &functions::registered(gateway).await?) {
            Err(problem @ Problem::Unknown(_)) => Err(problem.at_the_gateway(name)),
            _ => Ok(()),
        }
    }

    /// Calls `change` with the number of each of them, one after the other. Returns how many were changed, and how many were
    /// not because their subscription is deleted or disabled. New ones that arrive meanwhile are left alone.
    async fn change(
        &self,
        gateway: &EventGateway,
        work: &'static str,
        change: impl AsyncFn(i64) -> Result<(), eg_sdk::Error>,
    ) -> Result<(usize, usize), Failure> {
        let _progress = Progress::begin(work);
        let (mut changed, mut skipped, mut before) = (0, 0, None);
        loop {
            let page = gateway.dead_letters().page(self.loss, before, PAGE).await.map_err(failure)?;
            for letter in page.dead_letters.iter().filter(|letter| self.has(letter)) {
                match change(letter.dead_letter_id).await {
                    Ok(()) => changed += 1,
                    Err(error) => match error.code() {
                        // Somebody else was faster.
                        Some(ErrorCode::NotFound) => {}
                        Some(ErrorCode::SubscriptionInactive) => skipped += 1,
                        _ => return Err(failure(error).hint(format!("{changed} were done before"))),
                    },
                }
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        if changed + skipped == 0 {
            self.check_function(gateway).await?;
        }
        Ok((changed, skipped))
    }
}

/// Returns the newest wanted dead letters, at most `limit`.
async fn letters(gateway: &EventGateway, wanted: &Wanted, limit: usize) -> Result<Vec<DeadLetter>, Failure> {
    let (mut found, mut before) = (Vec::new(), None);
    while found.len() < limit {
        let page = gateway.dead_letters().page(wanted.loss, before, PAGE).await.map_err(failure)?;
        found.extend(page.dead_letters.into_iter().filter(|letter| wanted.has(letter)));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

async fn show(arguments: cli::ShowLetter) -> Result<(), Failure> {
    if is_on_aws(&arguments.aws, None)? {
        return stage_letters::show(&arguments).await;
    }
    let cli::ShowLetter { id, queue, lambda, json, gateway, .. } = arguments;
    if let Some(name) = &queue {
        return queue::show(&Queues::at(lambda.url()), name, &id, json).await;
    }
    let id = number(&id)?;
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
    if is_on_aws(&arguments.aws, None)? {
        return stage_letters::retry(&arguments).await;
    }
    let cli::RetryLetters { chosen, data, queue, lambda, json, gateway, .. } = arguments;
    let cli::Chosen { id, all: _, expired, function, ty } = chosen;
    let wanted = Wanted { loss: given_up(expired), function, ty };
    if let Some(name) = &queue {
        let body = data.map(|data| Payload::read(&data)).transpose()?.map(|payload| payload.text);
        return queue::retry(&Queues::at(lambda.url()), name, id.as_deref(), body, json).await;
    }
    let gateway = client(gateway.settings())?;
    let (answer, to) = match id {
        Some(id) => {
            let letter = one(&gateway, number(&id)?).await?;
            let edited = data.map(|data| with_data(&letter, &data)).transpose()?;
            let answer = gateway.dead_letters().redrive(letter.dead_letter_id, edited.as_ref()).await;
            let to = format!(": {} {} to {}", letter.event_type, letter.event_id, letter.function_id);
            (answer.map_err(|error| about(&letter, error))?, to)
        }
        None if !wanted.is_everything() => {
            let redrive = async |id| gateway.dead_letters().redrive(id, None).await.map(drop);
            let (redriven, skipped) = wanted.change(&gateway, "retrying", redrive).await?;
            (Redriven { redriven, skipped, job_id: None }, String::new())
        }
        None => {
            let mut answer = gateway.dead_letters().redrive_all(wanted.loss).await.map_err(failure)?;
            if let Some(job) = answer.job_id.take() {
                let job = jobs::wait(&gateway, job, "retrying").await?;
                (answer.redriven, answer.skipped) = (job.deliveries, job.skipped);
            }
            (answer, String::new())
        }
    };
    if json {
        return print(&json_line(&answer)?);
    }
    let Redriven { redriven, skipped, .. } = answer;
    if skipped > 0 {
        eprintln!(
            "{} not retried, because the subscription is deleted or disabled; `cargo eg replay EVENT --to FUNCTION` delivers an \
             event to another function",
            count(skipped, noun(expired))
        );
    }
    if to.is_empty() && wanted.is_everything() {
        eprint!("{}", queue::mentioned(&lambda).await);
    }
    if redriven > 0 {
        eprintln!("`cargo eg show EVENT` shows how an event is delivered");
    }
    print(&format!("{} due again{to}\n", count(redriven, "delivery")))
}

async fn discard(arguments: cli::DiscardLetters) -> Result<(), Failure> {
    if is_on_aws(&arguments.aws, None)? {
        return stage_letters::discard(&arguments).await;
    }
    let cli::DiscardLetters { chosen, queue, lambda, json, gateway, .. } = arguments;
    let cli::Chosen { id, all: _, expired, function, ty } = chosen;
    let wanted = Wanted { loss: given_up(expired), function, ty };
    if let Some(name) = &queue {
        return queue::discard(&Queues::at(lambda.url()), name, id.as_deref(), json).await;
    }
    let gateway = client(gateway.settings())?;
    let (answer, of) = match id {
        Some(id) => {
            let letter = one(&gateway, number(&id)?).await?;
            let answer = gateway.dead_letters().discard(letter.dead_letter_id).await;
            answer.map_err(|error| about(&letter, error))?;
            let of = format!(": {} {} for {}", letter.event_type, letter.event_id, letter.function_id);
            (Discarded { discarded: 1, job_id: None }, of)
        }
        None if !wanted.is_everything() => {
            let discard = async |id| gateway.dead_letters().discard(id).await;
            let (discarded, _) = wanted.change(&gateway, "discarding", discard).await?;
            (Discarded { discarded, job_id: None }, String::new())
        }
        None => {
            let mut answer = gateway.dead_letters().discard_all(wanted.loss).await.map_err(failure)?;
            if let Some(job) = answer.job_id.take() {
                answer.discarded = jobs::wait(&gateway, job, "discarding").await?.deliveries;
            }
            (answer, String::new())
        }
    };
    if json {
        return print(&json_line(&answer)?);
    }
    if answer.discarded > 0 {
        eprintln!("`cargo eg show EVENT` still shows the event and its attempts");
    }
    print(&format!("{} discarded{of}\n", count(answer.discarded, noun(expired))))
}

fn given_up(expired: bool) -> Loss {
    if expired { Loss::Expired } else { Loss::Dead }
}

fn noun(expired: bool) -> &'static str {
    if expired { "expired delivery" } else { "dead letter" }
}

/// Reads the number of a dead letter.
fn number(id: &str) -> Result<i64, Failure> {
    let wrong = || Failure::new(Exit::Usage, format!("`{id}` is not the number of a dead letter"));
    id.parse().map_err(|_| {
        wrong()
            .hint("`cargo eg dead-letters` lists them with their numbers; ids of messages need --queue NAME")
    })
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
        return Err(Failure::new(
            Exit::Refused,
            "the dead letter has no event in JSON, so its payload cannot be replaced",
        ));
    };
    members.remove("data_base64");
    members.insert("data".to_owned(), data);
    let event = to_raw_value(&event);
    let event =
        event.map_err(|error| Failure::because(Exit::Failed, "cannot write JSON".to_owned(), error))?;
    Ok(RedriveRequest { event })
}

/// Returns the failure of a call about one dead letter.
fn about(letter: &DeadLetter, error: eg_sdk::Error) -> Failure {
    match error.code() {
        Some(ErrorCode::NotFound) => missing(letter.dead_letter_id),
        Some(ErrorCode::SubscriptionInactive) => {
            let DeadLetter { event_id, source, .. } = letter;
            let replay = format!("cargo eg replay {event_id} --source {source} --to FUNCTION");
            Failure::from(error)
                .hint(format!("`{replay}` delivers the event to a function that is subscribed today"))
        }
        _ => failure(error),
    }
}

fn missing(id: i64) -> Failure {
    Failure::new(Exit::NotFound, format!("no dead letter `{id}`"))
        .hint("`cargo eg dead-letters` lists them with their numbers")
}

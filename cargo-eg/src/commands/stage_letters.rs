//! `cargo eg dead-letters --stage`: lists, shows, retries and discards what failed on AWS. `crate::deploy::letters` knows the
//! queues.

use std::cmp::Reverse;

use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::data::Payload;
use super::find::is_part;
use super::functions::is_named;
use super::stage::connected;
use super::{json_line, print};
use crate::cli;
use crate::console::text::{BOLD, DIM, RED, clock, columns, count, one_line, styled, time_of};
use crate::deploy::Target;
use crate::deploy::letters::{Letter, Letters};
use crate::deploy::stack::Stack;
use crate::exit::{Exit, Failure};

/// The dead letters of a stage.
struct Stage {
    letters: Letters,
    target: Target,
}

impl Stage {
    async fn open(aws: &cli::OnAws) -> Result<Self, Failure> {
        let (config, target) = connected(aws, None).await?;
        let stack = Stack::new(&config, target.clone());
        let template = stack.template().await?;
        let letters = Letters::new(&config, &template, &stack.resources(&template).await?);
        Ok(Self { letters, target })
    }

    /// Returns the id of the function that failed, as in the code.
    fn function(&self, letter: &Letter) -> String {
        let name = letter.dead.function_name().unwrap_or_default();
        self.target.own_name(name).to_owned()
    }

    /// Returns the letter with this id, or the only one whose id begins or ends with it. All others are put back.
    async fn one(&self, id: &str) -> Result<Letter, Failure> {
        if id.is_empty() {
            return Err(Failure::new(Exit::Usage, "the id is empty").hint(self.listed()));
        }
        let all = self.letters.receive(|letter| letter.dead.id != id).await?;
        let (mut found, others): (Vec<Letter>, Vec<Letter>) =
            all.into_iter().partition(|letter| is_part(id, &letter.dead.id));
        self.letters.put_back(&others).await?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let message = format!("stack `{}` has no dead letter `{id}`", self.target.stack);
                Err(Failure::new(Exit::NotFound, message).hint(self.listed()))
            }
            number => {
                self.letters.put_back(&found).await?;
                Err(Failure::new(Exit::Usage, format!("`{id}` matches {number} dead letters"))
                    .hint("write more of the id"))
            }
        }
    }

    /// Returns the letters that a command changes.
    async fn chosen(&self, chosen: &cli::Chosen) -> Result<Vec<Letter>, Failure> {
        match &chosen.id {
            Some(id) => Ok(vec![self.one(id).await?]),
            None => self.letters.receive(|_| true).await,
        }
    }

    fn listed(&self) -> String {
        format!("`{}` lists them with their ids", self.target.command("dead-letters"))
    }

    fn line(&self, letter: &Letter) -> Result<String, Failure> {
        let (ty, id) = letter.dead.event().unzip();
        let sent = letter.dead.sent_ms.map(time_of).and_then(|time| time.format(&Rfc3339).ok());
        json_line(&json!({
            "id": letter.dead.id, "function": self.function(letter), "eventType": ty, "eventId": id,
            "reason": letter.dead.reason, "deadAt": sent, "queue": letter.queue.name, "message": letter.dead.body,
        }))
    }
}

/// Lists the dead letters, the newest first.
pub(super) async fn list(arguments: &cli::ListLetters) -> Result<(), Failure> {
    let cli::ListLetters { function, ty, limit, json, aws, .. } = arguments;
    let stage = Stage::open(aws).await?;
    let fits = |letter: &Letter| {
        function.as_deref().is_none_or(|name| is_named(name, &stage.function(letter)))
            && ty.as_ref().is_none_or(|ty| letter.dead.event().is_some_and(|(of, _)| of == *ty))
    };
    let mut found = 0;
    let letters = stage.letters.receive(|letter| {
        found += usize::from(fits(letter));
        found < *limit
    });
    let mut letters = letters.await?;
    stage.letters.put_back(&letters).await?;
    letters.retain(fits);
    letters.sort_by_key(|letter| Reverse(letter.dead.sent_ms));
    letters.truncate(*limit);
    if *json {
        return print(&letters.iter().map(|letter| stage.line(letter)).collect::<Result<String, _>>()?);
    }
    if letters.is_empty() {
        eprintln!("no dead letters");
    } else {
        let command = |name: &str| stage.target.command(&format!("dead-letters {name}"));
        eprintln!("`{}` hands one in again, `{}` deletes it", command("retry ID"), command("discard ID"));
    }
    let row = |letter: &Letter| {
        let what = match letter.dead.event() {
            Some((ty, id)) => format!("{ty} {id}"),
            None => format!("message of queue {}", letter.queue.name),
        };
        let at = letter.dead.sent_ms.map(|at| styled(DIM, &clock(time_of(at)))).unwrap_or_default();
        let reason = styled(RED, &one_line(&letter.dead.reason));
        [letter.dead.id.clone(), at, one_line(&stage.function(letter)), one_line(&what), reason]
    };
    print(&columns(&letters.iter().map(row).collect::<Vec<_>>()))
}

/// Shows one dead letter.
pub(super) async fn show(arguments: &cli::ShowLetter) -> Result<(), Failure> {
    let stage = Stage::open(&arguments.aws).await?;
    let letter = stage.one(&arguments.id).await?;
    stage.letters.put_back(std::slice::from_ref(&letter)).await?;
    if arguments.json {
        return print(&stage.line(&letter)?);
    }
    let mut rows = vec![["reason".to_owned(), letter.dead.reason.clone()]];
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("function", stage.function(&letter));
    row("queue", letter.queue.name.clone());
    if let Some(at) = letter.dead.sent_ms {
        row("given up", clock(time_of(at)));
    }
    row("payload", letter.dead.payload().to_owned());
    let rows: Vec<_> = rows.iter().map(|[name, value]| [styled(DIM, name), one_line(value)]).collect();
    let mut text = format!("{BOLD}dead letter {}{BOLD:#}\n", letter.dead.id);
    columns(&rows).lines().for_each(|line| text += &format!("  {line}\n"));
    print(&text)
}

/// Hands in one dead letter again, or all.
pub(super) async fn retry(arguments: &cli::RetryLetters) -> Result<(), Failure> {
    let stage = Stage::open(&arguments.aws).await?;
    let data = arguments.data.as_deref().map(Payload::read).transpose()?.map(|data| data.text);
    let letters = stage.chosen(&arguments.chosen).await?;
    let mut done = 0;
    for (at, letter) in letters.iter().enumerate() {
        if let Err(failure) = stage.letters.retry(letter, data.as_deref()).await {
            stage.letters.put_back(&letters[at..]).await?;
            eprintln!("{} handed in again before this failed", count(done, "dead letter"));
            return Err(failure);
        }
        done += 1;
    }
    finish(arguments.json, "retried", done, "handed in again")
}

/// Deletes one dead letter, or all.
pub(super) async fn discard(arguments: &cli::DiscardLetters) -> Result<(), Failure> {
    let stage = Stage::open(&arguments.aws).await?;
    let letters = stage.chosen(&arguments.chosen).await?;
    for letter in &letters {
        stage.letters.discard(letter).await?;
    }
    finish(arguments.json, "discarded", letters.len(), "discarded")
}

fn finish(json: bool, key: &str, number: usize, words: &str) -> Result<(), Failure> {
    print(&if json {
        json_line(&json!({ key: number }))?
    } else {
        format!("{} {words}\n", count(number, "dead letter"))
    })
}

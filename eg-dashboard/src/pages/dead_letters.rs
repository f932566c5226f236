//! Dead letters: what the gateway gave up, in groups of one cause, to be retried, edited, discarded or exported.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use eg_sdk::EventGateway;
use eg_sdk::history::{DeadLetter, DeadLetterPage, Loss};
use futures_util::stream;
use maud::{Markup, html};
use time::OffsetDateTime;

use super::event::SHOWN;
use super::{notice, tree};
use crate::access::Id;
use crate::failure::Failure;
use crate::frame::{Part, page, token};
use crate::group::{Group, groups};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{command, place, show};

/// The number of dead letters that are read at once, and so grouped.
pub(crate) const READ: usize = 500;

/// The number of dead letters of a group that are listed.
const LISTED: usize = 20;

/// Returns which dead letters a page is about: the expired ones if the query says so.
///
/// # Errors
/// If the query says something else.
fn loss(query: &Fields) -> Result<Loss, Failure> {
    let state = query.get("state").map(|state| state.parse().map_err(|_| Failure::BadQuery));
    Ok(state.transpose()?.unwrap_or(Loss::Dead))
}

/// The dead letters of a page: how they were given up, and where the page begins.
#[derive(Debug, Clone, Copy)]
struct Section {
    loss: Loss,
    before: Option<i64>,
}

impl Section {
    fn of(query: &Fields) -> Result<Self, Failure> {
        Ok(Self { loss: loss(query)?, before: query.before()? })
    }

    async fn read(self, gateway: &EventGateway) -> Result<DeadLetterPage, Failure> {
        Ok(gateway.dead_letters().page(self.loss, self.before, READ).await?)
    }

    /// Returns `before` as text; empty on the first page.
    fn beginning(self) -> String {
        self.before.map(|before| before.to_string()).unwrap_or_default()
    }
}

/// `GET …/dead-letters`
pub(crate) async fn list(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let section = Section::of(&query)?;
    let loss = section.loss;
    let found = section.read(&visitor.gateway).await?;
    let space = visitor.gateway.space();
    let groups = groups(&found.dead_letters);
    let now = OffsetDateTime::now_utc();
    let here = |state: Loss| {
        place::in_space(space, &format!("/dead-letters{}", place::query([("state", state.as_str())])))
    };
    let export =
        place::in_space(space, &format!("/dead-letters/export{}", place::query([("state", loss.as_str())])));
    let body = html! {
        div .title {
            h1 { "Dead letters" }
            @if !groups.is_empty() { div .actions { a .button .plain href=(export) download { "Export" } } }
        }
        (notice(&query))
        nav .tabs aria-label="How they were given up" {
            a href=(here(Loss::Dead)) aria-current=[(loss == Loss::Dead).then_some("true")] { "Failed or rejected" }
            a href=(here(Loss::Expired)) aria-current=[(loss == Loss::Expired).then_some("true")] { "Expired" }
        }
        @if groups.is_empty() && section.before.is_some() {
            p .empty { "There are no older ones." }
        } @else if groups.is_empty() {
            p .empty { @if loss == Loss::Dead { "No dead letters: every delivery has succeeded or is still being tried." } @else { "No delivery has reached its age limit." } }
        } @else {
            p .quiet {
                (show::count(found.dead_letters.len(), "dead letter")) " in " (show::count(groups.len(), "group"))
                @if found.next.is_some() { "; older ones follow on the next page" }
            }
        }
        @for group in &groups { (card(&visitor, section, group, now)) }
        nav .pages aria-label="Pages" {
            @if section.before.is_some() { a href=(here(loss)) { "Newest" } }
            @if let Some(next) = found.next {
                a rel="next" href=(place::query([("state", loss.as_str()), ("before", &next.to_string())])) { "Older" }
            }
        }
    };
    Ok(page(&visitor, Part::DeadLetters, "Dead letters", &body))
}

fn card(visitor: &Visitor, section: Section, group: &Group<'_>, now: OffsetDateTime) -> Markup {
    let space = visitor.gateway.space();
    let of_group = place::in_space(space, "/dead-letters/group");
    let reason = group.reason();
    let which = place::query([
        ("state", section.loss.as_str()),
        ("before", &section.beginning()),
        ("function", group.function),
        ("cause", &group.cause),
    ]);
    html! {
        article .card data-row {
            h2 { (show::text(group.function)) " " span .chip .dead { (show::grouped(group.letters.len() as u64)) } }
            p .reason { (show::clipped(reason.unwrap_or(&group.cause), 500)) }
            @if let Some(oldest) = group.oldest() { p .quiet { "the oldest was given up " (show::ago(oldest, now)) } }
            div .actions {
                form method="post" action=(of_group) {
                    (token(visitor)) (fields(section, group.function, &group.letters))
                    input type="hidden" name="do" value="retry";
                    button { "Retry " (show::count(group.letters.len(), "dead letter")) }
                }
                a href={ (of_group) (which) } { "Discard…" }
            }
            details open[group.letters.len() == 1] {
                summary { "Events" }
                ul .letters { @for letter in group.letters.iter().take(LISTED) { (item(visitor, letter, reason.is_none(), now)) } }
                @if group.letters.len() > LISTED { p .quiet { "and " (show::grouped((group.letters.len() - LISTED) as u64)) " more" } }
            }
        }
    }
}

/// Returns the fields of an action on a group: its dead letters one by one, because others may join it while the page is
/// open; and the page to return to.
fn fields(section: Section, function: &str, letters: &[&DeadLetter]) -> Markup {
    let ids: Vec<String> = letters.iter().map(|letter| letter.dead_letter_id.to_string()).collect();
    html! {
        input type="hidden" name="state" value=(section.loss.as_str());
        @if section.before.is_some() { input type="hidden" name="before" value=(section.beginning()); }
        input type="hidden" name="function" value=(function);
        input type="hidden" name="ids" value=(ids.join(","));
    }
}

/// Returns the dead letters that such a form names.
///
/// # Errors
/// If one of them is not a number.
pub(crate) fn ids_of(form: &Fields) -> Result<Vec<i64>, Failure> {
    let ids = form.text("ids").split(',').filter(|id| !id.is_empty());
    ids.map(|id| id.parse().map_err(|_| Failure::BadForm)).collect()
}

fn item(visitor: &Visitor, letter: &DeadLetter, with_reason: bool, now: OffsetDateTime) -> Markup {
    let space = visitor.gateway.space();
    let DeadLetter { dead_letter_id: id, event_id, event_type, source, .. } = letter;
    html! {
        li {
            div {
                a href=(place::event(space, event_id, source, event_type, "")) { (show::text(event_type)) " " (show::short(event_id)) }
                " " span .quiet { (show::ago(letter.dead_at, now)) ", " (show::count(letter.attempts.len(), "attempt")) }
                @if with_reason { pre .error { (show::clipped(&letter.reason, 500)) } }
            }
            div .actions {
                form method="post" action=(place::in_space(space, &format!("/dead-letters/{id}/retry"))) { (token(visitor)) button .plain { "Retry" } }
                a href=(place::in_space(space, &format!("/dead-letters/{id}"))) { "Edit" }
            }
        }
    }
}

/// `GET …/dead-letters/group`: asks before a group is discarded.
pub(crate) async fn confirm(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let section = Section::of(&query)?;
    let found = section.read(&visitor.gateway).await?;
    let (function, cause) = (query.text("function"), query.text("cause"));
    let mut groups = groups(&found.dead_letters).into_iter();
    let group = groups.find(|group| group.function == function && group.cause == cause);
    let reason = group.as_ref().and_then(Group::reason).unwrap_or(cause);
    let letters = group.as_ref().map(|group| &group.letters[..]).unwrap_or_default();
    let space = visitor.gateway.space();
    let back = place::query([("state", section.loss.as_str()), ("before", &section.beginning())]);
    let body = html! {
        div .narrow {
            h1 { "Discard " (show::count(letters.len(), "dead letter")) "?" }
            p .lead { "Their events will not be delivered to " strong { (show::text(function)) } ". The history keeps the events and all attempts." }
            p .reason { (show::clipped(reason, 500)) }
            div .actions {
                form method="post" action=(place::in_space(space, "/dead-letters/group")) {
                    (token(&visitor)) (fields(section, function, letters))
                    input type="hidden" name="do" value="discard";
                    button .danger { "Discard" }
                }
                a href={ (place::in_space(space, "/dead-letters")) (back) } { "Keep them" }
            }
        }
    };
    Ok(page(&visitor, Part::DeadLetters, "Discard dead letters", &body))
}

/// `GET …/dead-letters/<id>`: one dead letter, to be edited before it is retried, or discarded.
pub(crate) async fn edit(visitor: Visitor, Id(id): Id<i64>) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let gone =
        || Failure::NotFound(format!("There is no dead letter {id}. It may have been retried or discarded."));
    let letter = visitor.gateway.dead_letters().get(id).await?.ok_or_else(gone)?;
    let DeadLetter { event_id, event_type, source, .. } = &letter;
    let action = |what: &str| place::in_space(space, &format!("/dead-letters/{id}/{what}"));
    let body = html! {
        h1 { "Dead letter " (id) }
        p { "of " strong { (show::text(&letter.function_id)) } " for " a href=(place::event(space, event_id, source, event_type, "")) { (show::text(event_type)) " " (show::short(event_id)) } }
        p .reason { (show::clipped(&letter.reason, 2_000)) }
        @if letter.event.get().len() <= SHOWN {
            form .stacked method="post" action=(action("retry")) {
                (token(&visitor))
                label for="event" { "The event for this delivery. Source and id cannot be changed; other deliveries keep the original." }
                textarea #event name="edited" rows="20" spellcheck="false" required { (show::json(&tree::indented(letter.event.get()))) }
                button { "Retry with this event" }
            }
        } @else {
            p { "The event is " (show::grouped(letter.event.get().len() as u64)) " bytes long. Edit its payload in a file:" }
            pre data-copy { (command::cargo_eg(space, &["dead-letters", "retry", &id.to_string(), "--data", "@payload.json"])) }
        }
        form method="post" action=(action("discard")) { (token(&visitor)) button .danger { "Discard this dead letter" } }
    };
    Ok(page(&visitor, Part::DeadLetters, "Dead letter", &body))
}

/// `GET …/dead-letters/export`: all dead letters, one JSON object per line.
pub(crate) async fn export(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let gateway = visitor.gateway;
    let section = Section { before: None, ..Section::of(&query)? };
    // The first page before the answer begins, so that a refusal is one.
    let first = section.read(&gateway).await?;
    let pages = stream::try_unfold(Next::Page(first), move |next| {
        let gateway = gateway.clone();
        async move {
            let page = match next {
                Next::Page(page) => page,
                Next::Before(before) => {
                    let page = gateway.dead_letters().page(section.loss, Some(before), READ).await;
                    // The answer breaks off, so that nobody takes the file for a complete one.
                    page.map_err(io::Error::other)?
                }
                Next::Nothing => return Ok(None),
            };
            let lines = lines(&page.dead_letters)?;
            Ok::<_, io::Error>(Some((lines, page.next.map_or(Next::Nothing, Next::Before))))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"dead-letters.ndjson\""),
        ),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// What an export writes next.
enum Next {
    Page(DeadLetterPage),
    Before(i64),
    Nothing,
}

fn lines(letters: &[DeadLetter]) -> io::Result<Bytes> {
    let mut text = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut text, letter)?;
        text.push(b'\n');
    }
    Ok(text.into())
}

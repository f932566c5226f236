//! Dead letters: what the gateway gave up, in groups of one cause, to be retried, edited, discarded or exported.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use eg_sdk::EventGateway;
use eg_sdk::history::{DeadLetter, Loss};
use futures_util::stream;
use maud::{Markup, html};
use time::OffsetDateTime;

use super::event::SHOWN;
use super::{notice, tree};
use crate::Dashboard;
use crate::failure::Failure;
use crate::frame::{Part, page, token};
use crate::group::{Group, groups};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{place, show};

/// The number of dead letters that are read at once, and so grouped.
pub(crate) const READ: usize = 500;

/// The number of dead letters of a group that are listed.
const LISTED: usize = 20;

/// Returns which dead letters a page is about: the expired ones if the query says so.
pub(crate) fn loss(query: &Fields) -> Loss {
    query.get("state").and_then(|state| state.parse().ok()).unwrap_or(Loss::Dead)
}

/// `GET …/dead-letters`
pub(crate) async fn list(
    State(app): State<Arc<Dashboard>>,
    Path(space): Path<String>,
    headers: HeaderMap,
    query: Fields,
) -> Result<Response, Failure> {
    let visitor = app.visitor(&headers, &space);
    let loss = loss(&query);
    let found = visitor.gateway.dead_letters().page(loss, query.number("before"), READ).await?;
    let groups = groups(&found.dead_letters);
    let now = OffsetDateTime::now_utc();
    let here = |state: Loss| {
        place::in_space(&space, &format!("/dead-letters{}", place::query([("state", state.as_str())])))
    };
    let export =
        place::in_space(&space, &format!("/dead-letters/export{}", place::query([("state", loss.as_str())])));
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
        @if groups.is_empty() {
            p .empty { @if loss == Loss::Dead { "No dead letters: every delivery has succeeded or is still being tried." } @else { "No delivery has reached its age limit." } }
        } @else {
            p .quiet {
                (show::count(found.dead_letters.len(), "dead letter")) " in " (show::count(groups.len(), "group"))
                @if found.next.is_some() { ", the newest; older ones follow on the next page" }
            }
        }
        @for group in &groups { (card(&visitor, loss, group, now)) }
        @if let Some(next) = found.next {
            nav .pages aria-label="Pages" {
                a rel="next" href=(place::query([("state", loss.as_str()), ("before", &next.to_string())])) { "Older" }
            }
        }
    };
    Ok(page(&visitor, Part::DeadLetters, "Dead letters", &body))
}

fn card(visitor: &Visitor, loss: Loss, group: &Group<'_>, now: OffsetDateTime) -> Markup {
    let space = visitor.gateway.space();
    let of_group = place::in_space(space, "/dead-letters/group");
    let which =
        place::query([("state", loss.as_str()), ("function", group.function), ("cause", &group.cause)]);
    html! {
        article .card data-row {
            h2 { (show::text(group.function)) " " span .chip .dead { (show::grouped(group.letters.len() as u64)) } }
            p .reason { (show::text(&group.cause)) }
            @if let Some(oldest) = group.oldest() { p .quiet { "the oldest was given up " (show::ago(oldest, now)) } }
            div .actions {
                form method="post" action=(of_group) {
                    (token(visitor)) (fields(loss, group.function, &group.cause))
                    input type="hidden" name="do" value="retry";
                    button { "Retry " (show::count(group.letters.len(), "dead letter")) }
                }
                a href={ (of_group) (which) } { "Discard…" }
            }
            details open[group.letters.len() == 1] {
                summary { "Events" }
                ul .letters { @for letter in group.letters.iter().take(LISTED) { (item(visitor, letter, now)) } }
                @if group.letters.len() > LISTED { p .quiet { "and " (show::grouped((group.letters.len() - LISTED) as u64)) " more" } }
            }
        }
    }
}

/// Returns the fields that name a group.
fn fields(loss: Loss, function: &str, cause: &str) -> Markup {
    html! {
        input type="hidden" name="state" value=(loss.as_str());
        input type="hidden" name="function" value=(function);
        input type="hidden" name="cause" value=(cause);
    }
}

fn item(visitor: &Visitor, letter: &DeadLetter, now: OffsetDateTime) -> Markup {
    let space = visitor.gateway.space();
    let DeadLetter { dead_letter_id: id, event_id, event_type, source, .. } = letter;
    html! {
        li {
            div {
                a href=(place::event(space, event_id, source, event_type, "")) { (show::text(event_type)) " " (show::short(event_id)) }
                " " span .quiet { (show::ago(letter.dead_at, now)) ", " (show::count(letter.attempts.len(), "attempt")) }
                pre .error { (show::clipped(&letter.reason, 500)) }
            }
            div .actions {
                form method="post" action=(place::in_space(space, &format!("/dead-letters/{id}/retry"))) { (token(visitor)) button .plain { "Retry" } }
                a href=(place::in_space(space, &format!("/dead-letters/{id}"))) { "Edit" }
            }
        }
    }
}

/// Returns the dead letters of a group among the newest.
pub(crate) async fn of_group(gateway: &EventGateway, query: &Fields) -> Result<Vec<DeadLetter>, Failure> {
    let found = gateway.dead_letters().page(loss(query), None, READ).await?.dead_letters;
    let is_in =
        |group: &Group<'_>| group.function == query.text("function") && group.cause == query.text("cause");
    let ids: Vec<i64> = groups(&found)
        .into_iter()
        .filter(is_in)
        .flat_map(|group| group.letters)
        .map(|letter| letter.dead_letter_id)
        .collect();
    Ok(found.into_iter().filter(|letter| ids.contains(&letter.dead_letter_id)).collect())
}

/// `GET …/dead-letters/group`: asks before a group is discarded.
pub(crate) async fn confirm(
    State(app): State<Arc<Dashboard>>,
    Path(space): Path<String>,
    headers: HeaderMap,
    query: Fields,
) -> Result<Response, Failure> {
    let visitor = app.visitor(&headers, &space);
    let letters = of_group(&visitor.gateway, &query).await?;
    let body = html! {
        div .narrow {
            h1 { "Discard " (show::count(letters.len(), "dead letter")) "?" }
            p .lead { "Their events will not be delivered to " strong { (show::text(query.text("function"))) } ". The history keeps the events and all attempts." }
            p .reason { (show::text(query.text("cause"))) }
            div .actions {
                form method="post" action=(place::in_space(&space, "/dead-letters/group")) {
                    (token(&visitor)) (fields(loss(&query), query.text("function"), query.text("cause")))
                    input type="hidden" name="do" value="discard";
                    button .danger { "Discard" }
                }
                a href=(place::in_space(&space, "/dead-letters")) { "Keep them" }
            }
        }
    };
    Ok(page(&visitor, Part::DeadLetters, "Discard dead letters", &body))
}

/// `GET …/dead-letters/<id>`: one dead letter, to be edited before it is retried, or discarded.
pub(crate) async fn edit(
    State(app): State<Arc<Dashboard>>,
    Path((space, id)): Path<(String, i64)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let visitor = app.visitor(&headers, &space);
    let gone =
        || Failure::NotFound(format!("There is no dead letter {id}. It may have been retried or discarded."));
    let letter = visitor.gateway.dead_letters().get(id).await?.ok_or_else(gone)?;
    let DeadLetter { event_id, event_type, source, .. } = &letter;
    let action = |what: &str| place::in_space(&space, &format!("/dead-letters/{id}/{what}"));
    let body = html! {
        h1 { "Dead letter " (id) }
        p { "of " strong { (show::text(&letter.function_id)) } " for " a href=(place::event(&space, event_id, source, event_type, "")) { (show::text(event_type)) " " (show::short(event_id)) } }
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
            pre data-copy { "cargo eg dead-letters retry " (id) " --data @payload.json" }
        }
        form method="post" action=(action("discard")) { (token(&visitor)) button .danger { "Discard this dead letter" } }
    };
    Ok(page(&visitor, Part::DeadLetters, "Dead letter", &body))
}

/// `GET …/dead-letters/export`: all dead letters, one JSON object per line.
pub(crate) async fn export(
    State(app): State<Arc<Dashboard>>,
    Path(space): Path<String>,
    headers: HeaderMap,
    query: Fields,
) -> Result<Response, Failure> {
    let gateway = app.visitor(&headers, &space).gateway;
    let loss = loss(&query);
    // The first page before the answer begins, so that a refusal is one.
    let first = gateway.dead_letters().page(loss, None, READ).await?;
    let pages = stream::unfold(Some(first), move |page| {
        let gateway = gateway.clone();
        async move {
            let page = page?;
            let lines: String = page
                .dead_letters
                .iter()
                .filter_map(|letter| serde_json::to_string(letter).ok())
                .fold(String::new(), |text, line| text + &line + "\n");
            // A failure ends the file early, at the end of a line.
            let next = match page.next {
                Some(before) => gateway.dead_letters().page(loss, Some(before), READ).await.ok(),
                None => None,
            };
            Some((Ok::<_, Infallible>(Bytes::from(lines)), next))
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

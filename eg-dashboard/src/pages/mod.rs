//! The pages. Each module reads what its page needs from the gateway and renders it into the frame of all pages.

pub(crate) mod catalogue;
pub(crate) mod dead_letters;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod health;
pub(crate) mod logs;
pub(crate) mod map;
mod matrix;
mod rust_test;
pub(crate) mod send;
pub(crate) mod trace;
mod tree;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};

use crate::Dashboard;
use crate::reading::Fields;
use crate::{place, show};

/// `GET /dashboard`: the events of the space that the client is for.
pub(crate) async fn home(State(app): State<Arc<Dashboard>>) -> Redirect {
    Redirect::to(&place::in_space(app.options.gateway.space(), "/events"))
}

/// `GET /dashboard/space?name=…`: the events of a space.
pub(crate) async fn choose_space(query: Fields) -> Redirect {
    Redirect::to(&place::in_space(query.get("name").unwrap_or("default"), "/events"))
}

/// Returns what the last action did. The query names it by a word and a number, so that a link from elsewhere cannot make the
/// page say anything else.
fn notice(query: &Fields) -> Markup {
    let number = || usize::try_from(query.number("n").unwrap_or_default()).unwrap_or_default();
    let text = match query.text("done") {
        "replayed" => format!("Replayed to {}.", show::count(number(), "subscription")),
        "replaying" => "The replay goes on in the background; the list of jobs shows it.".to_owned(),
        "retried" => format!("{} will be delivered again.", show::count(number(), "dead letter")),
        "hastened" => "The delivery is attempted now.".to_owned(),
        "discarded" => format!(
            "Discarded {}. The history of the events keeps them.",
            show::count(number(), "dead letter")
        ),
        "sent" => "The gateway has stored the event.".to_owned(),
        "duplicate" => {
            "The gateway had accepted an event with this id and source before, and stored nothing.".to_owned()
        }
        _ => return html! {},
    };
    html! { p .notice role="status" { (text) } }
}

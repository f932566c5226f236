//! What all pages share: the document around their content, the navigation, and the token of forms.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use crate::visitor::Visitor;
use crate::{ROOT, assets, place, show};

/// The parts of the dashboard, in the order of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Events,
    DeadLetters,
    Functions,
    Logs,
    Map,
    Catalogue,
    Send,
    Health,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::Events,
        Self::DeadLetters,
        Self::Functions,
        Self::Logs,
        Self::Map,
        Self::Catalogue,
        Self::Send,
        Self::Health,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Events => "Events",
            Self::DeadLetters => "Dead letters",
            Self::Functions => "Functions",
            Self::Logs => "Logs",
            Self::Map => "Map",
            Self::Catalogue => "Catalogue",
            Self::Send => "Send",
            Self::Health => "Health",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Events => "/events",
            Self::DeadLetters => "/dead-letters",
            Self::Functions => "/functions",
            Self::Logs => "/logs",
            Self::Map => "/map",
            Self::Catalogue => "/catalogue",
            Self::Send => "/send",
            Self::Health => "/health",
        }
    }
}

/// Returns a page of a space.
pub(crate) fn page(visitor: &Visitor, part: Part, title: &str, body: &Markup) -> Response {
    let space = visitor.gateway.space();
    let header = html! {
        header {
            a .brand href=(place::in_space(space, "/events")) { img src=(assets::url("icon.svg")) alt="" width="22" height="22"; "Event Gateway" }
            nav aria-label="Parts" {
                @for other in Part::ALL.into_iter().filter(|part| !visitor.reads_only || *part != Part::Send) {
                    a href=(place::in_space(space, other.path())) aria-current=[(other == part).then_some("page")] { (other.name()) }
                }
            }
            div .visitor {
                @if visitor.reads_only { span .chip .none title="Your access key only reads." { "read-only" } }
                details {
                    summary { span .quiet { "space " } (show::text(space)) }
                    form action={ (ROOT) "/space" } {
                        label for="space" { "Another space" }
                        input #space name="name" required maxlength="128" autocomplete="off";
                        button { "Open" }
                    }
                }
                @if visitor.logged_in {
                    form method="post" action={ (ROOT) "/logout" } { (token(visitor)) button .plain { "Log out" } }
                }
            }
        }
    };
    let body = html! { div .reads-only[visitor.reads_only] { (body) } };
    answer(StatusCode::OK, title, &header, &body)
}

/// Returns a page that belongs to no space.
pub(crate) fn alone(status: StatusCode, title: &str, body: &Markup) -> Response {
    let header = html! {
        header { a .brand href=(ROOT) { img src=(assets::url("icon.svg")) alt="" width="22" height="22"; "Event Gateway" } }
    };
    answer(status, title, &header, body)
}

fn answer(status: StatusCode, title: &str, header: &Markup, body: &Markup) -> Response {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (show::text(title)) " · Event Gateway" }
                link rel="icon" href=(assets::url("icon.svg"));
                link rel="stylesheet" href=(assets::url("style.css"));
                script type="module" src=(assets::url("app.js")) {}
            }
            body {
                a .skip href="#main" { "Skip to the content" }
                (header)
                main #main tabindex="-1" { (body) }
                footer {
                    p #keys hidden { kbd { "/" } " filter  " kbd { "j" } " " kbd { "k" } " next, previous  " kbd { "Enter" } " open  " kbd { "p" } " pause  " kbd { "?" } " this help" }
                }
            }
        }
    };
    (status, html_type(), document.into_string()).into_response()
}

/// Returns a part of a page, which the script puts into it.
pub(crate) fn fragment(body: &Markup) -> Response {
    (StatusCode::OK, html_type(), body.clone().into_string()).into_response()
}

fn html_type() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))])
}

/// Returns the hidden field without which no form changes anything.
pub(crate) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="token" value=(visitor.token); }
}

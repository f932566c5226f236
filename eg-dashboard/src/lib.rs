//! The pages of an event gateway: what happened to each event, and why. Reads everything through the client of `eg-sdk`, and
//! leaves every decision to the gateway. The README says what the pages show and how to embed them.

mod access;
mod actions;
mod assets;
mod command;
mod failure;
mod frame;
mod graph;
mod group;
mod live;
mod login;
mod pages;
mod place;
mod reading;
mod retries;
mod show;
mod trace;
mod visitor;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use eg_grammar::OwnNames;
use eg_sdk::EventGateway;
use eg_sdk::config::Secret;
use subtle::ConstantTimeEq as _;

use self::access::Sessions;
use self::failure::Failure;
pub use self::graph::{Edge, Graph, Kind, Node, Remark};

/// The path below which everything is served.
pub const ROOT: &str = "/dashboard";

/// What a dashboard shows, and to whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// The client of the gateway, without an access key: the pages ask their visitors for it when the gateway does.
    pub gateway: EventGateway,
    /// The URL of the gateway's Events API as people reach it, for commands to copy.
    pub events_url: String,
    /// The names under which the pages may be called.
    pub names: OwnNames,
    /// Whether the pages may be called by any other name, too. Only safe if the gateway needs an access key.
    pub any_host: bool,
    /// Whether browsers reach the pages by `https`, so that cookies stay there.
    pub secure: bool,
    /// Lets the first visitor of [`Ticket::path`] in without the form for the key.
    pub ticket: Option<Ticket>,
}

/// A way in for one visitor: the program that starts the pages has the key, and prints an address that works once.
#[derive(Clone)]
pub struct Ticket {
    code: String,
    key: Secret,
}

impl Ticket {
    /// Creates a ticket for the key.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self { code: access::random(), key }
    }

    /// Returns the path to open.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{ROOT}/login?ticket={}", self.code)
    }

    /// Returns whether this is the ticket with the code.
    fn is(&self, code: &str) -> bool {
        self.code.as_bytes().ct_eq(code.as_bytes()).into()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// What all requests share.
struct Dashboard {
    options: Options,
    sessions: Sessions,
}

/// Returns the service of the pages: everything below [`ROOT`].
pub fn router(mut options: Options) -> Router {
    let sessions = Sessions::new(options.ticket.take());
    let app = Arc::new(Dashboard { options, sessions });
    let of_space = Router::new()
        .route("/events", get(pages::events::list).post(actions::emit))
        .route("/events/{id}", get(pages::event::show))
        .route("/events/{id}/raw", get(pages::event::raw))
        .route("/events/{id}/replay", post(actions::replay))
        .route("/events/{id}/resend", post(actions::resend))
        .route("/events/{id}/trace", get(pages::trace::show))
        .route("/deliveries/{id}/retry", post(actions::hasten))
        .route("/live", get(live::watch))
        .route("/dead-letters", get(pages::dead_letters::list))
        .route("/dead-letters/export", get(pages::dead_letters::export))
        .route("/dead-letters/group", get(pages::dead_letters::confirm).post(actions::of_group))
        .route("/dead-letters/{id}", get(pages::dead_letters::edit))
        .route("/dead-letters/{id}/retry", post(actions::retry))
        .route("/dead-letters/{id}/discard", post(actions::discard))
        .route("/send", get(pages::send::form))
        .route("/functions", get(pages::functions::list))
        .route("/logs", get(pages::logs::list))
        .route("/map", get(pages::map::show))
        .route("/map/graph", get(pages::map::download))
        .route("/catalogue", get(pages::catalogue::list))
        .route("/health", get(pages::health::show));
    let pages = Router::new()
        .route("/", get(pages::home))
        .route("/space", get(pages::choose_space))
        .route("/login", get(access::enter).post(access::log_in))
        .route("/logout", post(access::log_out))
        .route("/assets/{version}/{name}", get(asset))
        .nest("/spaces/{space}", of_space);
    Router::new()
        .route(ROOT, get(pages::home))
        .nest(&format!("{ROOT}/"), pages)
        .fallback(async || Failure::NoPage)
        .method_not_allowed_fallback(async || Failure::NoPage)
        .layer(from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// `GET /dashboard/assets/<version>/<name>`
async fn asset(path: Result<Path<(String, String)>, PathRejection>) -> Result<Response, Failure> {
    path.ok().and_then(|Path((version, name))| assets::answer(&version, &name)).ok_or(Failure::NoPage)
}

/// The headers of every answer. Pages load nothing from elsewhere, run no script of their text, and are in no frame.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // With `no-referrer`, browsers send these pages' own forms as from nowhere.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// The layer that every request passes.
async fn around(State(app): State<Arc<Dashboard>>, request: Request, next: Next) -> Response {
    let mut response = match access::screen(&app.options, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(foreign) => Failure::Foreign(foreign).into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (Some(name), value)));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Returns whether a request to `/` of a port should be answered with the pages: a browser asks for a page there, and
/// programs do not.
#[must_use]
pub fn is_wanted(method: &Method, accept: Option<&HeaderValue>) -> bool {
    let html = |accept: &HeaderValue| {
        accept.to_str().is_ok_and(|accept| {
            accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == "text/html")
        })
    };
    method == Method::GET && accept.is_some_and(html)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Decides who may use the pages: screens out pages from elsewhere, keeps the sessions of visitors who have shown the access
//! key, and checks the tokens of forms. Which key is right is decided by the gateway.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use eg_grammar::{Foreign, Visit};
use eg_sdk::config::Secret;
use eg_sdk::history::EventFilter;
use eg_sdk::{Error, EventGateway};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::failure::{Failure, is_about_the_key};
use crate::login;
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{Dashboard, Options, ROOT, Ticket, place};

/// The name of the cookie without the port. Browsers send cookies to all ports of a host, so each port has a name of its own.
const COOKIE: &str = "eg-session";

/// How long a session lasts without a request.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// The maximum number of sessions. One more ends the one that was used longest ago.
const SESSIONS: usize = 256;

/// The visitors who have shown a key.
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Session>>,
    /// The token of visitors without a session.
    token: String,
    ticket: Mutex<Option<Ticket>>,
}

struct Session {
    key: Secret,
    /// Whether the key allows no change.
    reads_only: bool,
    token: String,
    used: Instant,
}

impl Sessions {
    pub(crate) fn new(ticket: Option<Ticket>) -> Self {
        Self { open: Mutex::default(), token: random(), ticket: Mutex::new(ticket) }
    }

    /// Returns the key of the ticket with this code, if nobody has used it.
    fn key_of(&self, code: &str) -> Option<Secret> {
        let ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.as_ref().filter(|ticket| ticket.is(code)).map(|ticket| ticket.key.clone())
    }

    /// Takes the ticket with this code, and returns its key.
    fn redeem(&self, code: &str) -> Option<Secret> {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.take_if(|ticket| ticket.is(code)).map(|ticket| ticket.key)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.used.elapsed() < IDLE);
        open
    }

    /// Begins a session and returns its cookie.
    fn begin(&self, key: Secret, reads_only: bool) -> String {
        let mut open = self.open();
        if open.len() >= SESSIONS
            && let Some(oldest) =
                open.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone())
        {
            open.remove(&oldest);
        }
        let id = random();
        open.insert(id.clone(), Session { key, reads_only, token: random(), used: Instant::now() });
        id
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Returns 244 random bits as text.
pub(crate) fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Checks that a request is from a page of these, or that somebody opens one.
pub(crate) fn screen(options: &Options, method: &Method, headers: &HeaderMap) -> Result<(), Foreign> {
    let values = |name: &'static str| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    let visit = Visit::read(method.as_str(), values);
    if !options.any_host {
        options.names.check_host(&visit)?;
    }
    if visit.navigates() { Ok(()) } else { options.names.check_page(&visit) }
}

impl Dashboard {
    /// Returns who sent a request about a space.
    fn visitor(&self, headers: &HeaderMap, space: &str) -> Visitor {
        let gateway = self.options.gateway.clone().with_space(space);
        let mut open = self.sessions.open();
        match session(headers).and_then(|id| open.get_mut(&id)) {
            Some(session) => {
                session.used = Instant::now();
                let gateway = gateway.with_access_key(session.key.clone());
                let (token, reads_only) = (session.token.clone(), session.reads_only);
                Visitor { gateway, token, logged_in: true, reads_only }
            }
            None => {
                Visitor { gateway, token: self.sessions.token.clone(), logged_in: false, reads_only: false }
            }
        }
    }

    fn cookie(&self, headers: &HeaderMap, value: &str, age: &str) -> HeaderValue {
        let secure = if self.options.secure { "; Secure" } else { "" };
        let name = cookie_name(headers);
        let cookie = format!("{name}={value}; Path={ROOT}; HttpOnly; SameSite=Strict{age}{secure}");
        HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Returns a part of the path by its name in the router; `None` if the path has no such part.
///
/// # Errors
/// If the path is not UTF-8.
async fn part(parts: &mut Parts, name: &str) -> Result<Option<String>, Failure> {
    let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Failure::NoPage)?;
    let found = path.iter().find(|(known, _)| *known == name);
    Ok(found.map(|(_, segment)| place::of_segment(segment).to_owned()))
}

/// Who sent a request about the space in its path, or about the client's own.
impl FromRequestParts<Arc<Dashboard>> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Dashboard>) -> Result<Self, Failure> {
        let space = part(parts, "space").await?;
        Ok(app.visitor(&parts.headers, space.as_deref().unwrap_or(app.options.gateway.space())))
    }
}

/// The id in the path of a request.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr> FromRequestParts<Arc<Dashboard>> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Dashboard>) -> Result<Self, Failure> {
        let id = part(parts, "id").await?.and_then(|id| id.parse().ok());
        id.map(Self).ok_or(Failure::NoPage)
    }
}

/// The form of a change that a page of these has sent, and who sent it.
pub(crate) struct Change {
    pub(crate) visitor: Visitor,
    pub(crate) form: Fields,
}

impl FromRequest<Arc<Dashboard>> for Change {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<Dashboard>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let form = Fields::of_form(body).await?;
        match (is_own(&form, &visitor), visitor.reads_only) {
            (true, false) => Ok(Self { visitor, form }),
            (true, true) => Err(Failure::OnlyReads),
            (false, _) => Err(Failure::NoToken),
        }
    }
}

/// Returns whether a page of these has sent a form.
fn is_own(form: &Fields, visitor: &Visitor) -> bool {
    form.text("token").as_bytes().ct_eq(visitor.token.as_bytes()).into()
}

/// Returns the name of the cookie at the port that the request calls.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port: String =
        host.rsplit_once(':').map_or("", |(_, port)| port).chars().filter(char::is_ascii_digit).collect();
    format!("{COOKIE}-{port}")
}

/// Returns the id of the session in a request.
fn session(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    let mut cookies =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// `GET /dashboard/login`: the form, or a session for the holder of the ticket.
pub(crate) async fn enter(
    State(app): State<Arc<Dashboard>>,
    headers: HeaderMap,
    query: Fields,
) -> Result<Response, Failure> {
    let Some(code) = query.get("ticket") else { return Ok(login::page(StatusCode::OK, None)) };
    let used = || {
        login::page(StatusCode::UNAUTHORIZED, Some("This address has been used. Log in with the access key."))
    };
    let Some(key) = app.sessions.key_of(code) else { return Ok(used()) };
    let gateway = app.options.gateway.clone().with_access_key(key);
    let reads_only = reads_only(&gateway).await?;
    // A failed request to the gateway leaves the ticket for the next attempt. Of several visitors only one gets it.
    let Some(key) = app.sessions.redeem(code) else { return Ok(used()) };
    let cookie = app.cookie(&headers, &app.sessions.begin(key, reads_only), "");
    let to = place::in_space(gateway.space(), "/events");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response())
}

/// Returns whether the key of a client allows no change. Older gateways have no such keys.
async fn reads_only(gateway: &EventGateway) -> Result<bool, Error> {
    match gateway.access().await {
        Ok(access) => Ok(!access.may_change),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `POST /dashboard/login`: begins a session if the gateway accepts the key. The form has no token: nobody gains from logging
/// in a visitor, who would need the key for it.
pub(crate) async fn log_in(
    State(app): State<Arc<Dashboard>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let form = Fields::of_form(body).await?;
    let key = Secret::from(form.text("key"));
    let space = form.get("space").unwrap_or("default");
    let gateway = app.options.gateway.clone().with_space(space).with_access_key(key.clone());
    match gateway.history().page(&EventFilter::default(), None, 1).await {
        Ok(_) => {
            let cookie = app.cookie(&headers, &app.sessions.begin(key, reads_only(&gateway).await?), "");
            let to = place::in_space(space, "/events");
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response())
        }
        Err(error) if is_about_the_key(&error) => Ok(login::page(
            StatusCode::UNAUTHORIZED,
            Some("The gateway does not accept this key for the space."),
        )),
        Err(error) => Err(error.into()),
    }
}

/// `POST /dashboard/logout`: ends the session.
pub(crate) async fn log_out(
    State(app): State<Arc<Dashboard>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    if !is_own(&Fields::of_form(body).await?, &visitor) {
        return Err(Failure::NoToken);
    }
    if let Some(id) = session(&headers) {
        app.sessions.open().remove(&id);
    }
    let cookie = app.cookie(&headers, "", "; Max-Age=0");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(ROOT)).into_response())
}

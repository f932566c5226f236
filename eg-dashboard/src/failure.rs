//! The failures of requests, and the pages that they are answered with.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eg_grammar::Foreign;
use eg_sdk::Error;
use eg_sdk::errors::ErrorCode;
use maud::html;
use tokio::task::JoinError;

use crate::{frame, login, show};

/// Why a request gets no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A page or a name from elsewhere sent the request.
    Foreign(Foreign),
    /// The form has no token of these pages, or an old one.
    NoToken,
    /// The visitor's key allows no change.
    OnlyReads,
    /// The form cannot be read.
    BadForm,
    /// The query of an address cannot be read.
    BadQuery,
    /// There is no such page.
    NoPage,
    /// There is no such thing; the text says what.
    NotFound(String),
    /// What the visitor entered cannot be used; the text says why.
    Mistake(String),
    /// The first were changed, the others were not; the text says why.
    Partly { changed: usize, of: usize, why: String },
    /// An action on several things stopped because of a bug.
    Stopped(JoinError),
    /// The gateway requires an access key.
    NoKey,
    /// The visitor's key does not allow the request.
    WrongKey,
    /// A call to the gateway failed.
    Gateway(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code() {
            Some(ErrorCode::KeyMissing) => Self::NoKey,
            Some(ErrorCode::KeyRefused) => Self::WrongKey,
            _ => match error {
                // Nothing was sent.
                Error::Event { .. } | Error::Payload(_) => {
                    Self::Mistake(format!("{}.", with_sources(&error)))
                }
                error => Self::Gateway(error),
            },
        }
    }
}

/// Returns whether the gateway refused a request because of its access key.
pub(crate) fn is_about_the_key(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::KeyMissing | ErrorCode::KeyRefused))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::NoKey => return login::page(StatusCode::UNAUTHORIZED, None),
            Self::WrongKey => {
                return login::page(StatusCode::FORBIDDEN, Some("Your key does not open this space."));
            }
            Self::Foreign(foreign) => {
                (StatusCode::FORBIDDEN, "Not from here", format!("This request is refused: {foreign}."))
            }
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                "The form is no longer valid: the session ended, or the dashboard was restarted. Go back, reload the \
                 page, and try again."
                    .to_owned(),
            ),
            Self::OnlyReads => (
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                "Your access key only reads. Log out, and log in with a key that allows changes.".to_owned(),
            ),
            Self::BadForm => {
                (StatusCode::BAD_REQUEST, "Nothing was changed", "The form cannot be read.".to_owned())
            }
            Self::BadQuery => (
                StatusCode::BAD_REQUEST,
                "This address cannot be read",
                "A parameter of the address has an invalid value.".to_owned(),
            ),
            Self::NoPage => {
                (StatusCode::NOT_FOUND, "No such page", "The dashboard has no page here.".to_owned())
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Mistake(why) => (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was changed", why),
            Self::Partly { changed, of, why } => (
                StatusCode::CONFLICT,
                "Only some were changed",
                format!("{} of {} were changed. {why}", show::grouped(changed as u64), show::grouped(of as u64)),
            ),
            Self::Stopped(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Perhaps only some were changed",
                format!("The dashboard failed because of a bug: {error}."),
            ),
            Self::Gateway(error) => {
                let (status, title) = match error.status() {
                    None if matches!(error, Error::Unreachable { .. }) => {
                        (StatusCode::BAD_GATEWAY, "The gateway does not answer")
                    }
                    None => (StatusCode::BAD_GATEWAY, "The gateway's answer cannot be used"),
                    Some(404) => (StatusCode::NOT_FOUND, "The gateway refused the request"),
                    Some(500..) => (StatusCode::BAD_GATEWAY, "The gateway failed"),
                    Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The gateway refused the request"),
                };
                (status, title, with_sources(&error))
            }
        };
        let body = html! {
            h1 { (title) }
            p .lead { (show::clipped(&text, 2_000)) }
            p { a .button href=(crate::ROOT) { "To the events" } }
        };
        frame::alone(status, title, &body)
    }
}

/// Returns an error with everything that led to it.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

//! The failures of requests, and the pages that they are answered with.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eg_grammar::Foreign;
use eg_sdk::Error;
use maud::html;

use crate::{frame, login, show};

/// Why a request gets no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A page or a name from elsewhere sent the request.
    Foreign(Foreign),
    /// The form has no token of these pages, or an old one.
    NoToken,
    /// The form cannot be read.
    BadForm,
    /// There is no such page.
    NoPage,
    /// There is no such thing; the text says what.
    NotFound(String),
    /// What the visitor entered cannot be used; the text says why.
    Mistake(String),
    /// The gateway wants another access key than the visitor's, or any.
    NoKey,
    /// A call to the gateway failed.
    Gateway(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.status() {
            Some(401 | 403) => Self::NoKey,
            _ => Self::Gateway(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::NoKey => return login::page(StatusCode::UNAUTHORIZED, None),
            Self::Foreign(foreign) => {
                (StatusCode::FORBIDDEN, "Not from here", format!("This request is refused: {foreign}."))
            }
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                "Nothing was changed",
                "The form is too old: the gateway was restarted, or you logged out. Go back, reload the page, and \
                 try again."
                    .to_owned(),
            ),
            Self::BadForm => {
                (StatusCode::BAD_REQUEST, "Nothing was changed", "The form cannot be read.".to_owned())
            }
            Self::NoPage => {
                (StatusCode::NOT_FOUND, "No such page", "The dashboard has no page here.".to_owned())
            }
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Mistake(why) => (StatusCode::UNPROCESSABLE_ENTITY, "Nothing was changed", why),
            Self::Gateway(error) => {
                let status = match error.status() {
                    Some(404) => StatusCode::NOT_FOUND,
                    Some(400..500) => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::BAD_GATEWAY,
                };
                (status, "The gateway refused", with_sources(&error))
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
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

//! The form for the access key, wherever the gateway wants one.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use crate::ROOT;
use crate::frame::alone;

/// Returns the form, with the reason why the last key was refused.
pub(crate) fn page(status: StatusCode, refused: Option<&str>) -> Response {
    let body = html! {
        div .narrow {
            h1 { "Log in" }
            p .lead { "This gateway has an access key. The browser gets a session for it, and never keeps the key." }
            @if let Some(refused) = refused { p .notice .bad role="alert" { (refused) } }
            form .stacked method="post" action={ (ROOT) "/login" } {
                label for="key" { "Access key" }
                input #key name="key" type="password" required autocomplete="current-password" autofocus;
                label for="space" { "Space" }
                input #space name="space" value="default" required;
                button { "Log in" }
            }
        }
    };
    alone(status, "Log in", &body)
}

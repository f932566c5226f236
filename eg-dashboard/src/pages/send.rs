//! The form that sends an event.

use axum::response::Response;
use eg_sdk::{CloudEvent, Data};
use maud::html;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::frame::{Part, page, token};
use crate::place;
use crate::reading::Fields;
use crate::visitor::Visitor;

/// The source of events that are sent from here, unless the visitor names another.
const SOURCE: &str = "/dashboard";

/// `GET …/send`
pub(crate) async fn form(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let types = visitor.gateway.event_types().list().await?;
    let body = html! {
        div .narrow {
            h1 { "Send an event" }
            p .lead { "The gateway stores the event and delivers it to every function that subscribes to its type." }
            form .stacked method="post" action=(place::in_space(space, "/events")) {
                (token(&visitor))
                label for="type" { "Type" }
                input #type name="type" list="types" value=(query.text("type")) required placeholder="user.created" autocomplete="off" spellcheck="false";
                label for="source" { "Source" }
                input #source name="source" value=(SOURCE) required spellcheck="false";
                label for="subject" { "Subject " span .quiet { "(optional)" } }
                input #subject name="subject" autocomplete="off" spellcheck="false";
                label for="data" { "Payload, as JSON" }
                textarea #data name="data" rows="12" spellcheck="false" { "{\n  \n}" }
                button { "Send" }
                datalist #types { @for ty in &types { option value=(ty.name) {} } }
            }
        }
    };
    Ok(page(&visitor, Part::Send, "Send an event", &body))
}

/// Returns the event of a form.
///
/// # Errors
/// Returns what is wrong with it.
pub(crate) fn written(form: &Fields) -> Result<CloudEvent, String> {
    let data = match form.text("data").trim() {
        "" => Data::Empty,
        text => match RawValue::from_string(text.to_owned()) {
            Ok(json) => Data::Json(json),
            Err(error) => return Err(format!("The payload is not JSON: {error}.")),
        },
    };
    let event = CloudEvent::of_type(form.text("type"), form.text("source"), data)
        .with_time(OffsetDateTime::now_utc());
    Ok(match form.get("subject") {
        Some(subject) => event.with_subject(subject),
        None => event,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_events() {
        let read = |form: &str| written(&Fields::parse(form.as_bytes()));
        let event = read("type=a&source=/s&subject=x&data=%7B%22n%22%3A1.0%7D").unwrap();
        assert_eq!((event.ty(), event.source(), event.subject()), ("a", "/s", Some("x")));
        assert_eq!(event.payload().as_ref(), br#"{"n":1.0}"#);
        assert!(read("type=a&source=/s&data=").unwrap().data.is_empty());
        assert!(read("type=a&source=/s&data=%7B").unwrap_err().starts_with("The payload is not JSON: "));
    }
}

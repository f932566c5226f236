//! Creates the gateway client for the commands about stored events, turns errors of its calls into messages for the
//! command line, and suggests event types.

use eg_grammar::nearest;
use eg_sdk::errors::ErrorCode;
use eg_sdk::history::EventFilter;
use eg_sdk::{Error, EventGateway, RetryPolicy, Settings};

use crate::exit::{Exit, Failure};

/// The number of events whose types are suggested.
const NEWEST: usize = 100;

/// Creates a client that does not retry: the user can repeat the command.
pub(super) fn client(settings: Settings) -> Result<EventGateway, Failure> {
    Ok(EventGateway::with_settings(settings)?.with_retry(RetryPolicy::none()))
}

/// Returns the suggestion of a registered event type that is similar to `ty`, or an empty text.
pub(super) async fn similar_registered_type(gateway: &EventGateway, ty: &str) -> String {
    suggestion(ty, &registered_types(gateway).await)
}

/// Returns the suggestion of an event type that is similar to `ty`, from those that are registered and those of the newest events,
/// or an empty text.
pub(super) async fn similar_type(gateway: &EventGateway, ty: &str) -> String {
    let mut known = registered_types(gateway).await;
    let newest = gateway.history().events(&EventFilter::default(), NEWEST).await.unwrap_or_default();
    known.extend(newest.into_iter().map(|event| event.event_type));
    suggestion(ty, &known)
}

async fn registered_types(gateway: &EventGateway) -> Vec<String> {
    let registered = gateway.event_types().list().await.unwrap_or_default();
    registered.into_iter().map(|known| known.name).collect()
}

fn suggestion(ty: &str, known: &[String]) -> String {
    let near = nearest(ty, known.iter().map(String::as_str).filter(|name| *name != ty));
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Returns the failure for an error of the history API.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Unreachable { url, source, .. } => {
            let gateway = url.split_once("/v1/").map_or(&*url, |(gateway, _)| gateway);
            Failure::because(Exit::Unreachable, format!("no gateway answers at {gateway}/"), source)
                .hint("`cargo eg run` starts one; --config-url names another")
        }
        Error::Answer { .. } => {
            Failure::new(Exit::Refused, error).hint("is --config-url the address of a gateway's Config API?")
        }
        Error::Refused { status: 401 | 403, .. } => {
            Failure::from(error).hint("--access-key, or EVENT_GATEWAY_ACCESS_KEY, names the key")
        }
        Error::Refused { status: 404 | 405, code, .. } if code != Some(ErrorCode::NotFound) => {
            Failure::from(error).hint("this needs the gateway that `cargo eg run` and `event-gateway` start")
        }
        error => Failure::from(error),
    }
}

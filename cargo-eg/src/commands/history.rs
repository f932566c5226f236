//! Creates the gateway client for the commands about stored events, and turns errors of its calls into messages for
//! the command line.

use eg_sdk::errors::ErrorCode;
use eg_sdk::{Error, EventGateway, RetryPolicy, Settings};

use crate::exit::{Exit, Failure};

/// Creates a client that does not retry: the user can repeat the command.
pub(super) fn client(settings: Settings) -> Result<EventGateway, Failure> {
    Ok(EventGateway::with_settings(settings)?.with_retry(RetryPolicy::none()))
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

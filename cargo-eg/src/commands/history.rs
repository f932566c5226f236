//! The gateway's client as the commands about stored events use it, and the failures of its calls in the words of the
//! command line.

use eg_sdk::errors::ErrorCode;
use eg_sdk::{Error, EventGateway, RetryPolicy, Settings};

use crate::exit::{Exit, Failure};

/// A client that calls once: whoever typed the command can repeat it.
pub(super) fn client(settings: Settings) -> Result<EventGateway, Failure> {
    Ok(EventGateway::with_settings(settings)?.with_retry(RetryPolicy::none()))
}

/// Why a call of the history API failed.
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

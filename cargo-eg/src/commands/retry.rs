//! `cargo eg retry`: attempts the deliveries of an event at once that wait for their next attempt.

use eg_sdk::errors::ErrorCode;
use eg_sdk::history::{Delivery, DeliveryState};
use serde_json::json;

use super::history::{client, failure};
use super::{find, functions, json_line, print};
use crate::cli;
use crate::console::text::count;
use crate::exit::{Exit, Failure};

pub(crate) async fn run(arguments: cli::Retry) -> Result<(), Failure> {
    let cli::Retry { event, to, json, gateway } = arguments;
    let gateway = client(gateway.settings())?;
    let deliveries = find::event(&gateway, "retry", (&event).into()).await?.deliveries;
    let is_wanted =
        |one: &&Delivery| to.as_deref().is_none_or(|name| functions::is_named(name, &one.function_id));
    let wanted: Vec<&Delivery> = deliveries.iter().filter(is_wanted).collect();
    if let Some(name) = to.as_deref().filter(|_| wanted.is_empty()) {
        let message = format!("the event has no delivery to `{name}`");
        return Err(Failure::new(Exit::NotFound, message).hint("`cargo eg show EVENT` lists its deliveries"));
    }
    let mut retried = 0;
    for delivery in wanted.iter().filter(|one| one.state == DeliveryState::Pending) {
        match gateway.history().retry(delivery.delivery_id).await {
            Ok(_) => retried += 1,
            // Meanwhile it is under way, or it waits for an earlier one with its key.
            Err(error) if error.code() == Some(ErrorCode::NotFound) => {}
            Err(error) => return Err(failure(error)),
        }
    }
    if json {
        return print(&json_line(&json!({"retried": retried}))?);
    }
    if retried == 0 {
        let is_lost = |one: &&Delivery| one.state.loss().is_some() && one.discarded_at.is_none();
        eprintln!("no delivery waits for its next attempt");
        if wanted.iter().any(is_lost) {
            eprintln!("`cargo eg dead-letters retry` retries what was given up");
        }
    }
    print(&format!("{} retried\n", count(retried, "delivery")))
}

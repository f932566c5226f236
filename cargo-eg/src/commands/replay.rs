//! `cargo eg replay`: delivers stored events again.

use eg_sdk::EventGateway;
use eg_sdk::config::{Subscription, SubscriptionType};
use eg_sdk::history::{Replay, ReplayRequest};

use super::find::Named;
use super::history::{client, failure};
use super::{find, functions, jobs, json_line, print};
use crate::cli;
use crate::console::text::count;
use crate::exit::{Exit, Failure};

pub(crate) async fn run(arguments: cli::Replay) -> Result<(), Failure> {
    let cli::Replay { event, ty, source, since, until, to, json, gateway } = arguments;
    let gateway = client(gateway.settings())?;
    let mut request = ReplayRequest { source, ty, from: since, to: until, ..ReplayRequest::default() };
    if let Some(event) = &event {
        let named = Named { id: event, source: request.source.as_deref(), ty: request.ty.as_deref() };
        let found = find::event(&gateway, "replay", named).await?.event;
        request.event_id = Some(found.event_id);
        request.source = Some(found.source);
        request.ty = Some(found.event_type);
    }
    let subscribed_to = request.ty.clone();
    let targets = match &to {
        Some(function) => subscriptions(&gateway, function, subscribed_to.as_deref()).await?,
        None => vec![None],
    };
    let mut replays = Vec::new();
    for subscription_id in targets {
        let request = ReplayRequest { subscription_id, ..request.clone() };
        replays.push(gateway.history().replay(&request).await.map_err(failure)?);
    }
    // Only now, because Ctrl-C ends the waiting.
    for replay in &mut replays {
        if let Some(job) = replay.job_id.take() {
            let job = jobs::wait(&gateway, job, "replaying").await?;
            (replay.events, replay.deliveries) = (job.events, job.deliveries);
        }
    }
    if json {
        return print(&replays.iter().map(json_line).collect::<Result<String, _>>()?);
    }
    let mut text = String::new();
    for Replay { replay_id, events, deliveries, .. } in replays {
        text += &format!(
            "{} replayed: {}\nreplay: {replay_id}\n",
            count(events, "event"),
            count(deliveries, "delivery")
        );
        match (events, deliveries) {
            (0, _) => eprintln!("no stored event matches; `cargo eg events` lists the stored ones"),
            (_, 0) => eprintln!("no function is subscribed to them now"),
            _ => eprintln!("`cargo eg show EVENT` shows each delivery"),
        }
    }
    print(&text)
}

/// Returns the ids of a function's async subscriptions, limited to the event type if one is given.
async fn subscriptions(
    gateway: &EventGateway,
    function: &str,
    ty: Option<&str>,
) -> Result<Vec<Option<String>>, Failure> {
    let ids = functions::registered(gateway).await?;
    let id = functions::find(function, &ids).map_err(|problem| problem.at_the_gateway(function))?;
    let takes = |one: &Subscription| {
        one.function_id == id
            && one.kind == SubscriptionType::Async
            && ty.is_none_or(|ty| one.event_type == ty)
    };
    let all = gateway.subscriptions().list().await.map_err(failure)?;
    let found: Vec<_> = all.into_iter().filter(takes).map(|one| Some(one.subscription_id)).collect();
    if found.is_empty() {
        let what = ty.map_or_else(|| "any event".to_owned(), |ty| format!("`{ty}`"));
        return Err(Failure::new(
            Exit::NotFound,
            format!("function `{id}` has no async subscription to {what}"),
        )
        .hint("`cargo eg invoke` calls a function directly, without a subscription"));
    }
    Ok(found)
}

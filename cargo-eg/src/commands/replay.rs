//! `cargo eg replay`: stored events are delivered once more.

use eg_sdk::EventGateway;
use eg_sdk::config::{Subscription, SubscriptionType};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::events::timestamp;
use super::functions::{self, Problem};
use super::print;
use crate::cli;
use crate::console::text::count;
use crate::exit::{Exit, Failure};
use crate::history::client::History;
use crate::history::{find, view};

/// What a replay came to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    replay_id: String,
    events: usize,
    deliveries: usize,
}

pub(crate) async fn run(arguments: cli::Replay) -> Result<(), Failure> {
    let cli::Replay { event, ty, source, since, until, to, json, gateway } = arguments;
    let settings = gateway.settings();
    let history = History::of(settings.clone())?;
    let mut request = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        request.extend(value.map(|value| (name.to_owned(), Value::from(value))));
    };
    let mut only = ty.clone();
    if let Some(event) = &event {
        let found = find::event(&history, event, source.as_deref()).await?;
        let found = view::History::read(&found).map_err(|error| {
            Failure::because(Exit::Refused, "the gateway's answer is no event".to_owned(), error)
        })?;
        set("eventId", Some(found.event.event_id));
        set("source", Some(found.event.source));
        only = only.or(Some(found.event.event_type));
    } else {
        set("source", source);
    }
    set("type", ty);
    set("from", since.map(timestamp));
    set("to", until.map(timestamp));
    let targets = match &to {
        Some(function) => {
            subscriptions(&EventGateway::with_settings(settings)?, function, only.as_deref()).await?
        }
        None => vec![None],
    };
    let mut answers: Vec<Value> = Vec::new();
    for target in targets {
        let mut request = request.clone();
        request.extend(target.map(|id| ("subscriptionId".to_owned(), id.into())));
        let answer = history.post(&["replays"], Some(Value::Object(request))).await?;
        answers.push(answer.ok_or_else(|| history.keeps_none("events"))?);
    }
    if json {
        let lines: Vec<String> = answers.iter().map(|answer| format!("{answer}\n")).collect();
        return print(&lines.concat());
    }
    let mut text = String::new();
    for answer in answers {
        let Replayed { replay_id, events, deliveries } = serde_json::from_value(answer).unwrap_or_default();
        text += &format!(
            "{} replayed: {}\nreplay: {replay_id}\n",
            count(events, "event"),
            count(deliveries, "delivery")
        );
        match (events, deliveries) {
            (0, _) => eprintln!("no stored event matches; `cargo eg events` lists them"),
            (_, 0) => eprintln!("nobody is subscribed to them today"),
            _ => {}
        }
    }
    print(&text)
}

/// The ids of a function's async subscriptions, to the type if one is given.
async fn subscriptions(
    gateway: &EventGateway,
    function: &str,
    ty: Option<&str>,
) -> Result<Vec<Option<String>>, Failure> {
    let ids: Vec<String> = gateway.functions().list().await?.into_iter().map(|one| one.function_id).collect();
    let id = functions::find(function, &ids).map_err(|problem| match problem {
        Problem::Unknown([]) => Failure::new(Exit::NotFound, "no function is registered at the gateway")
            .hint("`cargo eg run` starts the app and registers its functions"),
        problem => problem.failure(function, "is registered"),
    })?;
    let takes = |one: &Subscription| {
        one.function_id == id
            && one.kind == SubscriptionType::Async
            && ty.is_none_or(|ty| one.event_type == ty)
    };
    let all = gateway.subscriptions().list().await?;
    let found: Vec<_> = all.into_iter().filter(takes).map(|one| Some(one.subscription_id)).collect();
    if found.is_empty() {
        let what = ty.map_or_else(|| "any event".to_owned(), |ty| format!("`{ty}`"));
        return Err(Failure::new(
            Exit::NotFound,
            format!("function {id} has no async subscription to {what}"),
        )
        .hint("`cargo eg invoke` calls a function whatever it is subscribed to"));
    }
    Ok(found)
}

//! `cargo eg invoke`: calls one function through the local Invoke API, as AWS's tools do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eg_grammar::HTTP_REQUEST;
use eg_sdk::config::Subscription;
use eg_sdk::manifest::{Function, Manifest, Trigger};
use eg_sdk::{EventGateway, RetryPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use super::app::Loaded;
use super::data::Payload;
use super::functions::{self, Problem};
use super::post::post;
use super::{print, print_answer};
use crate::cli::{self, SampleKind};
use crate::console::text::readable;
use crate::exit::{Exit, Failure};
use crate::project::services::Service;
use crate::project::{Wanted, sample};

pub(crate) async fn run(arguments: cli::Invoke) -> Result<(), Failure> {
    let data = arguments.data.as_deref().map(Payload::read).transpose()?;
    let (id, payload) = match (data, arguments.sample) {
        (Some(data), None) => (registered(&arguments).await?, data.text),
        (data, kind) => {
            let data = data.map(|data| data.text);
            let (id, payload) = sampled(&arguments, kind, data.as_deref()).await?;
            (id, payload.to_string())
        }
    };
    if arguments.dry_run {
        return print(&format!("{payload}\n"));
    }
    let answer = call(&arguments, &id, payload).await?;
    if !arguments.quiet {
        eprint!("{}", readable(&answer.log));
    }
    print_answer(&answer.result)?;
    if !answer.failed {
        return Ok(());
    }
    let failure = Failure::new(Exit::Function, format!("function {id} failed: {}", reason(&answer.result)));
    let is_raw = arguments.data.is_some() && arguments.sample.is_none();
    Err(if is_raw && takes_requests(&arguments, &id).await {
        let hint = format!(
            "{id} answers HTTP requests: `--sample http` puts the payload into one, as in \
             `cargo eg invoke {id} --sample http --data '{{}}'`"
        );
        failure.hint(hint)
    } else {
        failure
    })
}

/// Whether the gateway sends HTTP requests to the function.
async fn takes_requests(arguments: &cli::Invoke, id: &str) -> bool {
    let Ok(gateway) = EventGateway::with_settings(arguments.gateway.settings()) else { return false };
    let subscriptions = gateway.with_retry(RetryPolicy::none()).subscriptions().list().await;
    let takes = |one: &Subscription| one.function_id == id && one.event_type == HTTP_REQUEST;
    subscriptions.is_ok_and(|subscriptions| subscriptions.iter().any(takes))
}

/// The response of a function.
struct Answer {
    /// The bytes that the function answered.
    result: Bytes,
    log: Vec<u8>,
    failed: bool,
}

async fn call(arguments: &cli::Invoke, id: &str, payload: String) -> Result<Answer, Failure> {
    let base = arguments.lambda.url();
    let url = format!("{base}/2015-03-31/functions/{id}/invocations");
    let response = post(&url, &[("x-amz-log-type", "Tail")], payload).await.map_err(|error| {
        Failure::because(Exit::Unreachable, format!("no local Lambda answers at {base}"), error)
            .hint("`cargo eg run` starts one with your functions; --lambda-url names another")
    })?;
    let status = response.status();
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (failed, log) = (header("x-amz-function-error").is_some(), header("x-amz-log-result"));
    let result = response.into_body();
    match status {
        StatusCode::NOT_FOUND => {
            Err(Failure::new(Exit::NotFound, format!("the local Lambda at {base} has no function {id}"))
                .hint("`cargo eg run` shows the functions that it starts"))
        }
        status if !status.is_success() => {
            let message = format!("the local Lambda refused the call of {id}: {}", reason(&result));
            Err(Failure::new(Exit::Refused, message))
        }
        _ => {
            let log = STANDARD.decode(log.unwrap_or_default()).unwrap_or_default();
            Ok(Answer { result, log, failed })
        }
    }
}

/// Returns the id of a function that is registered at the local gateway. Without a gateway, the name must be the id.
async fn registered(arguments: &cli::Invoke) -> Result<String, Failure> {
    let gateway = EventGateway::with_settings(arguments.gateway.settings())?.with_retry(RetryPolicy::none());
    let Ok(known) = gateway.functions().list().await else { return Ok(arguments.function.clone()) };
    let known: Vec<String> = known.into_iter().map(|function| function.function_id).collect();
    match functions::find(&arguments.function, &known) {
        Ok(id) => Ok(id.to_owned()),
        Err(Problem::Unknown([])) => Ok(arguments.function.clone()),
        Err(problem) => Err(problem.failure(&arguments.function, "is registered")),
    }
}

/// Returns a function of the local services and a sample payload for it. `data` replaces the generated data in the
/// payload.
async fn sampled(
    arguments: &cli::Invoke,
    kind: Option<SampleKind>,
    data: Option<&str>,
) -> Result<(String, Value), Failure> {
    let ids = |services: &[Service]| -> Vec<String> {
        let functions = services.iter().flat_map(|service| &service.manifest.functions);
        functions.map(|function| function.id.clone()).collect()
    };
    let loaded = match arguments.paths.as_slice() {
        [] => {
            Loaded::running(|services| functions::find(&arguments.function, &ids(services)).is_ok()).await?
        }
        paths => Loaded::build(&Wanted { paths: paths.to_vec(), ..Wanted::default() }).await?,
    };
    let known = ids(&loaded.services);
    let id = functions::find(&arguments.function, &known)
        .map_err(|problem| problem.failure(&arguments.function, "is in these services"))?;
    let mut manifests = loaded.services.iter().map(|service| &service.manifest);
    let found = manifests
        .find_map(|manifest| Some((manifest, manifest.functions.iter().find(|function| function.id == id)?)));
    let Some((manifest, function)) = found else {
        return Err(Failure::new(Exit::NotFound, format!("no function `{id}` is in these services")));
    };
    Ok((id.to_owned(), payload(manifest, function, kind, data)?))
}

/// Returns a payload for the first trigger of that kind, or for the first trigger if no kind is given.
fn payload(
    manifest: &Manifest,
    function: &Function,
    kind: Option<SampleKind>,
    data: Option<&str>,
) -> Result<Value, Failure> {
    let trigger =
        function.triggers.iter().find(|trigger| kind.is_none_or(|kind| kind_of(trigger) == Some(kind)));
    let Some(trigger) = trigger else {
        return Err(match kind {
            Some(kind) => {
                Failure::new(Exit::Usage, format!("function {} has no {} trigger", function.id, word(kind)))
                    .hint("leave --sample out for its first trigger, or write the payload with --data")
            }
            None => Failure::new(Exit::Usage, format!("function {} has no trigger", function.id))
                .hint("write the payload with --data"),
        });
    };
    Ok(match trigger {
        Trigger::Event(event) if event.is_http() => {
            let emitted = function.emits.iter().flat_map(|ty| manifest.schemas_of(ty));
            let body = event.method.has_body().then(|| sample::body(emitted));
            sample::http(event.method, &event.path, data.or(body.as_deref()))
        }
        Trigger::Event(event) => {
            let schema = manifest.schemas_of(&event.event_type).next();
            let data = match data {
                Some(data) => serde_json::from_str(data).unwrap_or_default(),
                None => schema.map_or_else(|| json!({}), sample::of),
            };
            sample::event(&event.event_type, data)?
        }
        Trigger::Queue { queue, .. } => sample::sqs(queue.as_str(), data.unwrap_or("{}")),
        Trigger::Schedule { .. } => sample::schedule(&function.id),
        other => {
            let message = format!("there is no sample for the trigger {other:?}");
            return Err(Failure::new(Exit::Usage, message).hint("write the payload with --data"));
        }
    })
}

fn kind_of(trigger: &Trigger) -> Option<SampleKind> {
    match trigger {
        Trigger::Event(event) if event.event_type == HTTP_REQUEST => Some(SampleKind::Http),
        Trigger::Event(_) => Some(SampleKind::Event),
        Trigger::Queue { .. } => Some(SampleKind::Sqs),
        Trigger::Schedule { .. } => Some(SampleKind::Schedule),
        _ => None,
    }
}

fn word(kind: SampleKind) -> &'static str {
    match kind {
        SampleKind::Http => "http",
        SampleKind::Event => "event",
        SampleKind::Sqs => "queue",
        SampleKind::Schedule => "schedule",
    }
}

/// Returns the message of an error object.
fn reason(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |keys: &[&str]| keys.iter().find_map(|key| value.get(*key)?.as_str());
    match (text(&["errorType", "Type", "__type"]), text(&["errorMessage", "message", "Message"])) {
        (Some(kind), Some(message)) => format!("{kind}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => String::from_utf8_lossy(body).chars().take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_by_type_and_message() {
        assert_eq!(reason(br#"{"errorType":"Reject","errorMessage":"no address"}"#), "Reject: no address");
        assert_eq!(reason(br#"{"message":"too large"}"#), "too large");
        assert_eq!(reason(b"broken"), "broken");
    }
}

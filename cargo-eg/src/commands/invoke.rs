//! `cargo eg invoke`: calls one function through the local Invoke API, as AWS's tools do. Lists the samples of payloads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::{HTTP_REQUEST, StreamKind};
use eg_sdk::manifest::{Function, Manifest, Trigger};
use eg_sdk::{EventGateway, RetryPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use super::app::Loaded;
use super::data::Payload;
use super::functions::{self, Problem};
use super::post::{Answer, post};
use super::stage::is_on_aws;
use super::{deployed, print, print_answer};
use crate::cli;
use crate::console::text::{columns, readable};
use crate::exit::{Exit, Failure};
use crate::project::samples::{self, SAMPLES};
use crate::project::services::Service;
use crate::project::{Wanted, records, sample};

pub(crate) async fn run(arguments: cli::Invoke) -> Result<(), Failure> {
    if arguments.sample.as_deref() == Some(samples::LIST) {
        return print(&listed());
    }
    let Some(function) = arguments.function.as_deref() else {
        let failure =
            Failure::new(Exit::Usage, "a sample needs a function: `cargo eg invoke FUNCTION --sample http`");
        return Err(failure.hint("`cargo eg invoke --sample list` lists the samples"));
    };
    let data = arguments.data.as_deref().map(Payload::read).transpose()?.map(|data| data.text);
    let (id, payload) = match (data, arguments.sample.as_deref()) {
        (Some(data), None) => (registered(&arguments, function).await?, data),
        (data, Some(name)) if Kind::named(name).is_none() => {
            (registered(&arguments, function).await?, of_lambda(name, data.as_deref())?.to_string())
        }
        (data, name) => {
            let (id, payload) = sampled(&arguments, function, name, data.as_deref()).await?;
            (id, payload.to_string())
        }
    };
    if arguments.dry_run {
        return print(&format!("{payload}\n"));
    }
    let answer = if is_on_aws(&arguments.aws, None)? {
        deployed::invoke(&arguments.aws, &id, payload).await?
    } else {
        call(&arguments.lambda.url(), &id, payload).await?
    };
    if !arguments.quiet {
        eprint!("{}", readable(&answer.log));
    }
    print_answer(&answer.result)?;
    if !answer.failed {
        return Ok(());
    }
    let reason = reason(&answer.result);
    let failure = Failure::new(Exit::Function, format!("function {id} failed: {reason}"));
    let is_raw = arguments.data.is_some() && arguments.sample.is_none();
    let called_for = if is_raw { called_for(&arguments, &id).await } else { CalledFor::Unknown };
    Err(match called_for {
        CalledFor::Requests => failure.hint(format!(
            "{id} answers HTTP requests: `--sample http` puts the payload into one, as in \
             `cargo eg invoke {id} --sample http --data '{{}}'`"
        )),
        CalledFor::Events if reason.contains(NO_EVENT) => failure.hint(format!(
            "{id} handles events: `--sample event` puts the payload into one, as in \
             `cargo eg invoke {id} --sample event --data '{{}}'`"
        )),
        _ => failure,
    })
}

/// What a function says of a payload that is no event.
const NO_EVENT: &str = "unknown payload";

/// What the local gateway calls a function for.
enum CalledFor {
    Requests,
    Events,
    Unknown,
}

async fn called_for(arguments: &cli::Invoke, id: &str) -> CalledFor {
    if arguments.aws.stage.is_some() {
        return CalledFor::Unknown;
    }
    let Ok(gateway) = EventGateway::with_settings(arguments.gateway.settings()) else {
        return CalledFor::Unknown;
    };
    let subscriptions = gateway.with_retry(RetryPolicy::none()).subscriptions().list().await;
    let subscriptions = subscriptions.unwrap_or_default();
    let mut types = subscriptions.iter().filter(|one| one.function_id == id).map(|one| &*one.event_type);
    match types.next() {
        None => CalledFor::Unknown,
        Some(HTTP_REQUEST) => CalledFor::Requests,
        Some(_) if types.any(|ty| ty == HTTP_REQUEST) => CalledFor::Requests,
        Some(_) => CalledFor::Events,
    }
}

/// Calls a function of the local Lambda at the URL `base`.
pub(super) async fn call(base: &str, id: &str, payload: String) -> Result<Answer, Failure> {
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

/// Returns the id of a function that is registered at the local gateway. Without a gateway, the name must be the id. The functions
/// of a stage are asked for when they are called.
async fn registered(arguments: &cli::Invoke, function: &str) -> Result<String, Failure> {
    if arguments.aws.stage.is_some() {
        return Ok(function.to_owned());
    }
    let gateway = EventGateway::with_settings(arguments.gateway.settings())?.with_retry(RetryPolicy::none());
    let Ok(known) = gateway.functions().list().await else { return Ok(function.to_owned()) };
    let known: Vec<String> = known.into_iter().map(|function| function.function_id).collect();
    match functions::find(function, &known) {
        Ok(id) => Ok(id.to_owned()),
        Err(Problem::Unknown([])) => Ok(function.to_owned()),
        Err(problem) => Err(problem.failure(function, "is registered")),
    }
}

/// Returns a function of the local services and a sample payload for it. `data` replaces the generated data in the
/// payload.
async fn sampled(
    arguments: &cli::Invoke,
    function: &str,
    sample: Option<&str>,
    data: Option<&str>,
) -> Result<(String, Value), Failure> {
    let ids = |services: &[Service]| -> Vec<String> {
        let functions = services.iter().flat_map(|service| &service.manifest.functions);
        functions.map(|function| function.id.clone()).collect()
    };
    // The local Lambda of the app here has its functions only, so others need not be built to know that.
    let is_called_here = !arguments.dry_run && arguments.aws.stage.is_none() && !arguments.lambda.is_named();
    let loaded = match arguments.paths.as_slice() {
        [] => {
            let fits =
                |services: &[Service]| is_called_here || functions::find(function, &ids(services)).is_ok();
            Loaded::running(fits).await?
        }
        paths => Loaded::build(&Wanted { paths: paths.to_vec(), ..Wanted::default() }).await?,
    };
    let known = ids(&loaded.services);
    let id = functions::find(function, &known)
        .map_err(|problem| problem.failure(function, "is in these services"))?;
    let mut manifests = loaded.services.iter().map(|service| &service.manifest);
    let found = manifests
        .find_map(|manifest| Some((manifest, manifest.functions.iter().find(|function| function.id == id)?)));
    let Some((manifest, function)) = found else {
        return Err(Failure::new(Exit::NotFound, format!("no function `{id}` is in these services")));
    };
    Ok((id.to_owned(), payload(manifest, function, sample, data)?))
}

/// Returns a payload for the first trigger of the kind that `sample` names, or for the first trigger if it names none. A
/// function that takes every payload gets the sample itself.
fn payload(
    manifest: &Manifest,
    function: &Function,
    sample: Option<&str>,
    data: Option<&str>,
) -> Result<Value, Failure> {
    if let Some(name) = sample.filter(|_| function.is_invoked()) {
        return of_lambda(name, data);
    }
    let kind = sample.and_then(Kind::named);
    let trigger =
        function.triggers.iter().find(|trigger| kind.is_none_or(|kind| Kind::of(trigger) == Some(kind)));
    let Some(trigger) = trigger else {
        return Err(match kind {
            Some(kind) => {
                Failure::new(Exit::Usage, format!("function {} has no {} trigger", function.id, kind.word()))
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
        Trigger::EventBridge { event_bridge: pattern, .. } => {
            let (source, ty) = (&pattern.source[0], &pattern.detail_type[0]);
            let detail = match data {
                Some(data) => serde_json::from_str(data).unwrap_or_default(),
                None => samples::detail(ty).unwrap_or_else(|| json!({})),
            };
            sample::eventbridge(source, ty, &detail)
        }
        Trigger::Stream { stream, source, .. } => {
            let data = match data {
                Some(data) => serde_json::from_str(data).unwrap_or_default(),
                None => taken(manifest, function).map_or_else(|| json!({ "id": "1" }), sample::of),
            };
            records::batch(*source, stream, &data, None)
                .map_err(|mistake| Failure::new(Exit::Usage, mistake))?
        }
        Trigger::Authorizer { .. } => sample::authorizer(data),
        Trigger::Invoke { .. } => {
            let Some(schema) = taken(manifest, function) else {
                let message =
                    format!("function {} takes any payload, so there is no sample for it", function.id);
                return Err(Failure::new(Exit::Usage, message).hint(
                    "write one with --data, or choose one with --sample: `cargo eg invoke --sample list` lists them",
                ));
            };
            sample::of(schema)
        }
        other => {
            let message = format!("there is no sample for the trigger {other:?}");
            return Err(Failure::new(Exit::Usage, message).hint("write the payload with --data"));
        }
    })
}

/// Returns the schema of what the function takes as its JSON, if the manifest knows.
fn taken<'a>(manifest: &'a Manifest, function: &Function) -> Option<&'a Value> {
    manifest.events.iter().find(|event| event.received_by.contains(&function.id)).map(|event| &event.schema)
}

/// A kind of trigger, for which `--sample` generates a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Event,
    Sqs,
    Schedule,
    EventBridge,
    Stream(StreamKind),
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "http" => Self::Http,
            "event" => Self::Event,
            "sqs" => Self::Sqs,
            "schedule" => Self::Schedule,
            "eventbridge" => Self::EventBridge,
            "dynamodb-stream" => Self::Stream(StreamKind::DynamoDb),
            "kinesis-stream" => Self::Stream(StreamKind::Kinesis),
            "kafka" => Self::Stream(StreamKind::Kafka),
            _ => return None,
        })
    }

    fn of(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::Event(event) if event.event_type == HTTP_REQUEST => Some(Self::Http),
            Trigger::Event(_) => Some(Self::Event),
            Trigger::Queue { .. } => Some(Self::Sqs),
            Trigger::Schedule { .. } => Some(Self::Schedule),
            Trigger::EventBridge { .. } => Some(Self::EventBridge),
            Trigger::Stream { source, .. } => Some(Self::Stream(*source)),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Event => "event",
            Self::Sqs => "queue",
            Self::Schedule => "schedule",
            Self::EventBridge => "eventbridge",
            Self::Stream(kind) => kind.as_str(),
        }
    }
}

/// Returns the sample of one of AWS's services, with the members of `data` in it.
fn of_lambda(name: &str, data: Option<&str>) -> Result<Value, Failure> {
    let change = data.map(serde_json::from_str).transpose();
    let change: Option<Value> =
        change.map_err(|error| Failure::because(Exit::Usage, "--data is not JSON".to_owned(), error))?;
    samples::named(name, change.as_ref())
        .ok_or_else(|| Failure::new(Exit::Usage, format!("there is no sample `{name}`")))
}

/// Returns the names of all samples, each with what it is.
fn listed() -> String {
    let rows: Vec<[String; 2]> =
        SAMPLES.iter().map(|sample| [sample.name.to_owned(), sample.doc.to_owned()]).collect();
    columns(&rows)
}

/// Returns the message of an error object.
pub(super) fn reason(body: &[u8]) -> String {
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

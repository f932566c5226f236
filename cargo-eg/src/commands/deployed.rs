//! Emits to the bus or the gateway of a stage on AWS, and invokes its functions.

use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::config::Aws;
use eg_sdk::{CloudEvent, Data, EventBus, EventGateway, Settings};
use serde_json::{Value, json};

use super::functions;
use super::post::Answer;
use super::stage::connected;
use super::{json_line, print};
use crate::aws::{credentials, failure, region};
use crate::cli;
use crate::deploy::functions::{Function, functions as functions_of};
use crate::deploy::gateway;
use crate::deploy::stack::Stack;
use crate::exit::{Exit, Failure};

/// The output of the template with the name of the bus.
const BUS: &str = "EventBusName";

/// Emits an event to the bus of the stage, or to its gateway.
pub(super) async fn emit(arguments: &cli::Emit, event: CloudEvent<Data>) -> Result<(), Failure> {
    let (config, target) = connected(&arguments.aws, None).await?;
    let stack = Stack::new(&config, target).existing().await?;
    let output = |name: &str| stack.outputs.get(name).map(String::as_str);
    if let Some(gateway) = gateway::named(output)? {
        let client = gateway.client(arguments.gateway.access_key.as_deref())?;
        return emitted(arguments, &client, event, ("gateway", &gateway.url)).await;
    }
    let Some(bus) = output(BUS) else {
        let message = "the stage has no event bus: none of its functions emits or receives events";
        return Err(Failure::new(Exit::NotFound, message));
    };
    let mut settings = Settings::default();
    let mut event_bus = EventBus::new(bus);
    event_bus.aws = access(&config).await?;
    event_bus.endpoint = config.endpoint_url().map(str::to_owned);
    settings.event_bus = Some(event_bus);
    emitted(arguments, &EventGateway::with_settings(settings)?, event, ("bus", bus)).await
}

/// Emits an event, and reports it with where it went.
async fn emitted(
    arguments: &cli::Emit,
    client: &EventGateway,
    event: CloudEvent<Data>,
    (kind, place): (&str, &str),
) -> Result<(), Failure> {
    let ty = event.ty().to_owned();
    let id = client.emit(event).await?.id;
    print(&if arguments.json {
        json_line(&json!({"event": ty, "id": id, kind: place}))?
    } else {
        format!("Event emitted: {ty}\nid: {id}\n")
    })
}

/// Returns the keys and the region of the configuration.
async fn access(config: &SdkConfig) -> Result<Aws, Failure> {
    let keys = credentials(config).await?;
    let mut aws = Aws::new(region(config));
    aws.aws_access_key_id = Some(keys.access_key_id().into());
    aws.aws_secret_access_key = Some(keys.secret_access_key().into());
    aws.aws_session_token = keys.session_token().map(Into::into);
    Ok(aws)
}

/// Returns the functions of a stack.
pub(super) async fn known(stack: &Stack) -> Result<Vec<Function>, Failure> {
    // A stack of another tool may have a template in YAML, whose names are then those in AWS.
    let template = stack.template().await.unwrap_or(Value::Null);
    let resources = stack.resources(&template).await?;
    let found = functions_of(&stack.target, &template, &resources);
    if found.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("stack `{}` has no functions", stack.target.stack)));
    }
    Ok(found)
}

/// Returns the function that a name identifies.
pub(super) fn named<'a>(name: &str, stack: &Stack, known: &'a [Function]) -> Result<&'a Function, Failure> {
    let ids: Vec<String> = known.iter().map(|function| function.id.clone()).collect();
    let id = functions::find(name, &ids)
        .map_err(|problem| problem.failure(name, &format!("in stack `{}`", stack.target.stack)))?;
    let found = known.iter().find(|function| function.id == id);
    found.ok_or_else(|| Failure::new(Exit::NotFound, format!("no function `{name}`")))
}

/// Calls a function of the stage, and waits for its answer.
pub(super) async fn invoke(aws: &cli::OnAws, name: &str, payload: String) -> Result<Answer, Failure> {
    let (config, target) = connected(aws, None).await?;
    let stack = Stack::new(&config, target);
    let known = known(&stack).await?;
    let function = named(name, &stack, &known)?;
    let client = aws_sdk_lambda::Client::new(&config);
    let call =
        client.invoke().function_name(&function.physical).log_type(LogType::Tail).payload(Blob::new(payload));
    let answer = call.send().await.map_err(|error| failure(&format!("invoke `{}`", function.id), &error))?;
    let log = STANDARD.decode(answer.log_result.unwrap_or_default()).unwrap_or_default();
    let result = answer.payload.map(Blob::into_inner).unwrap_or_default().into();
    Ok(Answer { result, log, failed: answer.function_error.is_some() })
}
